"""The reconstruction error of chips: how badly hidden patches follow from the visible ones, by a trained FCMAE.

The target is that of the training (He et al. 2022, Woo et al. 2023, section 3 of both): the pixels of each patch with
mean 0 and variance 1, over hidden patches only. `DRAWS` fixed masks hide each patch equally often, so that the error
has no random part and counts each patch alike. To predict the mean of each patch gives an error of 1.
"""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from features.images.spec import ChipSpec
from features.networks import backbones
from features.pretraining.masked import MaskedAutoencoder, cut_patches, normalise_patches
from features.pretraining.settings import PATCH

DRAWS, HIDDEN_DRAWS = 5, 3  # masks, and how many of them hide a patch: the share that is masked in training
MASK_SEED = 0
TOKEN = "mask_token"  # its name in the file, beside `LAYER/WEIGHT`  # noqa: S105  no password


def balanced_masks(rows: int) -> NDArray[np.float32]:
    """Return masks (DRAWS, rows, rows) of patches, 1 for visible ones; each patch is hidden in `HIDDEN_DRAWS` of them.

    The patches are divided at random into as many groups as masks; each mask hides `HIDDEN_DRAWS` groups.
    """
    order = np.random.default_rng(MASK_SEED).permutation(rows * rows)
    groups = np.array_split(order, DRAWS)
    masks = np.ones((DRAWS, rows * rows), np.float32)
    for draw, mask in enumerate(masks):
        for step in range(HIDDEN_DRAWS):
            mask[groups[(draw + step) % DRAWS]] = 0
    return masks.reshape(DRAWS, rows, rows)


def reconstruction_error(predicted: Any, patches: Any, masks: Any) -> Any:
    """Return the mean squared error (batch,) over all hidden patches of all draws.

    Args:
        predicted: (batch, draws, rows, rows, values) normalised patches.
        patches: (batch, rows, rows, values) true ones, which are normalised here.
        masks: (draws, rows, rows), 1 for visible patches.
    """
    targets = normalise_patches(patches)[0][:, None]
    errors = ops.mean(ops.square(ops.cast(predicted, "float32") - targets), axis=-1)
    hidden = 1 - ops.convert_to_tensor(masks, "float32")
    return ops.sum(errors * hidden, axis=(1, 2, 3)) / ops.sum(hidden)


@keras.saving.register_keras_serializable("amazon_tags")
class ReconstructionError(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """The error (batch, 1) of chips (batch, side, side, bands) by an autoencoder, under `balanced_masks`."""

    def __init__(self, autoencoder: MaskedAutoencoder) -> None:
        super().__init__(name="error", dtype="float32")
        self.autoencoder = autoencoder

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        return {"autoencoder": keras.saving.serialize_keras_object(self.autoencoder)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ReconstructionError":
        """Rebuild the layer."""
        return cls(keras.saving.deserialize_keras_object(config["autoencoder"]))

    def build(self, _: tuple[int | None, ...]) -> None:
        """Note that the autoencoder, which is not called as a whole, has all its weights."""
        self.autoencoder.built = True

    def call(self, pixels: Any) -> Any:
        """Return the errors."""
        images = ops.cast(self.autoencoder.scale(pixels), "float32")
        side, bands = images.shape[2:]
        rows = side // PATCH
        masks = balanced_masks(rows)

        every = ops.reshape(images[:, None] * np.ones((1, DRAWS, 1, 1, 1), np.float32), (-1, side, side, bands))
        mask = ops.reshape(ops.zeros_like(images[:, :1, :1, :1]) + masks[None], (-1, rows, rows))
        _, predicted = self.autoencoder.predict_scaled(every, mask)
        predicted = ops.reshape(predicted, (-1, DRAWS, rows, rows, predicted.shape[-1]))
        return reconstruction_error(predicted, cut_patches(images), masks)[:, None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the errors."""
        return (input_shape[0], 1)


def error_network(backbone: str, spec: ChipSpec, weights: Path, decoder: Path) -> keras.Model:
    """Return the network from integer chips to errors (batch, 1), of a backbone and the decoder trained with it.

    Args:
        backbone: A ConvNeXt V2 of the table.
        spec: The chips; their side is a multiple of `PATCH`, from 2 times `PATCH` on.
        weights: The file of the backbone.
        decoder: A file by `decoder_bytes`.

    Raises:
        ValueError: A file does not fit the backbone, or is damaged; damage may also raise what `numpy.load` raises.
    """
    autoencoder = MaskedAutoencoder(backbones.build(backbone, spec, weights=str(weights)))
    load_decoder(autoencoder, decoder)
    pixels = keras.Input((spec.side, spec.side, len(spec.bands)), dtype=spec.dtype, name="pixels")
    return keras.Model(pixels, ReconstructionError(autoencoder)(pixels), name="reconstruction_error")


def decoder_bytes(autoencoder: MaskedAutoencoder) -> bytes:
    """Return an `.npz` of the weights of a decoder, by name."""
    stream = io.BytesIO()
    arrays = {name: ops.convert_to_numpy(variable) for name, variable in _decoder_variables(autoencoder).items()}
    np.savez(stream, **arrays)
    return stream.getvalue()


def load_decoder(autoencoder: MaskedAutoencoder, path: Path) -> None:
    """Give a decoder the weights of a file by `decoder_bytes`.

    Raises:
        ValueError: The file is of another decoder; damage may also raise what `numpy.load` raises.
    """
    variables = _decoder_variables(autoencoder)
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    if arrays.keys() != variables.keys():
        other = sorted(arrays.keys() ^ variables.keys())
        raise ValueError(f"{len(other)} weights are missing or unknown, the first is {other[0]}")
    for name, variable in variables.items():
        array = arrays[name]
        if array.shape != variable.shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not finite float32 {tuple(variable.shape)}")
        variable.assign(array)


def _decoder_variables(autoencoder: MaskedAutoencoder) -> dict[str, Any]:
    decoder = [autoencoder.entry, *autoencoder.decoder.layers]
    named = {f"{layer.name}/{variable.name}": variable for layer in decoder for variable in layer.weights}
    return {TOKEN: autoencoder.token, **named}
