"""Layers whose weights are a sum of Kronecker products, `PHConv2D` and `PHDense` (Grassucci et al. 2022).

Inputs and outputs are divided into n components each. The weights from all inputs to all outputs are the sum over i of
the Kronecker product of A_i, n x n numbers that say how components mix, with F_i, a kernel of 1 / n of the inputs and
1 / n of the outputs. With all numbers of the F_i and A_i learnt, a layer has about 1 / n of the weights of a real one.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

GLOROT = "glorot_uniform"  # of a kernel (n, ..., inputs / n, outputs / n), Keras finds the fans of the whole layer


@keras.saving.register_keras_serializable("amazon_tags")
class PHConv2D(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """A convolution of maps (batch, rows, columns, channels) by a sum of Kronecker products.

    Its weights are `kernel`, the F_i (n, height, width, channels / n, filters / n); `algebra`, the A_i (n, n, n), of
    which the second axis are the outputs' components; and the bias.

    Args:
        filters: Channels of the output.
        kernel_size: Height and width, or one number for both.
        components: n; it divides the channels of the input and the output.
        strides: In rows and columns, or one number for both.
        padding: `valid` or `same`.
        use_bias: Whether a bias is added.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        components: int,
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        use_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters, self.components = filters, components
        self.kernel_size, self.strides = _pair(kernel_size), _pair(strides)
        self.padding, self.use_bias = padding, use_bias
        self.activation = keras.activations.linear  # as `autoinit` asks of each layer with a kernel

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        _add_weights(self, self.kernel_size, input_shape[-1], self.filters)

    def call(self, inputs: Any) -> Any:
        """Return the convolution with the bias added."""
        kernel = join_components(self.algebra, self.kernel)
        maps = ops.conv(inputs, kernel, strides=self.strides, padding=self.padding, data_format="channels_last")
        return maps + self.bias if self.use_bias else maps

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """Return the shape of the maps."""
        return self.plain_layer().compute_output_shape(input_shape)

    def plain_layer(self) -> keras.Layer:
        """Return a new convolution with the same settings; if this layer has weights, with the same kernel and bias."""
        options = {"strides": self.strides, "padding": self.padding, "use_bias": self.use_bias}
        return _with_weights(layers.Conv2D(self.filters, self.kernel_size, name=self.name, **options), self)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        names = ("filters", "kernel_size", "components", "strides", "padding", "use_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("amazon_tags")
class PHDense(keras.Layer):  # type: ignore[misc]
    """A dense layer by a sum of Kronecker products, from inputs (..., columns) to outputs (..., units).

    Its weights are `kernel`, the F_i (n, columns / n, units / n), and the others of `PHConv2D`.

    Args:
        units: Columns of the output.
        components: n; it divides the columns of the input and the output.
        use_bias: Whether a bias is added.
        activation: As of Keras' layers.
    """

    def __init__(
        self, units: int, *, components: int, use_bias: bool = True, activation: Any = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.units, self.components, self.use_bias = units, components, use_bias
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        _add_weights(self, (), input_shape[-1], self.units)

    def call(self, inputs: Any) -> Any:
        """Return the product with the bias added."""
        values = ops.matmul(inputs, join_components(self.algebra, self.kernel))
        return self.activation(values + self.bias if self.use_bias else values)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the outputs."""
        return (*input_shape[:-1], self.units)

    def plain_layer(self) -> keras.Layer:
        """Return a new dense layer with the same settings; if this layer has weights, with the same kernel and bias."""
        options = {"use_bias": self.use_bias, "activation": self.activation}
        return _with_weights(layers.Dense(self.units, name=self.name, **options), self)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        return {
            **super().get_config(),
            "units": self.units,
            "components": self.components,
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
        }


def join_components(algebra: Any, kernel: Any) -> Any:
    """Return the weights (..., inputs, outputs) of a whole layer: the sum of the Kronecker products.

    It is one matrix product: of the ways to mix, (n * n, n), with the kernels, (n, all their numbers).

    Args:
        algebra: (n, n, n): the kernel's number, the component of the outputs, that of the inputs.
        kernel: (n, ..., inputs / n, outputs / n).
    """
    count, *window, inputs, outputs = kernel.shape
    mixes = ops.reshape(ops.transpose(algebra, (1, 2, 0)), (count * count, count))
    blocks = ops.reshape(ops.matmul(mixes, ops.reshape(kernel, (count, -1))), (count, count, *window, inputs, outputs))

    last = 2 + len(window)  # the first of the two axes of a block's own inputs and outputs
    order = (*range(2, last), 1, last, 0, last + 1)
    return ops.reshape(ops.transpose(blocks, order), (*window, count * inputs, count * outputs))


def starting_algebra(components: int) -> NDArray[np.float32]:
    """Return the products of unit numbers (n, n, n) that `algebra` starts with.

    For 2, 4, 8 and 16 they are those of complex numbers, quaternions (Hamilton's product), octonions and sedenions;
    for other numbers, that component i times component j is component i + j, counted in a circle. Each weight of the
    whole layer is then one number of a kernel, perhaps with its sign changed.

    Example:
        >>> np.einsum("iab,i,b", starting_algebra(4), [1, 2, 3, 4], [5, 6, 7, 8])
        array([-60.,  12.,  30.,  24.])
    """
    table = np.zeros((components,) * 3, np.float32)
    is_power_of_two = not components & (components - 1)
    for first in range(components):
        for second in range(components):
            product = first ^ second if is_power_of_two else (first + second) % components
            table[first, product, second] = _sign(first, second, components) if is_power_of_two else 1
    return table


def _sign(first: int, second: int, components: int) -> int:
    """Return the sign of the product of two units: (a, b)(c, d) = (ac - d*b, da + bc*) (Dickson 1919)."""
    if components == 1:
        return 1
    half = components // 2
    (first_half, one), (second_half, other) = divmod(first, half), divmod(second, half)
    conjugate = 1 if other == 0 else -1
    if not second_half:
        return (conjugate if first_half else 1) * _sign(one, other, half)
    return (-conjugate if first_half else 1) * _sign(other, one, half)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _add_weights(layer: Any, window: tuple[int, ...], inputs: int | None, outputs: int) -> None:
    """Give a layer its kernel, algebra and bias; raise ValueError if its components do not divide its widths."""
    count = layer.components
    for what, width in (("inputs", inputs), ("outputs", outputs)):
        if not width or width % count:
            raise ValueError(
                f"{layer.name} has {count} components and {width} {what}; choose components that divide the {what}."
            )
    shape = (count, *window, (inputs or 0) // count, outputs // count)
    layer.kernel = layer.add_weight(name="kernel", shape=shape, initializer=GLOROT)
    layer.algebra = layer.add_weight(
        name="algebra", shape=(count,) * 3, initializer=lambda *_, **__: starting_algebra(count)
    )
    layer.bias = layer.add_weight(name="bias", shape=(outputs,), initializer="zeros") if layer.use_bias else None


def _with_weights(plain: keras.Layer, layer: Any) -> keras.Layer:
    """Return a plain layer with the weights of a hypercomplex one, if that has some."""
    if layer.built:
        kernel = ops.convert_to_numpy(join_components(layer.algebra, layer.kernel))
        plain.build((None,) * (kernel.ndim - 1) + kernel.shape[-2:-1])
        plain.set_weights([kernel, *([ops.convert_to_numpy(layer.bias)] if layer.use_bias else [])])
    return plain
