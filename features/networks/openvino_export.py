"""Export a Keras model as OpenVINO files, from any backend that it was trained on.

OpenVINO converts directly from TensorFlow. Keras' conversions from jax and torch lose shapes or fail; there the model
is written to disk and rebuilt by a process on Keras' openvino backend, whose graph OpenVINO runs.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from features.networks import openvino_runtime  # before openvino, because it disables openvino's telemetry
from features.networks.settled import Settled

import keras  # isort: skip
import openvino  # isort: skip
from openvino.passes import ConstantFolding, Manager  # isort: skip


def export(model: keras.Model, folder: Path) -> None:
    """Write `network.xml` and `network.bin` (OpenVINO IR) into an existing folder."""
    if keras.backend.backend() == "tensorflow":
        if sys.version_info >= (3, 13):
            _skip_exec_in_openvino()
        openvino_runtime.save(_from_tensorflow(model), folder / "network.xml")
        return
    architecture, weights = folder / "plan.json", folder / "plan.weights.h5"
    architecture.write_text(model.to_json(), encoding="utf-8")
    model.save_weights(weights)
    environment = {**os.environ, "KERAS_BACKEND": "openvino"}
    inner = [part for layer in model.layers if isinstance(layer, Settled) for part in layer.network.layers]
    modules = sorted({type(layer).__module__ for layer in (*model.layers, *inner)})  # they register the layers' classes
    command = [sys.executable, "-m", "features.networks.openvino_export", str(folder), *modules]
    subprocess.run(command, env=environment, check=True)  # noqa: S603  the command is not a user's input
    architecture.unlink()
    weights.unlink()


def _skip_exec_in_openvino() -> None:
    """Let OpenVINO 2026.4 convert from TensorFlow on Python 3.13, where it fails with a NameError otherwise.

    To read TensorFlow's version it calls exec("import tensorflow") and then exec("del tensorflow"). Since Python 3.13
    two such calls in a function share no names (PEP 667). TensorFlow is loaded already, so neither is needed.
    """
    from openvino.frontend.tensorflow import utils  # noqa: PLC0415  it imports TensorFlow

    utils.exec = lambda code: None


def _from_tensorflow(model: keras.Model) -> Any:
    """Return OpenVINO's graph of a model on TensorFlow: that of `model.export`, which traces it three times."""
    import tensorflow as tf  # noqa: PLC0415  the backend in use, so it is loaded already

    pixels = model.inputs[0]
    signature = tf.TensorSpec(pixels.shape, pixels.dtype, name=pixels.name)
    function = tf.function(partial(model, training=False), input_signature=[signature], autograph=False)
    graph = openvino.convert_model(function.get_concrete_function())
    graph.inputs[0].get_node().set_friendly_name(pixels.name)
    graph.inputs[0].tensor.set_names({pixels.name})
    return graph


def main(folder: Path, modules: Sequence[str]) -> None:
    """Convert the architecture and weights that `export` wrote into a folder; `modules` define the layers' classes."""
    for name in modules:
        importlib.import_module(name)  # registers its layers with Keras
    architecture = (folder / "plan.json").read_text(encoding="utf-8")
    model = keras.models.model_from_json(architecture, custom_objects={"Settled": Settled})
    model.load_weights(folder / "plan.weights.h5")
    path = folder / "network.xml"
    model.export(str(path), format="openvino", verbose=False)
    graph = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    passes = Manager()
    passes.register_pass(ConstantFolding())  # of standardised kernels; the conversion from TensorFlow does it itself
    passes.run_passes(graph)
    openvino_runtime.save(graph, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
