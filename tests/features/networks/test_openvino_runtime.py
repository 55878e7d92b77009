"""Test networks that OpenVINO runs on the CPU."""

import subprocess
import sys

import numpy as np
import pytest

from ensemble.heads.fitted import LinearHead
from features.images.spec import ChipSpec
from features.networks import openvino_runtime

import openvino  # isort: skip  after openvino_runtime, which disables its telemetry

SPEC = ChipSpec(side=64)


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)


def test_a_vector_depends_neither_on_other_chips_nor_on_jobs(toy, batch):
    expected = openvino_runtime.load(*toy)(batch)
    for jobs in (1, 2, 3):
        network = openvino_runtime.load(*toy, jobs=jobs)
        for size in (1, 5, 16, 33):
            parts = [network(batch[start : start + size]) for start in range(0, len(batch), size)]
            assert np.concatenate(parts).tobytes() == expected.tobytes()


def test_no_chips_give_no_vectors(toy, batch):
    assert openvino_runtime.load(*toy)(batch[:0]).shape == (0, 16)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 32, 64, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32)],
)
def test_chips_of_another_shape_or_type_are_refused(toy, wrong):
    with pytest.raises(ValueError, match="but the network expects uint8 chips"):
        openvino_runtime.load(*toy).start(wrong)


@pytest.mark.parametrize(
    "change", [lambda xml, weights: (b"<net/>", weights), lambda xml, weights: (xml[:200], weights)]
)
def test_bytes_that_are_not_a_network_are_refused(toy, change):
    with pytest.raises(ValueError, match="not a network that OpenVINO can run"):
        openvino_runtime.load(*change(*toy))


def test_an_appended_layer_equals_its_head(toy, batch):
    vectors = openvino_runtime.load(*toy)(batch)
    rng = np.random.default_rng(0)
    head = LinearHead(
        vectors.mean(axis=0), vectors.std(axis=0) + 1e-3, *(rng.normal(size=size).astype("f4") for size in ((16, 5), 5))
    )
    scores = openvino_runtime.load(*toy, last=head.layer())(batch)
    np.testing.assert_allclose(scores, head.scores(vectors), atol=1e-5)
    assert np.ptp(scores) > 0.5


@pytest.mark.parametrize("read_twice", [False, True])
def test_the_transposition_is_moved_behind_the_scaling(batch, read_twice):
    operations = openvino.opset13
    rng = np.random.default_rng(0)
    chips = operations.parameter([-1, 64, 64, 3], np.uint8)
    transposition = operations.transpose(operations.convert(chips, "f32"), np.array([0, 3, 1, 2]))
    scaled = operations.multiply(transposition, rng.random((1, 3, 1, 1), np.float32))
    centred = operations.subtract(scaled, np.full((1, 1, 1, 1), 0.5, np.float32))
    kernel, ones = rng.normal(size=(5, 3, 3, 3)).astype("f4"), np.ones(2, np.int64)
    features = operations.convolution(centred, kernel, ones, np.zeros(2, np.int64), np.zeros(2, np.int64), ones)
    pooled = operations.reduce_mean(features, np.array([2, 3]), False)
    if read_twice:
        pooled = operations.concat([pooled, operations.reduce_max(transposition, np.array([2, 3]), False)], 1)
    model = openvino.Model([operations.result(pooled)], [chips])
    expected = openvino.Core().compile_model(model, "CPU")(batch)[0]
    before = [operation.get_type_name() for operation in model.get_ordered_ops()]
    openvino_runtime.transpose_after_scaling(model)
    after = [operation.get_type_name() for operation in model.get_ordered_ops()]
    assert before.index("Transpose") < before.index("Multiply")
    assert (after.index("Transpose") > after.index("Subtract")) is not read_twice
    np.testing.assert_allclose(openvino.Core().compile_model(model, "CPU")(batch)[0], expected, rtol=1e-5)


SIGNAL_AFTER_A_NETWORK = """
import os, signal, sys, threading
from pathlib import Path
from features.networks import openvino_runtime
networks = [openvino_runtime.load(*(Path(path).read_bytes() for path in sys.argv[1:]))]
thread = threading.Thread(target=networks.clear)  # another thread holds the last reference to the network
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_after_a_network_was_freed_is_handled(toy, tmp_path):
    for name, content in zip(("xml", "bin"), toy, strict=True):
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-c", SIGNAL_AFTER_A_NETWORK, tmp_path / "xml", tmp_path / "bin"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert (process.returncode, process.stdout) == (0, "handled\n")
