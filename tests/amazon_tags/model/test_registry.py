"""Registries: pointers, copies, readers, cleaning."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, registry
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.manifest import digest
from amazon_tags.model.registry import RegistryError
from amazon_tags.model.registry_list import list_models


@pytest.fixture
def two(model, tmp_path):
    """A registry with two models: the trained one and one with another note on its card; neither is current."""
    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "card.md").write_text("another card\n")
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["files"]["card.md"] = {"size": 13, "sha256": sha256(other / "card.md")}
    manifest["sha256"] = digest(manifest)
    (other / "manifest.json").write_text(json.dumps(manifest))
    home = tmp_path / "models"
    return home, registry.add(home, model, verified=True), registry.add(home, other, verified=True)


def test_a_model_is_named_by_its_content_and_copied_once(two, model):
    home, first, second = two
    assert first != second
    assert registry.add(home, model) == first
    assert sorted(registry.model_names(home)) == sorted([first, second])
    assert bundle.verify(home / first).files == bundle.verify(model).files


def test_a_bundle_that_was_just_verified_is_copied_by_its_hashes_alone(model, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "load", None)
    name = registry.add(tmp_path / "models", model, verified=True)
    assert bundle.check_files(tmp_path / "models" / name) == bundle.check_files(model)
    damaged = shutil.copytree(model, tmp_path / "damaged")
    (damaged / "card.md").write_text("changed")
    with pytest.raises(BundleError, match=r"card\.md has 7 bytes"):
        registry.add(tmp_path / "others", damaged, verified=True)
    assert registry.model_names(tmp_path / "others") == []


def test_a_folder_with_nothing_but_litter_becomes_a_registry(model, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ".DS_Store").write_bytes(b"icons")
    assert registry.add(tmp_path / "models", model, verified=True) == registry.model_name(model)


def test_pointers_move_together_and_are_logged(two):
    home, first, second = two
    registry.promote(home, first, why="the first")
    registry.promote(home, second, why="better")
    assert registry.pointers(home).current == second
    assert registry.rollback(home, why="worse").current == first
    after = registry.pointers(home)
    assert (after.current, after.previous) == (first, second)
    assert [(move.action, move.before, move.after, move.why) for move in after.log] == [
        ("promote", None, first, "the first"),
        ("promote", first, second, "better"),
        ("rollback", second, first, "worse"),
    ]


def test_what_cannot_be_promoted_is_refused_and_nothing_moves(two):
    home, first, second = two
    registry.promote(home, first, why="")
    before = (home / registry.POINTERS).read_bytes()
    with pytest.raises(RegistryError, match=f"has no model 0123456789ab; it has .*{first}"):
        registry.promote(home, "0123456789ab", why="")
    with pytest.raises(RegistryError, match=f"{first} has become the current model since"):
        registry.promote(home, second, why="", over=None)
    with pytest.raises(RegistryError, match="no previous model"):
        registry.rollback(home, why="")
    (home / second / "decision.json").write_text("{}")
    with pytest.raises(BundleError):
        registry.promote(home, second, why="")
    assert (home / registry.POINTERS).read_bytes() == before


@pytest.mark.parametrize("asked", [list_models, lambda folder: registry.rollback(folder, why="")])
def test_a_folder_without_models_is_no_registry_and_stays_as_it_is(tmp_path, asked):
    with pytest.raises(RegistryError, match="is no registry: it holds no models"):
        asked(tmp_path)
    assert not list(tmp_path.iterdir())


def test_promoting_the_current_model_changes_nothing(two):
    home, first, _ = two
    stand = registry.promote(home, first, why="")
    assert registry.promote(home, first, why="again") == stand == registry.pointers(home)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"current": "../../etc", "previous": null, "log": []}',
        '{"current": null, "previous": null, "log": ["moved"]}',
        '{"current": null, "previous": null, "log": [{"when": "now"}]}',
        '{"current": null, "previous": null, "log": [{"when": "", "what": null, "from": "", "to": "", "why": ""}]}',
    ],
)
def test_damaged_pointers_are_refused_until_a_model_is_promoted(two, text, run):
    home, first, _ = two
    (home / registry.POINTERS).write_text(text)
    with pytest.raises(RegistryError, match=r"pointers\.json (is damaged|points to)"):
        registry.pointers(home)
    with pytest.raises(RegistryError):  # a job says what it compared, and does not mend by itself
        registry.promote(home, first, why="", over=None)
    with pytest.raises(RegistryError, match="has no model"):  # nor is anything put aside for a typo
        registry.promote(home, "0" * 12, why="")
    assert (home / registry.POINTERS).read_text() == text
    done = run("models", "promote", home, first)
    assert (done.returncode, done.stdout) == (0, f"current: {first}, previous: none\n")
    (home / registry.POINTERS).write_text("again")
    registry.promote(home, first, why="")
    kept = [(home / f"damaged-{number}-pointers.json").read_text() for number in (1, 2)]
    assert kept == [text, "again"]


@pytest.mark.slow
def test_a_damaged_model_is_shown_and_replaced_by_a_sound_copy(two, model, run):
    home, first, second = two
    registry.promote(home, first, why="")
    (home / first / "decision.json").write_text("{}")
    (home / second / "manifest.json").write_text("{}")
    damage = {entry.name: entry.damage for entry in list_models(home).models}
    assert "manifest.json is damaged" in damage[second]
    assert run("models", "list", home).stdout.count("is damaged") == 1
    done = run("models", "promote", home, model)
    assert (done.returncode, done.stdout) == (0, f"current: {first}, previous: none\n")
    assert bundle.verify(home / first)


@pytest.mark.slow
def test_another_model_under_a_name_is_damage(two, model):
    home, first, second = two
    registry.promote(home, second, why="")
    shutil.rmtree(home / first)
    shutil.copytree(home / second, home / first)
    damage = {entry.name: entry.damage for entry in list_models(home).models}
    assert damage == {first: f"holds another model, {second}", second: None}
    with pytest.raises(BundleError, match="holds another model"):
        registry.promote(home, first, why="")
    registry.add(home, model)
    assert registry.promote(home, first, why="").current == first


def test_what_cannot_be_swept_stays_without_an_error(two, model, monkeypatch):
    home, *_ = two
    (home / ".amazon_tags-0123.part").mkdir()

    def refuse(*_):
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(folders.shutil, "rmtree", refuse)
    registry.add(home, model)
    assert (home / ".amazon_tags-0123.part").exists()


def test_a_full_disk_is_reported_by_its_own_number_and_leaves_no_copy(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folders.shutil, "copyfile", full)
    with pytest.raises(OSError, match="cannot be written: no space left on device; make room") as caught:
        registry.add(tmp_path / "models", model)
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["lock"]


def test_of_a_model_that_is_a_link_the_link_goes(two, model):
    home, first, second = two
    registry.promote(home, second, why="")
    shutil.rmtree(home / first)
    (home / first).symlink_to(model)
    assert registry.clean(home, 1) == [first]
    assert bundle.verify(model)


def test_a_bundle_is_held_as_it_is_and_a_registry_by_its_current_model(two, model):
    home, first, second = two
    with registry.hold_model(model) as folder:
        assert folder == model
    registry.promote(home, first, why="")
    with registry.hold_model(home) as folder:
        assert folder == home / first
    shutil.rmtree(home / first)
    with pytest.raises(RegistryError, match=f"the current model, {first}, is not there"), registry.hold_model(home):
        pass
    shutil.copytree(home / second, home / first)
    with pytest.raises(RegistryError, match=f"{first} holds another model"), registry.hold_model(home):
        pass


def test_cleaning_spares_what_a_pointer_or_a_reader_holds(two):
    home, first, second = two
    registry.promote(home, first, why="")
    with registry.hold_model(home):
        third = json.loads((home / registry.POINTERS).read_text())
        third["current"], third["previous"] = second, None
        atomic.write_json(home / registry.POINTERS, third)
        oldest = registry.model_names(home)[0]
        assert oldest == first
        assert registry.clean(home, 1) == []  # the reader holds it
        assert (home / first / "manifest.json").exists()
    assert registry.clean(home, 1) == [first]
    assert registry.model_names(home) == [second]
    assert sorted(path.name for path in home.iterdir()) == sorted([second, "lock", registry.POINTERS])


@pytest.mark.slow
def test_readers_see_one_whole_model_while_pointers_move(two):
    home, first, second = two
    registry.promote(home, first, why="")
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            with registry.hold_model(home) as folder:
                seen.append(bundle.read_manifest(folder).name == folder.name)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(6):
        if number % 2:
            registry.rollback(home, why="")
        else:
            registry.promote(home, second if registry.pointers(home).current == first else first, why="")
    stop.set()
    for reader in readers:
        reader.join()
    assert seen
    assert all(seen)


@pytest.mark.slow
def test_predict_follows_the_registry(two, world, run, model):
    home, first, _ = two
    registry.promote(home, first, why="")
    followed = run("predict", world.test_jpg, "--model", home)
    assert followed.returncode == 0, followed.stderr
    assert followed.stdout == run("predict", world.test_jpg, "--model", model).stdout


@pytest.mark.slow
def test_the_commands_list_show_promote_and_roll_back(two, model, run, tmp_path):
    home, first, second = two
    for name in (first, second):
        done = run("models", "promote", home, name, "--why", "tried out")
        assert done.returncode == 0, done.stderr
    assert run("models", "rollback", home).stdout == f"current: {first}, previous: {second}\n"
    listed = run("models", "list", home).stdout
    assert f"{first}" in listed
    assert "tried out" in listed
    told = json.loads(run("models", "list", home, "--json").stdout)
    assert [entry["name"] for entry in told["models"] if entry["current"]] == [first]
    assert run("models", "show", home, second).stdout == "another card\n"
    assert run("models", "show", home).stdout == bundle.read_card(model)
    fresh = run("models", "promote", tmp_path / "fresh", model)
    assert fresh.stdout == f"current: {first}, previous: none\n"
    (home / registry.POINTERS).unlink()
    assert run("models", "show", home, second).stdout == "another card\n"
    missing = run("models", "show", home, "0123456789ab")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


def test_a_second_mover_leaves_with_75(two, run):
    home, first, _ = two
    lines = [
        "import time; from pathlib import Path; from amazon_tags.files import locks",
        f"with locks.hold_lock(Path({str(home / 'lock')!r})): print('held', flush=True); time.sleep(60)",
    ]
    script = "\n".join(lines)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        done = run("models", "promote", home, first)
        holder.kill()
    assert (done.returncode, "Another run holds" in done.stderr) == (75, True)
