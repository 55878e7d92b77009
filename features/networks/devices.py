"""What the Keras backend computes on, asked the same way of all of them."""

import keras

EXHAUSTED = ("RESOURCE_EXHAUSTED", "out of memory", "OOM when allocating")  # of jax and TensorFlow, torch, TensorFlow


def count_accelerators() -> int:
    """How many GPUs or TPUs the backend sees."""
    if keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415  the backend that is in use anyway; Keras cannot list its devices

        return int(torch.cuda.device_count())
    return sum(not name.lower().startswith("cpu") for name in keras.distribution.list_devices())


def distribute_batches(batch: int) -> int:
    """Share batches out to all devices, where the backend can (jax) and the batch divides; returns how many."""
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    if len(devices) < 2 or batch % len(devices):
        keras.distribution.set_distribution(None)  # which a larger batch may have set
        return 1
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return len(devices)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory is full."""
    return any(word in str(error) for word in EXHAUSTED)
