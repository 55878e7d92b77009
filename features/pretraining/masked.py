"""FCMAE (Woo et al. 2023): fill in the patches of a chip that are masked, by ConvNeXt V2.

The paper's sparse convolutions are dense ones here, whose maps are set to 0 at masked places after every layer that
reads neighbours or adds numbers: what is visible then never depends on what is masked.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from features.networks import convnext_v2
from features.networks.backbones import settled_backbones
from features.pretraining.contrastive import report
from features.pretraining.settings import PATCH

MASKED_SHARE = 0.6
DECODER_WIDTH = 512  # channels of its one block (section 3)
LEAST_VARIANCE = 1e-6  # of the pixels of a patch, as in the official code


def draw_mask(rng: np.random.Generator, rows: int) -> NDArray[np.float32]:
    """Return a mask (rows, rows) of patches: 1 for visible ones, 0 for `MASKED_SHARE` of them."""
    count = rows * rows
    mask = np.ones(count, np.float32)
    mask[rng.permutation(count)[: round(MASKED_SHARE * count)]] = 0
    return mask.reshape(rows, rows)


def cut_patches(images: Any) -> Any:
    """Return images (batch, side, side, bands) as patches (batch, rows, rows, PATCH * PATCH * bands)."""
    side, bands = images.shape[2:]
    rows = side // PATCH
    patches = ops.reshape(images, (-1, rows, PATCH, rows, PATCH, bands))
    return ops.reshape(ops.transpose(patches, (0, 1, 3, 2, 4, 5)), (-1, rows, rows, PATCH * PATCH * bands))


def join_patches(patches: Any, bands: int) -> Any:
    """Return the images of patches; see `cut_patches`."""
    rows = patches.shape[1]
    parts = ops.reshape(patches, (-1, rows, rows, PATCH, PATCH, bands))
    return ops.reshape(ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, rows * PATCH, rows * PATCH, bands))


def normalise_patches(patches: Any) -> tuple[Any, Any, Any]:
    """Return patches of mean 0 and variance 1 each, and their means and deviations (batch, rows, rows, 1)."""
    axis = (-1,)  # OpenVINO 2026.4 converts no such norm over an axis that is a plain number
    mean = ops.mean(patches, axis=axis, keepdims=True)
    deviation = ops.sqrt(ops.var(patches, axis=axis, keepdims=True) + LEAST_VARIANCE)
    return (patches - mean) / deviation, mean, deviation


def masked_error(predicted: Any, patches: Any, mask: Any) -> Any:
    """Return the mean squared error (batch,) over masked patches, of patches normalised each by itself."""
    errors = ops.mean(ops.square(ops.cast(predicted, "float32") - normalise_patches(patches)[0]), axis=-1)
    hidden = 1 - ops.cast(mask, "float32")
    return ops.sum(errors * hidden, axis=(1, 2)) / ops.sum(hidden, axis=(1, 2))


def masked_maps(network: keras.Model, images: Any, mask: Any) -> Any:
    """Return the maps (batch, rows, rows, channels) of a ConvNeXt V2 that sees only the visible patches of images.

    Args:
        network: From `convnext_v2.make`.
        images: Scaled as the network takes them.
        mask: (batch, rows, rows), 1 for visible patches.
    """
    stages = sum(layer.name.endswith("_block1_conv") for layer in network.layers)

    def layer(name: str, maps: Any, places: Any) -> Any:
        return network.get_layer(name)(maps) * ops.cast(places, maps.dtype)

    places = _stretch(mask, images.shape[1] // 4)
    maps = images * ops.cast(_stretch(mask, images.shape[1]), images.dtype)
    maps = layer("stem_norm", layer("stem_conv", maps, places), places)
    for stage in range(1, stages + 1):
        if stage > 1:
            maps = layer(f"stage{stage}_norm", maps, places)
            places = _stretch(mask, maps.shape[1] // 2)
            maps = layer(f"stage{stage}_down", maps, places)
        for block in range(1, _count_blocks(network, stage) + 1):
            entry, name = maps, f"stage{stage}_block{block}"
            for part in ("conv", "norm", "expand", "gelu", "grn", "project"):
                maps = layer(f"{name}_{part}", maps, places)
            maps = entry + maps
    return layer("norm", maps, places)


def _count_blocks(network: keras.Model, stage: int) -> int:
    return sum(
        layer.name.startswith(f"stage{stage}_block") and layer.name.endswith("_conv") for layer in network.layers
    )


def _stretch(mask: Any, side: int) -> Any:
    """Return the mask (batch, side, side, 1) of the places of maps."""
    times = side // mask.shape[1]
    return ops.repeat(ops.repeat(mask, times, axis=1), times, axis=2)[..., None]


@keras.saving.register_keras_serializable("amazon_tags")
class MaskedAutoencoder(keras.Model):  # type: ignore[misc]  # Keras has no types
    """An encoder whose backbone is a ConvNeXt V2, and a decoder of one block, from chips and masks to losses.

    Called with pixels (batch, side, side, bands) and masks (batch, rows, rows) it returns for each chip the loss and
    the spread of the batch (batch, 2).
    """

    def __init__(self, encoder: keras.Model) -> None:
        super().__init__(name="masked_autoencoder", dtype="float32")
        self.encoder = encoder
        (self.settled,) = settled_backbones(encoder)
        image = self.settled.input
        self.scale = keras.Model(encoder.input, image, name="scale")
        bands = image.shape[-1]
        maps = keras.Input(self.settled.network.output_shape[1:])
        self.entry = layers.Dense(DECODER_WIDTH, name="decoder_entry")
        self.entry.build(maps.shape)
        self.token = self.add_weight(
            (1, 1, 1, DECODER_WIDTH),
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=0),
            name="mask_token",
        )
        wide = keras.Input((*maps.shape[1:3], DECODER_WIDTH))
        block = convnext_v2.append_block(wide, "decoder")
        patches = layers.Dense(PATCH * PATCH * bands, dtype="float32", name="decoder_patches")(block)
        self.decoder = keras.Model(wide, patches, name="decoder")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the model from."""
        return {"encoder": keras.saving.serialize_keras_object(self.encoder)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MaskedAutoencoder":
        """Rebuild the model."""
        return cls(keras.saving.deserialize_keras_object(config["encoder"]))

    def call(self, batch: Any, training: bool | None = None) -> Any:  # noqa: ARG002  no layer differs in training
        """Return losses and spread."""
        images, maps, predicted = self.predict_patches(*batch)
        mask = batch[1]
        visible = ops.sum(maps, axis=(1, 2)) / ops.sum(ops.cast(mask, maps.dtype), axis=(1, 2))[:, None]
        return report(masked_error(predicted, cut_patches(images), mask), visible)

    def predict_patches(self, pixels: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Return the scaled images, the encoder's maps, and the predicted normalised patches."""
        images = ops.cast(self.scale(pixels), "float32")
        return images, *self.predict_scaled(images, mask)

    def predict_scaled(self, images: Any, mask: Any) -> tuple[Any, Any]:
        """Return the encoder's maps and the predicted normalised patches of scaled images."""
        maps = masked_maps(self.settled.network, images, mask)
        entry = self.entry(maps)
        places = ops.cast(mask, entry.dtype)[..., None]
        token = ops.cast(self.token, entry.dtype)
        return maps, self.decoder(entry * places + token * (1 - places))

    def fill_in(self, pixels: Any, mask: Any) -> tuple[Any, Any]:
        """Return scaled images (batch, side, side, bands) as they are, and with predicted pixels where they are masked.

        The mean and the contrast of a predicted patch are the true ones, which the network does not predict.
        """
        images, _, predicted = self.predict_patches(pixels, mask)
        patches = cut_patches(images)
        _, mean, deviation = normalise_patches(patches)
        places = ops.cast(mask, "float32")[..., None]
        filled = patches * places + (ops.cast(predicted, "float32") * deviation + mean) * (1 - places)
        return images, join_patches(filled, images.shape[-1])
