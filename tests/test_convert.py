import numpy as np
import pytest

from ensemble import member, nets
from features import backbones, chips, convert, runtime

FOUR = chips.ChipSpec(("blue", "green", "red", "nir"), "uint16", 64)


def compiled(model, folder):
    convert.export(model, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["network.bin", "network.xml"]
    return runtime.load((folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes())


@pytest.mark.parametrize("sees", ["dehazed", "streams"])
def test_vectors_are_those_of_keras_on_any_backend(sees, tmp_path):
    model = backbones.build("toy", FOUR, frame=backbones.Frame(sees, 2, "both"))
    pixels = np.random.default_rng(0).integers(1000, 20_000, (3, 64, 64, 4), dtype=np.uint16)
    np.testing.assert_allclose(compiled(model, tmp_path)(pixels), model.predict_on_batch(pixels), atol=1e-5)


def test_scores_are_those_of_keras_on_any_backend(tmp_path):
    settings = member.Tuned("net", "toy", weights="none", output="grouped")
    model = nets.build(settings, chips.ChipSpec(side=64), np.array([0.5, 0.3, 0.2]), ((2, 1),))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(compiled(model, tmp_path)(pixels), model.predict_on_batch(pixels), atol=1e-6)
