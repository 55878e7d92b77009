import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import onnx
import pytest

from amazon_tags import errors
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, bundle_writer, decision_file
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.model.manifest import SecondLevelReport
from amazon_tags.model.onnx_file import OnnxError, export_onnx
from ensemble.decisions.decision import flat_decision
from ensemble.heads.head_files import save_head
from ensemble.heads.neighbours import fit_neighbours
from ensemble.heads.trees import fit_boosted
from ensemble.second_level.blend import Blend
from features.networks import onnx_export, onnx_operations

ROOT = Path(__file__).parents[3]
NOTHING = np.zeros((0, 17, 0))


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "copy")


def seal(folder, **values):
    """Seal the manifest of a bundle whose files were changed."""
    manifest = bundle.read_manifest(folder)
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    files = {
        path.relative_to(folder).as_posix(): FileEntry(path.stat().st_size, sha256(path)) for path in sorted(paths)
    }
    bundle_writer.write_manifest(folder, replace(manifest, files=files, **values))


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def runner(folder):
    """The program of the documentation, as a file."""
    page = (ROOT / "amazon_tags" / "README.md").read_text(encoding="utf-8")
    (program,) = (block for block in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M) if "onnxruntime" in block)
    assert len(program.splitlines()) <= 20
    path = folder / "tag.py"
    path.write_text(program)
    return path


def run_program(program, model, chips):
    words = [sys.executable, program, model, *chips]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)


def test_a_bundle_of_a_network_and_a_linear_head_is_exported_with_its_metadata(model, tmp_path, run):
    output = tmp_path / "model.onnx"
    done = run("bundle", "export", model, "-o", output)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert f"{output}: 17 labels, 2 networks, one view a chip; golden chips within " in line

    manifest, about = bundle.read_manifest(model), metadata(output)
    assert about["bundle_sha256"] == manifest.sha256
    assert about["labels"].split(",") == list(manifest.space.names)
    assert {key: about[key] for key in ("bands", "dtype", "side", "levels", "views")} == {
        "bands": "red,green,blue",
        "dtype": "uint8",
        "side": "64",
        "levels": "auto",
        "views": "1",
    }
    space, decision = decision_file.from_json(json.loads(about["decision"]))
    assert space == manifest.space
    assert [float(text) for text in about["thresholds"].split(",")] == decision.thresholds.tolist()


def test_the_scores_are_those_of_the_bundle_and_the_bytes_are_always_the_same(model, tmp_path):
    distance = export_onnx(model, tmp_path / "one.onnx")
    export_onnx(model, tmp_path / "two.onnx")
    content = (tmp_path / "one.onnx").read_bytes()
    assert content == (tmp_path / "two.onnx").read_bytes()
    assert 0 <= distance < 1e-5

    loaded = bundle.load(model)
    chips = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    expected = loaded.scores([network(chips)[np.newaxis] for network in loaded.networks])
    np.testing.assert_allclose(onnx_export.run(content, chips), expected, atol=1e-5)


def test_onnx_runtime_sends_no_events_and_keeps_nothing_of_the_user(model, run, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    done = run("bundle", "export", model, "-o", tmp_path / "model.onnx", env={**kept, "HOME": str(home)})
    assert done.returncode == 0, done.stderr
    assert not list(home.iterdir())


def test_the_weights_of_a_greedy_mean_are_exported(copy, tmp_path):
    shares = np.tile([[0.25], [0.75]], 17)
    bundle_writer.write_second(copy, Blend("mean", shares, NOTHING))
    with np.load(copy / "golden.npz") as archive:
        pixels = archive["chips"]
    seal(copy)
    with pytest.raises(OnnxError, match=r"scores the golden chips 0\.\d+ away from the bundle \(allowed 0\.0001\)"):
        export_onnx(copy, tmp_path / "model.onnx")  # these are the scores of the plain mean
    assert not (tmp_path / "model.onnx").exists()

    bundle_writer.seal(copy, bundle.read_manifest(copy), pixels)
    assert export_onnx(copy, tmp_path / "model.onnx") < 1e-5


@pytest.mark.parametrize("kind", ["geometric", "rank"])
def test_another_second_level_is_refused_by_name(copy, tmp_path, kind):
    knots = np.tile(np.linspace(0, 1, 5), (3, 17, 1)) if kind == "rank" else NOTHING
    bundle_writer.write_second(copy, Blend(kind, np.full((2, 17), 0.5), knots))
    seal(copy, second=SecondLevelReport(kind))
    with pytest.raises(OnnxError, match=f"its second level is {kind}, which is not exported; export a bundle of"):
        export_onnx(copy, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("fit", "words"),
    [(fit_boosted, "head of 01-vectors is made of trees"), (fit_neighbours, "head of 01-vectors is neighbours")],
)
def test_a_head_that_is_not_linear_is_refused_by_name_before_any_work(copy, run, tmp_path, fit, words):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 16)).astype(np.float32)
    (copy / "members" / "01-vectors" / "head.npz").unlink()
    save_head(fit(vectors, rng.random((30, 17)) < 0.5, 0), copy / "members" / "01-vectors")
    seal(copy)
    done = run("bundle", "export", copy, "-o", tmp_path / "model.onnx")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"Error: {copy}: the {words}, which " in done.stderr
    assert not (tmp_path / "model.onnx").exists()


def test_an_operation_without_a_conversion_is_refused_by_name(model, tmp_path, monkeypatch):
    monkeypatch.delitem(onnx_operations.OPERATIONS, "Convolution")
    with pytest.raises(OnnxError, match="Convolution has no conversion to ONNX; use amazon_tags predict"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_networks_that_no_onnx_file_holds_are_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "MAX_BYTES", 1000)
    with pytest.raises(OnnxError, match=r"its networks have [\d,]+ bytes, but an ONNX file holds at most"):
        export_onnx(model, tmp_path / "model.onnx")


def test_a_changed_bundle_and_an_output_inside_the_bundle_are_refused(copy, tmp_path):
    with pytest.raises(ValueError, match="lies inside the bundle, which must not change"):
        export_onnx(copy, copy / "members" / "model.onnx")
    with pytest.raises(OSError, match="nowhere"):
        export_onnx(copy, tmp_path / "nowhere" / "model.onnx")
    (copy / "second.npz").write_bytes(b"changed")
    with pytest.raises(bundle.BundleError, match=r"second\.npz has 7 bytes"):
        export_onnx(copy, tmp_path / "model.onnx")


def test_without_the_extra_the_install_line_is_printed(monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(
        click.ClickException, match=r"needs onnxruntime, .*; run, in the checkout: pip install '\.\[onnx\]'"
    ):
        errors.need_onnx()


def test_the_program_of_the_documentation_prints_the_tags_of_predict(model, world, run, tmp_path):
    export_onnx(model, tmp_path / "model.onnx")
    chips = sorted(world.test_jpg.glob("*.jpg"))
    done = run_program(runner(tmp_path), tmp_path / "model.onnx", chips)
    assert done.returncode == 0, done.stderr
    expected = run("predict", *chips, "--model", model, "--precision", "f32").stdout
    assert done.stdout == expected
    assert len(expected.splitlines()) == 1 + len(chips)


def test_a_decision_that_has_no_thresholds_is_exported_and_the_program_says_so(copy, world, tmp_path):
    manifest = bundle.read_manifest(copy)
    decision = replace(flat_decision(17, rules=decision_file.rules(manifest.space)), decoder="expected")
    bundle_writer.write_decision(copy, manifest.space, decision, np.zeros(17, np.bool_))
    seal(copy)
    export_onnx(copy, tmp_path / "model.onnx")
    assert "thresholds" not in metadata(tmp_path / "model.onnx")
    assert json.loads(metadata(tmp_path / "model.onnx")["decision"])["decoder"] == "expected"
    done = run_program(runner(tmp_path), tmp_path / "model.onnx", world.test_jpg.glob("*.jpg"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "8-bit RGB chips that decides by thresholds" in done.stderr


@pytest.mark.real
def test_the_bundled_model_tags_the_real_test_chips_alike_in_onnx_runtime(real, run, tmp_path):
    chips = sorted((real / "planet" / "test-jpg").glob("*.jpg"))
    assert len(chips) == 69
    assert run("bundle", "export", "-o", tmp_path / "model.onnx").returncode == 0
    done = run_program(runner(tmp_path), tmp_path / "model.onnx", chips)
    expected = run("predict", *chips, "--precision", "f32").stdout
    assert sorted(done.stdout.splitlines()) == sorted(expected.splitlines())
