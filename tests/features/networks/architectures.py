"""The smallest backbone of each architecture, for tests of what depends on the kinds of layers alone.

`test_truncation` holds that the others have no further kinds.
"""

import keras
import numpy as np

ARCHITECTURES = (
    "toy", "mobilenet_v2_035", "mobilenet_v3_small", "efficientnet_v2_b0", "efficientnet_lite0", "convnext_tiny",
    "convnext_v2_atto", "densenet121", "resnet50", "resnet50_v2", "resnet26_bit", "phresnet18",
    "vgg16", "inception_v3", "xception",
    "dinov2_vits14", "vit_tiny_conv", "cbr_tiny",
)  # fmt: skip


def outputs_of(network: keras.Model, batch: np.ndarray) -> np.ndarray:
    """Return what a network computes for one batch, layer by layer: to trace it first takes several times as long."""
    return keras.ops.convert_to_numpy(network(batch, training=False))
