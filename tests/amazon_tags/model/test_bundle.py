import json
import shutil

import numpy as np
import pytest

from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256, sha256_bytes
from amazon_tags.model import bundle, engine, manifest
from amazon_tags.model.bundle import BundleError
from amazon_tags.tables import labels
from ensemble.heads.head_files import load_head
from ensemble.heads.trees import fit_boosted
from ensemble.second_level.blend import Blend
from ensemble.second_level.models import pack_second_level
from features.networks import openvino_runtime


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "copy")


def rewrite(folder, **values):
    """What somebody would do who knows how the manifest is sealed."""
    content = {**json.loads((folder / "manifest.json").read_text()), **values}
    atomic.write_json(folder / "manifest.json", {**content, "sha256": manifest.digest(content)})


def reseal(folder, name):
    path = folder / name
    held = json.loads((folder / "manifest.json").read_text())["files"]
    rewrite(folder, files={**held, name: {"size": path.stat().st_size, "sha256": sha256(path)}})


def test_a_trained_bundle_verifies_in_every_supported_precision(model):
    paths = [path for path in model.rglob("*") if path.is_file()]
    verified = bundle.verify(model)
    assert verified.files == len(paths) - 1  # all but the manifest
    assert list(verified.bundles) == [name for name, hint in engine.HINTS.items() if openvino_runtime.supports(hint)]
    assert [opened.engine.precision for opened in verified.bundles.values()] == list(verified.bundles)
    assert verified.bundle is verified.bundles["f32"]


def test_a_bundle_knows_its_folder_its_manifest_and_its_golden_distance(model, copy):
    opened = bundle.load(model)
    assert (opened.folder, opened.manifest) == (model, bundle.read_manifest(model))
    assert (opened.space, opened.spec) == (opened.manifest.space, opened.manifest.spec)
    assert 0 <= opened.golden_distance < 1e-6
    with np.load(copy / "golden.npz") as archive:
        chips, scores = archive["chips"], archive["scores"]
    np.savez(copy / "golden.npz", chips=chips, scores=scores + np.float32(1 / 2048))
    reseal(copy, "golden.npz")
    assert bundle.load(copy).golden_distance == pytest.approx(1 / 2048, abs=1e-6)


def test_files_are_checked_without_loading_the_bundle(model, copy, monkeypatch):
    monkeypatch.setattr(bundle, "load", None)
    assert bundle.check_files(copy) == len(bundle.read_manifest(model).files)
    (copy / "card.md").write_text("changed")
    with pytest.raises(BundleError, match=r"card\.md has 7 bytes, but the manifest says"):
        bundle.check_files(copy)
    with pytest.raises(BundleError, match=r"card\.md has 7 bytes"):
        bundle.read_card(copy)


@pytest.mark.slow
def test_the_bundled_model_verifies():
    assert bundle.verify(bundle.DEFAULT).files >= 6


def test_every_file_with_one_byte_changed_is_refused(model, copy):
    names = [path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()]
    for name in names:
        whole = (copy / name).read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        (copy / name).write_bytes(changed)
        with pytest.raises(BundleError):
            bundle.verify(copy)
        (copy / name).write_bytes(whole)
    bundle.verify(copy)


@pytest.mark.parametrize("name", ["decision.json", "second.npz", "golden.npz", "card.md", "members/00-net/network.bin"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match="is missing"):
        bundle.verify(copy)


def test_a_file_that_the_manifest_does_not_name_is_refused_when_verified(copy):
    (copy / "members" / "00-net" / "more.bin").symlink_to("/dev/null")
    with pytest.raises(BundleError, match="manifest does not name"):
        bundle.verify(copy)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "thumbs.db", "Desktop.ini", "._card.md"])
def test_files_that_file_managers_leave_are_ignored(model, copy, name):
    for folder in (copy, copy / "members", copy / "members" / "00-net"):
        (folder / name).write_bytes(b"icons")
    assert bundle.check_files(copy) == bundle.check_files(model)
    folders.copy_folder(copy, copy.with_name("again"))
    assert not list(copy.with_name("again").rglob(name))


@pytest.mark.parametrize("name", [".DS_Store.py", "x._y", ".hidden", "Thumbs.db/network.bin"])
def test_other_files_are_still_refused(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"")
    with pytest.raises(BundleError, match=r"holds 1 files that its manifest does not name"):
        bundle.check_files(copy)


def test_a_link_with_the_name_of_litter_is_refused(copy, tmp_path):
    (copy / ".DS_Store").symlink_to(tmp_path)
    with pytest.raises(BundleError, match=r"first: \.DS_Store"):
        bundle.check_files(copy)


def test_another_format_names_the_version_that_reads_it(copy):
    content = json.loads((copy / "manifest.json").read_text())
    atomic.write_json(copy / "manifest.json", {**content, "format": 5, "version": "9.1"})
    with pytest.raises(BundleError, match=r"bundle format 5, .*reads formats 1 to 4; install amazon_tags 9\.1"):
        bundle.load(copy)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xff", b'{"format": 2}', b"[" * 200_000])
def test_a_damaged_manifest_is_refused(copy, content):
    (copy / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError):
        bundle.load(copy)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        bundle.load(tmp_path)


@pytest.mark.parametrize("name", ["../../etc", "/etc", "00-../x", "0-net"])
def test_a_member_cannot_lead_out_of_the_bundle(copy, name):
    rewrite(copy, members=[name])
    with pytest.raises(BundleError, match="members are named like"):
        bundle.load(copy)


@pytest.mark.parametrize("change", [{"side": 128}, {"bands": ["red"]}, {"dtype": "uint16"}])
def test_a_chip_spec_that_is_not_the_networks_is_refused(copy, change):
    spec = json.loads((copy / "manifest.json").read_text())["chips"]
    rewrite(copy, chips={**spec, **change})
    with pytest.raises(BundleError, match="do not fit together"):
        bundle.verify(copy)


@pytest.mark.parametrize("change", [{"side": "x"}, {"side": 64.5}, {"dtype": []}, {"bands": 3}])
def test_a_chip_spec_of_other_types_is_refused(copy, change):
    spec = json.loads((copy / "manifest.json").read_text())["chips"]
    rewrite(copy, chips={**spec, **change})
    with pytest.raises(BundleError, match=r"manifest\.json is damaged"):
        bundle.verify(copy)


def test_any_value_of_the_manifest_that_is_changed_is_noticed(copy):
    content = json.loads((copy / "manifest.json").read_text())
    for key in content:
        changed = {**content, key: [] if key in ("format", "version") else None}
        atomic.write_json(copy / "manifest.json", changed)
        with pytest.raises(BundleError):
            bundle.load(copy)
    names = content["labels"]["labels"]
    atomic.write_json(copy / "manifest.json", {**content, "labels": {**content["labels"], "labels": names[::-1]}})
    with pytest.raises(BundleError, match="does not fit its own hash"):
        bundle.load(copy)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40)])
def test_golden_scores_that_are_no_archive_are_refused_even_under_a_fitting_hash(copy, content):
    (copy / "golden.npz").write_bytes(content)
    reseal(copy, "golden.npz")
    with pytest.raises(BundleError, match="do not fit together"):
        bundle.load(copy)


@pytest.mark.parametrize("size", [None, [], "abc", -1])
def test_a_size_that_is_none_is_refused(copy, size):
    held = json.loads((copy / "manifest.json").read_text())["files"]
    rewrite(copy, files={**held, "card.md": {**held["card.md"], "size": size}})
    with pytest.raises(BundleError):
        bundle.verify(copy)


def test_scores_that_are_not_reproduced_are_refused_even_under_a_fitting_hash(copy):
    with np.load(copy / "golden.npz") as archive:
        chips, scores = archive["chips"], archive["scores"]
    np.savez(copy / "golden.npz", chips=chips, scores=np.float32(1) - scores)
    reseal(copy, "golden.npz")
    with pytest.raises(BundleError, match="scores its golden chips"):
        bundle.load(copy)


@pytest.mark.parametrize(
    "change",
    [{"cuts": {}}, {"cuts": None}, {"cuts": dict.fromkeys(labels.PLANET.names, "nan")}, {"common": ["volcano"]}, []],
)
def test_a_decision_that_does_not_fit_is_refused_even_under_a_fitting_hash(copy, change):
    decision = json.loads((copy / "decision.json").read_text())
    atomic.write_json(copy / "decision.json", {**decision, **change} if change else change)
    reseal(copy, "decision.json")
    with pytest.raises(BundleError, match="do not fit together"):
        bundle.load(copy)


def test_views_are_averaged_within_members_and_members_with_equal_weight(model):
    opened = bundle.load(model)
    rng = np.random.default_rng(0)
    net = rng.random((2, 5, 17), dtype=np.float32)
    other = rng.random((2, 5, 17), dtype=np.float32)
    expected = (net.mean(axis=0) + other.mean(axis=0)) / 2
    np.testing.assert_allclose(opened.scores([net, other]), expected, rtol=1e-5)


def test_a_linear_head_is_the_last_layer_of_its_network_and_trees_are_not(model, copy):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    member = bundle.load(model).members[1]
    assert member.head is None
    inside = copy / "members" / "01-vectors"
    head = load_head(inside)
    vectors = openvino_runtime.load(*((inside / name).read_bytes() for name in engine.NETWORK["f32"]))(pixels)
    np.testing.assert_allclose(member.network(pixels), head.scores(vectors), atol=1e-5)
    (inside / "head.npz").unlink()
    name, content = fit_boosted(vectors, head.scores(vectors) > 0.2, 0).pack()
    (inside / name).write_bytes(content)
    entry = {"size": len(content), "sha256": sha256_bytes(content)}
    held = json.loads((copy / "manifest.json").read_text())["files"]
    del held["members/01-vectors/head.npz"]
    rewrite(copy, files={**held, f"members/01-vectors/{name}": entry})
    with pytest.raises(BundleError, match="golden"):  # of another head
        bundle.load(copy)


def test_a_bundle_of_the_first_format_averages_its_members(model, copy):
    content = json.loads((copy / "manifest.json").read_text())
    (copy / "second.npz").unlink()
    held = {name: value for name, value in content["files"].items() if name != "second.npz"}
    rewrite(copy, format=1, files=held)
    old, new = bundle.load(copy), bundle.load(model)
    values = [network(np.zeros((2, *network.chip_shape), np.uint8))[np.newaxis] for network in new.networks]
    np.testing.assert_array_equal(old.scores(values), new.scores(values))


@pytest.mark.parametrize("weights", [[[0.5]], [[0.7] * 17, [0.7] * 17], [[-1.0] * 17, [2.0] * 17], [[np.nan] * 17] * 2])
def test_a_second_level_that_does_not_fit_is_refused_even_under_a_fitting_hash(copy, weights):
    made = Blend("mean", np.array(weights), np.zeros((0, 17, 0)))
    (copy / "second.npz").write_bytes(pack_second_level(made)[1])
    reseal(copy, "second.npz")
    with pytest.raises(BundleError, match="do not fit together"):
        bundle.load(copy)


def test_views_can_be_averaged_geometrically(copy):
    rewrite(copy, view_mean="geometric")
    opened = bundle.load(copy)
    values = [np.random.default_rng(seed).random((2, 5, 17), dtype=np.float32) for seed in (0, 1)]
    expected = np.mean([np.sqrt(first * second) for first, second in values], axis=0)
    np.testing.assert_allclose(opened.scores(values), expected, atol=1e-3)  # drawn scores may be 0, which has no log
    rewrite(copy, view_mean="median")
    with pytest.raises(BundleError, match="do not fit together"):
        bundle.load(copy)
