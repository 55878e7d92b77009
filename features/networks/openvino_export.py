"""A Keras model as OpenVINO files, whatever backend it was trained on.

Keras converts from TensorFlow by itself. From jax and torch its conversions lose shapes or fail, so there the model is
written down and built anew by a process on Keras' openvino backend, whose graph is what OpenVINO runs.
"""

import os
import subprocess
import sys
from pathlib import Path

from features.networks import openvino_runtime  # first, for it keeps openvino's telemetry out

import keras  # isort: skip
import openvino  # isort: skip


def export(model: keras.Model, folder: Path) -> None:
    """Write `network.xml` and `network.bin` (OpenVINO IR) into an existing folder."""
    if keras.backend.backend() == "tensorflow":
        _convert(model, folder)
        return
    plan, weights = folder / "plan.json", folder / "plan.weights.h5"
    plan.write_text(model.to_json(), encoding="utf-8")
    model.save_weights(weights)
    environment = {**os.environ, "KERAS_BACKEND": "openvino"}
    command = [sys.executable, "-m", "features.networks.openvino_export", str(folder)]
    subprocess.run(command, env=environment, check=True)  # noqa: S603  our own words
    plan.unlink()
    weights.unlink()


def _convert(model: keras.Model, folder: Path) -> None:
    path = folder / "network.xml"
    model.export(str(path), format="openvino", verbose=False)
    openvino_runtime.save(openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes()), path)


def main(folder: Path) -> None:
    """Convert what `export` wrote down."""
    from features.networks.backbones import Settled  # noqa: PLC0415  which is of no use where the model comes from TensorFlow

    plan = (folder / "plan.json").read_text(encoding="utf-8")
    model = keras.models.model_from_json(plan, custom_objects={"Settled": Settled})
    model.load_weights(folder / "plan.weights.h5")
    _convert(model, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
