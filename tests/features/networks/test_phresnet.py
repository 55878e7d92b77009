"""Test ResNet of hypercomplex convolutions."""

import keras
import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones, truncation
from features.networks.backbone_shapes import BackboneOptions, refuse_components
from features.networks.settled import Settled

FOUR = ChipSpec(("blue", "green", "red", "nir"), "uint16", 32)
STATISTICS = ("moving_mean", "moving_variance")


def trainable(name: str, bands: int, components: int = 0) -> int:
    network = backbones.BACKBONES[name].make(input_shape=(64, 64, bands), components=components)
    return sum(int(np.prod(weight.shape)) for weight in network.weights if weight.name not in STATISTICS)


@pytest.mark.parametrize(
    ("name", "parameters"), [("phresnet18", 11_176_512), pytest.param("phresnet50", 23_508_032, marks=pytest.mark.slow)]
)
def test_one_component_has_the_weights_of_the_real_network(name, parameters):
    # He et al. 2015, without the classifier: torchvision counts 11,689,512 and 25,557,032 with that of 1,000 labels.
    layers = {"phresnet18": 20, "phresnet50": 53}[name]
    assert trainable(name, 3, components=1) - layers == parameters  # each layer has an algebra of one number


def test_four_bands_take_a_quarter_of_the_weights_of_the_kernels():
    network = backbones.BACKBONES["phresnet18"].make(input_shape=(64, 64, 4))
    count = {
        role: sum(int(np.prod(w.shape)) for w in network.weights if w.name == role) for role in ("kernel", "algebra")
    }
    real = 11_176_512 - 9_600 + 7 * 7 * 64  # its norms have 9,600 weights; the fourth band has 7 x 7 x 64
    assert count == {"kernel": real // 4, "algebra": 20 * 4**3}


@pytest.mark.parametrize("name", ["phresnet18", pytest.param("phresnet50", marks=pytest.mark.slow)])
def test_the_table_has_the_widths_for_three_bands(name):
    network = backbones.architecture(name)
    backbone = backbones.BACKBONES[name]
    assert network.output_shape[1:] == (7, 7, backbone.dim)
    for layer, columns in backbone.truncations.items():
        assert layer in truncation.end_layers(network)
        assert network.get_layer(layer).output.shape[-1] == columns
    keras.utils.clear_session()


@pytest.mark.parametrize(("bands", "components", "width"), [(4, 2, 64), (13, 0, 65)])
def test_each_number_of_bands_has_widths_that_components_divide(bands, components, width):
    network = backbones.BACKBONES["phresnet18"].make(input_shape=(32, 32, bands), components=components)
    stem = network.get_layer("stem_conv")
    assert (stem.filters, stem.components) == (width, components or bands)
    assert np.isfinite(network(np.ones((1, 32, 32, bands), np.float32))).all()


@pytest.mark.parametrize(
    ("sees", "channels"), [("bands", 4), ("grey", 4), pytest.param("dehazed", 3, marks=pytest.mark.slow)]
)
def test_the_components_are_the_bands_of_the_image(sees, channels):
    model = backbones.build("phresnet18", FOUR, layer="stage1_block1_out", options=BackboneOptions(sees))
    inside = next(layer for layer in model.layers if isinstance(layer, Settled)).network
    assert inside.get_layer("stage1_block1_conv1").components == channels
    chips = np.random.default_rng(0).integers(2000, 9000, (2, 32, 32, 4), dtype=np.uint16)
    assert np.isfinite(model.predict_on_batch(chips)).all()


def test_the_architecture_is_that_of_the_chips_bands():
    ends = truncation.block_ends(backbones.architecture("phresnet18", FOUR))
    assert (len(ends), ends[0]) == (8, "stage1_block1_out")
    built = backbones.build("phresnet18", FOUR, layer="stage2_block2_out")
    assert built.output_shape[1] == truncation.vector_width(backbones.architecture("phresnet18", FOUR), ends[3]) == 128


def test_weights_are_for_chips_of_the_same_bands(tmp_path):
    whole = backbones.architecture("phresnet18", FOUR)
    whole.save_weights(tmp_path / "four.weights.h5")
    model = backbones.build("phresnet18", FOUR, layer="stage1_block1_out", weights=str(tmp_path / "four.weights.h5"))
    inside = next(layer for layer in model.layers if isinstance(layer, Settled)).network
    for ours, theirs in zip(*(net.get_layer("stem_conv").get_weights() for net in (inside, whole)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=r"holds 2,[0-9,]+ weights, but phresnet18 needs"):
        backbones.build("phresnet18", ChipSpec(side=32), weights=str(tmp_path / "four.weights.h5"))


def test_components_that_do_not_divide_the_bands_are_refused():
    with pytest.raises(
        ValueError, match="components 4 does not divide the 3 bands that phresnet18 sees; choose one of 1, 3"
    ):
        refuse_components("phresnet18", 4, "bands", ("red", "green", "blue"))
    refuse_components("phresnet18", 4, "grey", ("red", "green", "blue"))
    with pytest.raises(ValueError, match=r"components 2 has no effect on vgg16; .* phresnet18, phresnet50"):
        refuse_components("vgg16", 2, "bands", FOUR.bands)
