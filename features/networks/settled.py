"""The layer that holds a backbone inside of a network that is trained."""

from typing import Any

import keras


class Settled(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """A backbone in inference mode, also while its weights are trained.

    Its batch statistics may be folded into the weights, and the batches of fine-tuning are too small to estimate new
    ones. `fit` would override a `training=False` that is passed where layers are connected; inside `call` it holds.
    A `live` one is not in inference mode: its redrawn batch norms have no statistics yet, and take those of batches.

    Keras writes the names of this class and of its layers into weight files, so neither may be changed.
    """

    def __init__(self, network: keras.Model, number: int = 0, live: bool = False) -> None:
        super().__init__(name=f"settled_{number}")
        self.network = network
        self.live = live

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        network = keras.saving.serialize_keras_object(self.network)
        return {"network": network, "number": int(self.name.split("_")[1]), "live": self.live}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Settled":
        """Rebuild the layer."""
        return cls(keras.saving.deserialize_keras_object(config["network"]), config["number"], config["live"])

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        """Return feature maps (batch, height, width, channels), or tokens (batch, tokens, channels)."""
        return self.network(pixels, training=training if self.live else False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """Return the shape of the feature maps or tokens."""
        return self.network.compute_output_shape(input_shape)
