"""What is known of backbones without building them: their sides, widths and layers, and the bands of inputs.

Importing this loads no network library, so that a wrong name is refused at once. `backbones` and `inputs` build.
"""

from collections.abc import Sequence
from dataclasses import dataclass

NEEDED_BANDS: dict[str, tuple[str, ...]] = {  # that a chip must have for an input of `inputs.INPUTS`
    "bands": (),
    "dehazed": ("red", "green", "blue"),
    "streams": ("blue", "green", "red", "nir"),
    "grey": ("red", "green", "blue"),
}
IMAGE_CHANNELS = {"dehazed": 3, "streams": 3, "grey": 4}  # of each image of an input; `bands` has the chip's

CLASS_TOKEN_POOLS = ("class", "patches")  # keys of `backbones.POOLS` for backbones with a class token


@dataclass(frozen=True)
class BackboneShape:
    """One row of the table.

    Attributes:
        side: Of the images that its weights were trained on, in pixels.
        dim: Columns of the vectors at the top.
        truncations: Layers at which it may be truncated, each with the columns of its vectors.
        download: Whether Keras can download its ImageNet weights.
        patch: The side of its patches in pixels; what of an image is no whole patch is cut off.
        class_token: Whether its output are tokens, a class token and the patches, in place of feature maps.
        hypercomplex: Whether its layers divide maps into components, as many as the image has bands unless stated. The
            widths are for three; others round 64 and its multiples to their own multiples.
    """

    side: int
    dim: int
    truncations: dict[str, int]
    download: bool = True
    patch: int = 1
    class_token: bool = False
    hypercomplex: bool = False


@dataclass(frozen=True)
class BackboneOptions:
    """The input of a backbone and the pooling of its output.

    Attributes:
        sees: The images that it takes from a chip: a key of `inputs.INPUTS`.
        shrink: The chip's side is divided by this number first.
        pool: How feature maps or tokens become a vector: a key of `backbones.POOLS`.
        components: Of a hypercomplex backbone's layers; 0 for as many as the image has bands, or of images of both
            dates, for as many as there are dates.
        stacked: Of pairs of chips, whether both dates make one image, with the bands of both. Else one backbone sees
            both, and the vectors of both dates are concatenated, those of the earlier one first.
    """

    sees: str = "bands"
    shrink: int = 1
    pool: str = "average"
    components: int = 0
    stacked: bool = False


def _transformer(columns: int, blocks: int, patch: int) -> BackboneShape:
    """Return the row of a vision transformer: its vectors are the class token beside the mean of the patches."""
    ends = {f"block{number}": 2 * columns for number in range(1, blocks + 1)}
    return BackboneShape(224, 2 * columns, ends, download=False, patch=patch, class_token=True)


BACKBONE_SHAPES = {
    "mobilenet_v2": BackboneShape(224, 1280, {"block_6_expand_relu": 192, "block_13_expand_relu": 576}),
    "mobilenet_v2_035": BackboneShape(224, 1280, {"block_6_expand_relu": 96, "block_13_expand_relu": 192}),
    "mobilenet_v3_small": BackboneShape(224, 576, {"expanded_conv_3_expand_bn": 96, "expanded_conv_8_expand_bn": 288}),
    "mobilenet_v3_large": BackboneShape(
        224, 960, {"expanded_conv_6_expand_bn": 240, "expanded_conv_12_expand_bn": 672}
    ),
    "efficientnet_v2_b0": BackboneShape(224, 1280, {"block6a_expand_activation": 672}),
    "efficientnet_v2_b1": BackboneShape(240, 1280, {"block6a_expand_activation": 672}),
    "efficientnet_v2_b2": BackboneShape(260, 1408, {"block6a_expand_activation": 720}),
    "efficientnet_v2_b3": BackboneShape(300, 1536, {"block6a_expand_activation": 816}),
    "efficientnet_v2_s": BackboneShape(384, 1280, {"block6a_expand_activation": 960}),
    # Each stage's last block; and two blocks after their expansion and its ReLU, which have the most channels.
    "efficientnet_lite0": BackboneShape(
        224,
        1280,
        {
            "block2b_add": 24,
            "block3b_add": 40,
            "block4a_expand": 240,
            "block4c_add": 80,
            "block5c_add": 112,
            "block6a_expand": 672,
            "block6d_add": 192,
        },
        download=False,
    ),
    "efficientnet_lite1": BackboneShape(
        240,
        1280,
        {
            "block2c_add": 24,
            "block3c_add": 40,
            "block4a_expand": 240,
            "block4d_add": 80,
            "block5d_add": 112,
            "block6a_expand": 672,
            "block6e_add": 192,
        },
        download=False,
    ),
    "efficientnet_lite2": BackboneShape(
        260,
        1280,
        {
            "block2c_add": 24,
            "block3c_add": 48,
            "block4a_expand": 288,
            "block4d_add": 88,
            "block5d_add": 120,
            "block6a_expand": 720,
            "block6e_add": 208,
        },
        download=False,
    ),
    "convnext_tiny": BackboneShape(224, 768, {"convnext_tiny_stage_2_block_8_identity": 384}),
    "convnext_small": BackboneShape(224, 768, {"convnext_small_stage_2_block_26_identity": 384}),
    "convnext_base": BackboneShape(224, 1024, {"convnext_base_stage_2_block_26_identity": 512}),
    "convnext_v2_atto": BackboneShape(224, 320, {"stage2_block2_add": 80, "stage3_block6_add": 160}, download=False),
    "convnext_v2_femto": BackboneShape(224, 384, {"stage2_block2_add": 96, "stage3_block6_add": 192}, download=False),
    "convnext_v2_pico": BackboneShape(224, 512, {"stage2_block2_add": 128, "stage3_block6_add": 256}, download=False),
    "convnext_v2_nano": BackboneShape(224, 640, {"stage2_block2_add": 160, "stage3_block8_add": 320}, download=False),
    "convnext_v2_tiny": BackboneShape(224, 768, {"stage2_block3_add": 192, "stage3_block9_add": 384}, download=False),
    "densenet121": BackboneShape(224, 1024, {"pool3_relu": 512, "pool4_relu": 1024}),
    "densenet169": BackboneShape(224, 1664, {"pool3_relu": 512, "pool4_relu": 1280}),
    "resnet50": BackboneShape(224, 2048, {"conv3_block4_out": 512, "conv4_block6_out": 1024}),
    "resnet101": BackboneShape(224, 2048, {"conv3_block4_out": 512, "conv4_block23_out": 1024}),
    # Truncated after a norm and a ReLU: between blocks there are raw sums.
    "resnet50_v2": BackboneShape(224, 2048, {"conv4_block1_preact_relu": 512, "conv5_block1_preact_relu": 1024}),
    "resnet101_v2": BackboneShape(224, 2048, {"conv4_block1_preact_relu": 512, "conv5_block1_preact_relu": 1024}),
    "resnet26_bit": BackboneShape(224, 2048, {"stage3_block1_relu1": 512, "stage4_block1_relu1": 1024}, download=False),
    "resnet50_bit": BackboneShape(224, 2048, {"stage3_block1_relu1": 512, "stage4_block1_relu1": 1024}, download=False),
    "phresnet18": BackboneShape(
        224, 513, {"stage3_block2_out": 255, "stage2_block2_out": 129}, download=False, hypercomplex=True
    ),
    "phresnet50": BackboneShape(
        224, 2052, {"stage3_block6_out": 1020, "stage2_block4_out": 516}, download=False, hypercomplex=True
    ),
    "vgg16": BackboneShape(224, 512, {"block3_pool": 256, "block4_pool": 512}),
    "inception_v3": BackboneShape(299, 2048, {"mixed2": 288, "mixed7": 768}),
    "xception": BackboneShape(299, 2048, {"block13_sepconv2_bn": 1024}),
    "dinov2_vits14": _transformer(384, blocks=12, patch=14),
    "vit_tiny": _transformer(192, blocks=12, patch=16),
    "vit_small": _transformer(384, blocks=12, patch=16),
    "vit_tiny_conv": _transformer(192, blocks=11, patch=16),
    "vit_small_conv": _transformer(384, blocks=11, patch=16),
    "cbr_large_t": BackboneShape(224, 512, {"block3_pool": 128, "block4_pool": 256}, download=False),
    "cbr_small": BackboneShape(224, 256, {"block2_pool": 64, "block3_pool": 128}, download=False),
    "cbr_tiny": BackboneShape(224, 256, {"block2_pool": 64, "block3_pool": 128}, download=False),
    "toy": BackboneShape(64, 16, {"edges": 8}),
}


def refuse_pool(name: str, pool: str) -> None:
    """Raise ValueError if a pooling needs a class token that the backbone `name` does not have."""
    if pool in CLASS_TOKEN_POOLS and not BACKBONE_SHAPES[name].class_token:
        raise ValueError(f"pool {pool} needs a class token, which {name} does not have; use average, max or both.")


def refuse_side(name: str, side: int, shrink: int = 1) -> None:
    """Raise ValueError if images of a side, divided by `shrink`, are smaller than a patch of the backbone `name`."""
    least = BACKBONE_SHAPES[name].patch * shrink
    if side < least:
        raise ValueError(f"the side {side} is less than {least}, a patch of {name}; use a side of {least} or more.")


def image_channels(sees: str, bands: Sequence[str]) -> int:
    """Return the channels of each image that an input, a key of `NEEDED_BANDS`, makes of chips of these bands."""
    return IMAGE_CHANNELS.get(sees, len(bands))


def refuse_components(name: str, components: int, sees: str, bands: Sequence[str], *, dates: int = 1) -> None:
    """Raise ValueError if components are stated that the backbone `name` has not, or that do not divide its bands.

    Args:
        name: A key of `BACKBONE_SHAPES`.
        components: 0 for as many as the image has bands.
        sees: A key of `NEEDED_BANDS`.
        bands: Of the chips.
        dates: How many chips make the image together.
    """
    if not components:
        return
    if not BACKBONE_SHAPES[name].hypercomplex:
        names = ", ".join(known for known, shape in BACKBONE_SHAPES.items() if shape.hypercomplex)
        raise ValueError(f"components {components} has no effect on {name}; remove it, or choose one of {names}.")
    channels = dates * image_channels(sees, bands)
    if channels % components:
        raise ValueError(
            f"components {components} does not divide the {channels} bands that {name} sees; choose one of "
            f"{', '.join(str(count) for count in range(1, channels + 1) if channels % count == 0)}, or 0."
        )
