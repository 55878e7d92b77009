"""Test what is reported of the Keras backend's devices."""

import os
import subprocess
import sys

import keras
import pytest

from features.networks import devices


def test_a_machine_without_a_gpu_has_no_accelerators():
    names = keras.distribution.list_devices() if keras.backend.backend() != "torch" else []
    if any(not name.lower().startswith("cpu") for name in names):
        pytest.skip("this machine has an accelerator")
    assert devices.count_accelerators() == 0


@pytest.mark.parametrize(
    "message",
    [
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.",
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "OOM when allocating tensor with shape[64,256,256,96]",
    ],
)
def test_each_backends_out_of_memory_message_is_recognised(message):
    assert devices.is_out_of_memory(RuntimeError(message))
    assert not devices.is_out_of_memory(ValueError("shapes do not fit"))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only jax distributes a batch")
def test_a_batch_is_distributed_to_all_devices():
    script = (
        "import keras, numpy; from features.networks import devices; assert devices.distribute_batches(8) == 2; "
        "assert devices.distribute_batches(3) == 1; assert keras.distribution.distribution() is None; "
        "devices.distribute_batches(8); "
        "assert keras.distribution.distribution() is not None; model = keras.Sequential([keras.layers.Dense(1)]); "
        "model.compile('sgd', 'mse'); model.fit(numpy.ones((16, 3)), numpy.ones((16, 1)), batch_size=8, verbose=0)"
    )
    flags = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    subprocess.run([sys.executable, "-c", script], check=True, env=flags)
