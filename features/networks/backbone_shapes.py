"""What is known of backbones without building them: their sides, widths and layers, and the bands of inputs.

Importing this loads no network library, so that a wrong name is refused at once. `backbones` and `inputs` build.
"""

from dataclasses import dataclass

NEEDED_BANDS: dict[str, tuple[str, ...]] = {  # that a chip must have for an input of `inputs.INPUTS`
    "bands": (),
    "dehazed": ("red", "green", "blue"),
    "streams": ("blue", "green", "red", "nir"),
}


@dataclass(frozen=True)
class BackboneShape:
    """One row of the table.

    Attributes:
        side: Of the images that its weights were trained on, in pixels.
        dim: Columns of the vectors at the top.
        truncations: Layers at which it may be truncated, each with the columns of its vectors.
    """

    side: int
    dim: int
    truncations: dict[str, int]


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
    "convnext_tiny": BackboneShape(224, 768, {"convnext_tiny_stage_2_block_8_identity": 384}),
    "convnext_small": BackboneShape(224, 768, {"convnext_small_stage_2_block_26_identity": 384}),
    "convnext_base": BackboneShape(224, 1024, {"convnext_base_stage_2_block_26_identity": 512}),
    "densenet121": BackboneShape(224, 1024, {"pool3_relu": 512, "pool4_relu": 1024}),
    "densenet169": BackboneShape(224, 1664, {"pool3_relu": 512, "pool4_relu": 1280}),
    "resnet50": BackboneShape(224, 2048, {"conv3_block4_out": 512, "conv4_block6_out": 1024}),
    "resnet101": BackboneShape(224, 2048, {"conv3_block4_out": 512, "conv4_block23_out": 1024}),
    # Truncated after a norm and a ReLU: between blocks there are raw sums.
    "resnet50_v2": BackboneShape(224, 2048, {"conv4_block1_preact_relu": 512, "conv5_block1_preact_relu": 1024}),
    "resnet101_v2": BackboneShape(224, 2048, {"conv4_block1_preact_relu": 512, "conv5_block1_preact_relu": 1024}),
    "vgg16": BackboneShape(224, 512, {"block3_pool": 256, "block4_pool": 512}),
    "inception_v3": BackboneShape(299, 2048, {"mixed2": 288, "mixed7": 768}),
    "xception": BackboneShape(299, 2048, {"block13_sepconv2_bn": 1024}),
    "toy": BackboneShape(64, 16, {"edges": 8}),
}
