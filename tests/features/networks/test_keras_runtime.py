"""Test the interface of a network on a GPU, on whatever device the Keras backend uses here."""

import importlib
from dataclasses import replace

import keras
import numpy as np
import pytest

from ensemble.networks.build import build_network
from ensemble.networks.rebuild import RebuildTarget, rebuild_network
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images import chips, listing
from features.images.spec import ChipSpec
from features.networks import backbones, extract, openvino_export, openvino_runtime
from features.networks.backbones import BackboneOptions
from features.networks.keras_runtime import KerasNetwork

SPEC = ChipSpec(side=64)
GROUPS = ((0, 2),)
SETTINGS = TunedMember("net", "toy", weights="none", output="grouped")
TARGET = RebuildTarget(SPEC, 4, GROUPS, "float32")


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).integers(0, 256, (21, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a network in both forms that a bundle holds."""
    keras.utils.set_random_seed(0)
    model = build_network(SETTINGS, SPEC, np.full(4, 0.3), GROUPS)
    path = tmp_path_factory.mktemp("net")
    openvino_export.export(model, path)
    model.save_weights(path / "network.weights.h5")
    return path


@pytest.fixture(scope="module")
def expected(folder, batch):
    return openvino_runtime.load(*((folder / name).read_bytes() for name in ("network.xml", "network.bin")))(batch)


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.03)])
def test_a_rebuilt_network_computes_what_the_compiled_one_does(folder, batch, expected, policy, tolerance):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", replace(TARGET, policy=policy))
    assert (network.chip_shape, network.dtype, network.dim) == ((64, 64, 3), np.uint8, 4)
    output = network(batch)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, expected, atol=tolerance)
    assert keras.config.dtype_policy().name == "float32"


def test_a_frozen_backbone_is_rebuilt_too(batch, tmp_path):
    settings = FrozenMember("vectors", "toy", weights="none", pool="both")
    model = backbones.build("toy", SPEC, options=BackboneOptions(pool="both"))
    model.save_weights(tmp_path / "network.weights.h5")
    network = rebuild_network(settings, tmp_path / "network.weights.h5", TARGET)
    np.testing.assert_allclose(network(batch), model.predict_on_batch(batch), atol=1e-4)


def test_the_size_of_batches_does_not_change_the_outputs(folder, world):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", TARGET)
    paths = listing.chips([world.train_jpg])
    expected = network(np.stack([chips.load(path, SPEC) for path in paths]))
    for size in (5, 16, 128):
        network.batch = size
        parts = list(extract.stream_outputs(paths, [network], SPEC, jobs=2))
        outputs = np.concatenate([part.values[0][0] for part in parts])
        np.testing.assert_allclose(outputs, expected, atol=1e-6)


class FailingDevice(keras.Layer):
    """Raises an error for batches larger than the device's memory holds; notes the size of each that it gets."""

    def __init__(self, max_chips, message):
        super().__init__(dtype="uint8")
        self.max_chips, self.message, self.sizes = max_chips, message, []

    def compute_output_spec(self, pixels):
        return keras.KerasTensor(pixels.shape, pixels.dtype)

    def call(self, pixels):
        self.sizes.append(pixels.shape[0])
        if pixels.shape[0] > self.max_chips:
            raise RuntimeError(self.message)
        return pixels


def network_on(device, batch_size):
    """Return the toy backbone behind a device."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((64, 64, 3), dtype="uint8")
    toy = backbones.build("toy", SPEC)
    return KerasNetwork(keras.Model(pixels, toy(device(pixels))), batch_size), toy


def test_a_batch_that_does_not_fit_the_memory_is_halved_until_it_does(batch):
    device = FailingDevice(5, "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")
    network, toy = network_on(device, 16)
    np.testing.assert_allclose(network(batch), toy.predict_on_batch(batch), atol=1e-5)
    assert list(dict.fromkeys(device.sizes))[:2] == [16, 8]
    assert network.batch <= 5


class Switches(keras.Layer):
    """Notes whether the backend may round products of float32 while it runs."""

    def __init__(self):
        super().__init__(dtype="uint8")
        self.rounds = []

    def compute_output_spec(self, pixels):
        return keras.KerasTensor(pixels.shape, pixels.dtype)

    def call(self, pixels):
        self.rounds.append(may_round())
        return pixels


def may_round():
    """Whether a GPU may compute products of float32 in TF32."""
    backend = importlib.import_module(keras.backend.backend())
    if keras.backend.backend() == "jax":
        return backend.config.jax_default_matmul_precision != "highest"
    if keras.backend.backend() == "torch":
        return backend.backends.cudnn.allow_tf32 or backend.backends.cuda.matmul.allow_tf32
    return backend.config.experimental.tensor_float_32_execution_enabled()


def test_a_model_in_float32_is_not_computed_in_tf32(batch):
    switches = Switches()
    network, _ = network_on(switches, 16)
    network(batch)
    assert switches.rounds
    assert not any(switches.rounds)


def test_another_error_is_raised(batch):
    network, _ = network_on(FailingDevice(0, "the cable was pulled"), 16)
    with pytest.raises(RuntimeError, match="cable"):
        network(batch)


def test_chips_of_another_shape_are_refused(folder, batch):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", TARGET)
    with pytest.raises(ValueError, match="conform the chips to its chip spec"):
        network.start(batch[:, :32])


def test_a_softmax_over_all_labels_runs_on_the_cpu_alone(folder):
    with pytest.raises(ValueError, match="runs only on the CPU"):
        rebuild_network(replace(SETTINGS, output="softmax"), folder / "network.weights.h5", TARGET)
