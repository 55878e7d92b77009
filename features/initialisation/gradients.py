"""Gradients on each backend of Keras, which has no function of its own for them."""

from collections.abc import Callable
from typing import Any

import keras


def value_and_gradients(function: Callable[[Any], Any], tensors: list[Any]) -> tuple[Any, list[Any]]:
    """Return the number that a function has for a list of tensors, and its gradient by each of them.

    Both may be part of another function that gradients are taken of.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax  # noqa: PLC0415  here and below: the backend in use, so it is loaded already

        value, gradients = jax.value_and_grad(function)(tensors)
        return value, gradients
    if backend == "tensorflow":
        import tensorflow  # noqa: PLC0415

        with tensorflow.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(tensors)
            value = function(tensors)
        return value, tape.gradient(value, tensors, unconnected_gradients="zero")
    import torch  # noqa: PLC0415

    tensors = [tensor if tensor.requires_grad else tensor.detach().requires_grad_() for tensor in tensors]
    value = function(tensors)
    return value, list(torch.autograd.grad(value, tensors, create_graph=True, materialize_grads=True))


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tensors as the backend compiles it, or as it is for torch."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax  # noqa: PLC0415

        return jax.jit(function)
    if backend == "tensorflow":
        import tensorflow  # noqa: PLC0415

        return tensorflow.function(function, autograph=False)  # type: ignore[no-any-return]
    return function
