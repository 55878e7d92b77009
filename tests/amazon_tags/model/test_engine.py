import sys
from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.model import bundle, engine
from amazon_tags.model.engine import Engine
from features.networks import devices


def test_without_a_gpu_auto_is_the_cpu(model, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "DRIVERS", (tmp_path / "nothing",))
    assert engine.choose(bundle.read_manifest(model), device="auto", precision="f32") == Engine("cpu", "f32")


def with_cost(manifest, milliseconds):
    """Return the manifest of networks that take a time for a chip in each precision."""
    costs = {name: replace(cost, milliseconds=milliseconds) for name, cost in manifest.precision.costs.items()}
    return replace(manifest, precision=replace(manifest.precision, costs=costs))


def test_with_a_gpus_driver_auto_is_the_gpu_in_bf16_for_slow_networks(model, monkeypatch, tmp_path):
    (tmp_path / "driver").touch()
    monkeypatch.setattr(engine, "DRIVERS", (tmp_path / "driver",))
    monkeypatch.setattr(devices, "count_accelerators", lambda: 1)
    manifest = with_cost(bundle.read_manifest(model), 10.1)
    assert engine.choose(with_cost(manifest, 9.9), device="auto", precision="f32").device == "cpu"
    assert engine.choose(manifest, device="auto", precision="auto") == Engine("gpu", "bf16")
    assert engine.choose(manifest, device="cpu", precision="f32").device == "cpu"
    monkeypatch.setattr(devices, "count_accelerators", lambda: 0)  # a driver that Keras cannot use
    assert engine.choose(manifest, device="auto", precision="f32").device == "cpu"


def test_a_gpu_knows_no_int8(model, monkeypatch):
    monkeypatch.setattr(devices, "count_accelerators", lambda: 1)
    with pytest.raises(ValueError, match="a GPU computes in f32 or bf16"):
        engine.choose(bundle.read_manifest(model), device="gpu", precision="int8")


def test_a_gpu_without_keras_says_what_to_install(model, monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"a GPU needs Keras; use --device cpu, or run, in the checkout: pip install '\.\[gpu\]'"
    ):
        engine.choose(bundle.read_manifest(model), device="gpu", precision="auto")


@pytest.mark.slow
@pytest.mark.skipif(devices.count_accelerators() > 0, reason="there is a GPU here")
def test_a_missing_gpu_is_reported(model, run, world):
    done = run("predict", world.test_jpg, "--model", model, "--device", "gpu")
    assert done.returncode == 1
    assert "Keras sees no GPU here; use --device cpu" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_bundle_on_a_gpu_scores_its_golden_chips(model, monkeypatch):
    """The road of a GPU, on the CPU that Keras has here; both kinds of members are in this bundle."""
    monkeypatch.setattr(devices, "count_accelerators", lambda: 1)
    loaded = bundle.load(model, device="gpu", precision="f32")
    assert loaded.engine == Engine("gpu", "f32")
    assert [type(network).__module__ for network in loaded.networks] == ["features.networks.keras_runtime"] * 2
    with np.load(model / "golden.npz") as archive:
        pixels, scores = archive["chips"], archive["scores"]
    given = loaded.scores([network(pixels)[np.newaxis] for network in loaded.networks])
    np.testing.assert_allclose(given, scores, atol=1e-3)
    assert "keras" in sys.modules
