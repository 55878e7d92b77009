"""Report and use the devices that the Keras backend computes on, in the same way for each backend."""

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


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device's memory is full."""
    return any(message in str(error) for message in OUT_OF_MEMORY_MESSAGES)
