"""Test that an exported network computes what Keras does, on any backend."""

import numpy as np
import pytest

from ensemble.networks.build import build_network
from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime
from features.networks.backbones import BackboneOptions

FOUR = ChipSpec(("blue", "green", "red", "nir"), "uint16", 64)


def compile_network(model, folder):
    openvino_export.export(model, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["network.bin", "network.xml"]
    return openvino_runtime.load((folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes())


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize("sees", ["dehazed", "streams"])
def test_exported_vectors_equal_those_of_keras(sees, tmp_path):
    model = backbones.build("toy", FOUR, options=BackboneOptions(sees, 2, "both"))
    pixels = np.random.default_rng(0).integers(1000, 20_000, (3, 64, 64, 4), dtype=np.uint16)
    np.testing.assert_allclose(compile_network(model, tmp_path)(pixels), model.predict_on_batch(pixels), atol=1e-5)


def test_exported_scores_equal_those_of_keras(tmp_path):
    settings = TunedMember("net", "toy", weights="none", output="grouped")
    model = build_network(settings, ChipSpec(side=64), np.array([0.5, 0.3, 0.2]), ((2, 1),))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(compile_network(model, tmp_path)(pixels), model.predict_on_batch(pixels), atol=1e-6)
