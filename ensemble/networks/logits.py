"""Last layers of fine-tuned networks: from vectors to logits, plain or bounded (Kornblith et al. 2021).

All have a kernel (dim, labels) and a bias (labels,), so that scores can start at the labels' rates.
"""

from typing import Any

import keras
from keras import layers, ops

COSINE_TEMPERATURE = 0.05  # a cosine of 1 is a logit of 20; chosen here
NORM_TEMPERATURE = 0.2  # logits of length 5; chosen here for few labels, where longer ones saturate sigmoids
MIN_SQUARE = 1e-12  # of a length that is divided by


@keras.saving.register_keras_serializable("amazon_tags")
class BoundedDense(layers.Dense):  # type: ignore[misc]  # Keras has no types
    """A dense layer whose logits, before the bias, depend on the direction of the vectors only.

    Attributes:
        kind: `cosine`, the cosine between the vector and each label's weights over a temperature; or `normalised`, the
            products with the weights, as a vector over labels divided by its length and a temperature.
    """

    def __init__(self, units: int, kind: str, **options: Any) -> None:
        super().__init__(units, **options)
        self.kind = kind

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that the layer is rebuilt from."""
        return {**super().get_config(), "kind": self.kind}

    def call(self, vectors: Any, training: bool | None = None) -> Any:  # noqa: ARG002
        """Return logits (batch, labels) of vectors (batch, dim)."""
        if self.kind == "cosine":
            products = ops.matmul(_unit(vectors, axis=-1), _unit(self.kernel, axis=0))
            return products / COSINE_TEMPERATURE + self.bias
        return _unit(ops.matmul(vectors, self.kernel), axis=-1) / NORM_TEMPERATURE + self.bias


def make(kind: str, labels: int, **options: Any) -> keras.Layer:
    """Return a last layer by its kind, a choice of `settings.LOGITS`; `options` are those of `keras.layers.Dense`."""
    return layers.Dense(labels, **options) if kind == "plain" else BoundedDense(labels, kind, **options)


def _unit(values: Any, axis: int) -> Any:
    return values * ops.rsqrt(ops.maximum(ops.sum(values**2, axis=axis, keepdims=True), MIN_SQUARE))
