"""Report and use the devices that the Keras backend computes on, in the same way for each backend."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

# Parts of the messages of jax and TensorFlow, of torch, and of TensorFlow.
OUT_OF_MEMORY_MESSAGES = ("RESOURCE_EXHAUSTED", "out of memory", "OOM when allocating")


def count_accelerators() -> int:
    """Return the number of GPUs or TPUs that the backend can use."""
    if keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415  the backend in use, so it is loaded already; Keras cannot list its devices

        return int(torch.cuda.device_count())
    return sum(not name.lower().startswith("cpu") for name in keras.distribution.list_devices())


def distribute_batches(batch: int) -> int:
    """Split batches between all devices if the backend can (jax) and their number divides the batch.

    Returns:
        The number of devices that share a batch.
    """
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    if len(devices) < 2 or batch % len(devices):
        keras.distribution.set_distribution(None)  # an earlier call with another batch may have set one
        return 1
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return len(devices)


@contextmanager
def training_precision() -> Iterator[None]:
    """Compute in bfloat16 where there is a GPU, else in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if count_accelerators() else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compile_jit() -> bool | str:
    """Return the argument `jit_compile` of Keras: no XLA for TensorFlow on a CPU, which makes convolutions slower."""
    slow_xla = keras.backend.backend() == "tensorflow" and not count_accelerators()
    return False if slow_xla else "auto"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device's memory is full."""
    return any(message in str(error) for message in OUT_OF_MEMORY_MESSAGES)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute products of float32 in float32, where a GPU would round their factors to 10 bits (TF32).

    That rounding moves the bundled model's scores by up to 0.003. On jax it holds for what is traced inside. TensorFlow
    has one switch for the whole process, which stays as it is set here.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax  # noqa: PLC0415  the backend in use, so it is loaded already

        with jax.default_matmul_precision("highest"):
            yield
    elif backend == "torch":
        import torch  # noqa: PLC0415  as above

        cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
        before = cudnn.allow_tf32, products.allow_tf32
        cudnn.allow_tf32 = products.allow_tf32 = False
        try:
            yield
        finally:
            cudnn.allow_tf32, products.allow_tf32 = before
    else:
        import tensorflow  # noqa: PLC0415  as above

        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
        yield
