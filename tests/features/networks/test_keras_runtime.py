"""The face of a network on a GPU, on whatever the Keras backend computes on here."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from ensemble.networks.build import build_network
from ensemble.networks.rebuild import RebuildTarget, rebuild_network
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images import chips, listing
from features.images.chips import ChipSpec
from features.networks import backbones, extract, openvino_export, openvino_runtime
from features.networks.backbones import BackboneOptions

SPEC = ChipSpec(side=64)
GROUPS = ((0, 2),)
SETTINGS = TunedMember("net", "toy", weights="none", output="grouped")
TARGET = RebuildTarget(SPEC, 4, GROUPS, "float32")


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).integers(0, 256, (21, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network in both forms that a bundle holds."""
    keras.utils.set_random_seed(0)
    model = build_network(SETTINGS, SPEC, np.full(4, 0.3), GROUPS)
    path = tmp_path_factory.mktemp("net")
    openvino_export.export(model, path)
    model.save_weights(path / "network.weights.h5")
    return path


@pytest.fixture(scope="module")
def expected(folder, batch):
    return openvino_runtime.load(*((folder / name).read_bytes() for name in ("network.xml", "network.bin")))(batch)


@pytest.mark.parametrize(("policy", "near"), [("float32", 1e-5), ("mixed_bfloat16", 0.03)])
def test_a_rebuilt_network_says_what_the_compiled_one_does(folder, batch, expected, policy, near):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", replace(TARGET, policy=policy))
    assert (network.chip_shape, network.dtype, network.dim) == ((64, 64, 3), np.uint8, 4)
    given = network(batch)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=near)
    assert keras.config.dtype_policy().name == "float32"


def test_a_frozen_backbone_is_rebuilt_too(batch, tmp_path):
    settings = FrozenMember("vectors", "toy", weights="none", pool="both")
    model = backbones.build("toy", SPEC, frame=BackboneOptions(pool="both"))
    model.save_weights(tmp_path / "network.weights.h5")
    network = rebuild_network(settings, tmp_path / "network.weights.h5", TARGET)
    np.testing.assert_allclose(network(batch), model.predict_on_batch(batch), atol=1e-4)


def test_batches_of_any_size_are_streamed_alike(folder, world):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", TARGET)
    places = listing.chips([world.train_jpg])
    expected = network(np.stack([chips.load(place, SPEC) for place in places]))
    for size in (5, 16, 128):
        network.batch = size
        parts = list(extract.stream_outputs(places, [network], SPEC, jobs=2))
        given = np.concatenate([part.values[0][0] for part in parts])
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_a_full_device_halves_the_batch_until_it_fits(folder, batch, expected):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", TARGET)
    tried = []
    apply = network._apply

    def small(padded):
        tried.append(len(padded))
        if len(padded) > 5:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")
        return apply(padded)

    network._apply = small
    network.batch = 16
    np.testing.assert_allclose(network(batch), expected, atol=1e-5)
    assert tried[0] == 16
    assert 8 in tried
    assert network.batch <= 5


def test_another_failure_is_handed_on(folder, batch):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", TARGET)

    def fail(_padded):
        raise RuntimeError("the cable was pulled")

    network._apply = fail
    with pytest.raises(RuntimeError, match="cable"):
        network(batch)


def test_chips_of_another_shape_are_refused(folder, batch):
    network = rebuild_network(SETTINGS, folder / "network.weights.h5", TARGET)
    with pytest.raises(ValueError, match="conform the chips to its chip spec"):
        network.start(batch[:, :32])


def test_a_softmax_over_all_labels_runs_on_the_cpu_alone(folder):
    with pytest.raises(ValueError, match="runs only on the CPU"):
        rebuild_network(replace(SETTINGS, output="softmax"), folder / "network.weights.h5", TARGET)
