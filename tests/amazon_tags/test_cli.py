"""The command line as its users meet it: every line of the README, every way to go wrong."""

import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from amazon_tags import cli, errors
from amazon_tags.errors import need_train
from amazon_tags.model import bundle
from features.images import listing

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
JOB = """
registry = "kept"
recipe = "{recipe}"
[[data]]
chips = "train-jpg"
table = "train_v2.csv"
"""
SMALL = {  # the last of two options holds
    "sample": "-n 4",
    "train": "--recipe {recipe}",
    "embed": "--backbone toy --weights none",
}


def commands(group=cli.root, path=()):
    for name, command in group.commands.items():
        here = (*path, name)
        yield from commands(command, here) if isinstance(command, click.Group) else [(" ".join(here), command)]


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_has_help_with_an_example_and_a_place_in_the_readme(name, command):
    assert f"Example: amazon_tags {name} " in command.help
    assert f"`amazon_tags {name} " in README
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def examples():
    block = re.search(r"```sh\n(amazon_tags .*?)```", README, re.DOTALL)
    return block.group(1).splitlines()


def test_every_line_of_the_readme_runs_in_its_order(world, run, recipe_file, tmp_path):
    for folder in (world.train_jpg, world.train_tif, world.test_jpg):
        (tmp_path / folder.name).symlink_to(folder)
    for table in (world.labels, world.sample):
        (tmp_path / table.name).symlink_to(table)
    (tmp_path / "ucm").symlink_to(world.train_jpg)
    (tmp_path / "labels.csv").write_text(world.labels.read_text().replace("primary", "tree"))
    run("sample", tmp_path / "chips", "-n", 3)
    (tmp_path / "job.toml").write_text(JOB.format(recipe=recipe_file))
    assert len(examples()) >= 6
    for line in examples():
        words = shlex.split(line)
        small = SMALL.get(words[1], "").format(recipe=recipe_file).split()
        done = run(*words[1:], *small, cwd=tmp_path)
        assert done.returncode == 0, (line, done.stderr)
    rows = (tmp_path / "submission.csv").read_text().splitlines()
    assert rows[0] == "image_name,tags"
    assert "tree" in json.loads((tmp_path / "ucm-model" / "manifest.json").read_text())["labels"]["labels"]


def test_the_first_command_of_the_readme_tags_rendered_chips(tmp_path):
    (whole,) = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    after_installing = whole.split("pip install . && ")[1]
    script = f'amazon_tags() {{ "{sys.executable}" -m amazon_tags "$@"; }}\n{after_installing}'
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, check=True)
    rows = (tmp_path / "submission.csv").read_text().splitlines()
    assert len(rows) == 13
    assert all(row.split(",")[1] for row in rows[1:])


def test_the_command_and_the_module_are_one(run):
    command = Path(sys.executable).with_name("amazon_tags")
    shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == run("--version").stdout


@pytest.fixture
def few(world, tmp_path):
    """Three good chips in a folder of one's own."""
    folder = tmp_path / "few"
    folder.mkdir()
    for path in listing.chips([world.test_jpg])[:3]:
        shutil.copy(path, folder)
    return folder


def told(done, code, *words):
    """One line on stderr, no traceback, no rows."""
    assert done.returncode == code, done.stderr
    assert done.stdout in ("", "image_name,tags\n"), done.stdout
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in line


def huge(content: bytes) -> bytes:
    """A JPG whose header says 65500 x 65500."""
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", 65500, 65500) + content[place + 4 :]


VRT = b'<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
DAMAGE = {
    "a text file": ("jpg", lambda good: b"not an image", "is not an image"),
    "a truncated JPG": ("jpg", lambda good: good[: len(good) // 2], "is a damaged JPG"),
    "a VRT": ("tif", lambda good: VRT, "is not an image"),
    "a huge header": ("jpg", huge, "is 65500 x 65500 pixels"),
    "nothing": ("png", lambda good: b"", "is empty"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_chip_that_cannot_be_used_is_named(few, model, run, kind):
    suffix, damage, message = DAMAGE[kind]
    bad = few / f"bad.{suffix}"
    bad.write_bytes(damage(next(few.glob("*.jpg")).read_bytes()))
    told(run("predict", few, "--model", model), 1, str(bad), message)


def unreadable(folder):
    """A file whose reading fails even for root."""
    path = folder / "worn.jpg"
    path.symlink_to("/proc/self/mem")
    return path


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc on this system")
def test_a_file_that_cannot_be_read_is_an_error_of_input(few, model, run):
    path = unreadable(few)
    told(run("predict", few, "--model", model), 74, str(path), "cannot be read")


def test_paths_that_do_not_exist_are_a_matter_of_usage(few, world, run, tmp_path):
    for arguments in (
        ("predict", few, "--model", "nowhere"),
        ("evaluate", world.labels, world.labels, "--labels", "nowhere.toml"),
        ("embed", few, "--backbone", "toy", "--weights", "nowhere.h5", "-o", tmp_path / "bank"),
        ("predict", few, "--like", "nowhere.csv"),
    ):
        told(run(*arguments), 2, "nowhere")


def test_folders_without_chips_and_folders_that_are_not_there(tmp_path, model, run):
    told(run("predict", tmp_path, "--model", model), 1, f"{tmp_path} holds no chips")
    told(run("predict", tmp_path / "none", "--model", model), 2, "does not exist")


def test_a_folder_that_is_no_bundle_is_refused(few, tmp_path, run):
    told(run("predict", few, "--model", tmp_path), 4, "has no manifest.json")


def test_a_bundle_with_one_byte_changed_is_refused(few, model, tmp_path, run):
    copy = shutil.copytree(model, tmp_path / "copy")
    path = copy / "members" / "00-net" / "network.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    told(run("predict", few, "--model", copy, "--precision", "f32"), 4, "network.bin was changed")
    told(run("bundle", "verify", copy), 4, "network.bin was changed")


@pytest.mark.parametrize("option", ["-o", "--scores"])
def test_an_output_that_cannot_be_written_is_refused_before_any_chip_is_read(few, run, tmp_path, option):
    (few / "bad.jpg").write_bytes(b"would be named if it were read")
    target = tmp_path / "missing" / "out.csv"
    done = run("predict", few, option, target, "--model", tmp_path)  # nor is the model, which is none
    told(done, 74, f"{target} cannot be written")


def test_an_output_never_replaces_an_input_or_another_output(few, world, model, run, tmp_path):
    before = {path: path.read_bytes() for path in few.iterdir()}
    chip, table = few / "test_1.jpg", tmp_path / "like.csv"
    shutil.copy(world.sample, table)
    link = tmp_path / "link.csv"
    link.symlink_to(chip)
    for places in (
        ("-o", chip),
        ("-o", link),
        ("--on-error", "fill", "--errors", chip),
        ("-o", tmp_path / "same.csv", "--scores", tmp_path / "same.csv"),
        ("--scores", "/dev/stdout"),
    ):
        told(run("predict", few, "--model", model, *places), 1, "lost; name another file")
    told(run("predict", world.test_jpg, "--model", model, "--like", table, "-o", table), 1, "is one of the inputs")
    assert {path: path.read_bytes() for path in few.iterdir()} == before
    assert table.read_bytes() == world.sample.read_bytes()


def test_scores_of_an_unknown_format_are_refused(few, run, tmp_path):
    told(run("predict", few, "--scores", tmp_path / "scores.xlsx"), 1, "needed .csv or .parquet")


def test_an_unknown_tag_in_a_label_table_is_named(world, run, tmp_path, recipe_file):
    table = tmp_path / "labels.csv"
    table.write_text(world.labels.read_text().replace("water", "watre"))
    for command in (
        ("train", world.train_jpg, table, "-o", tmp_path / "model", "--recipe", recipe_file),
        ("evaluate", table, world.labels),
    ):
        told(run(*command), 1, str(table), "'watre' is not a label of 'planet' (did you mean water?)")
    assert not (tmp_path / "model").exists()


def test_a_damaged_chip_is_skipped_or_filled_only_when_asked(few, model, run):
    (few / "bad.jpg").write_bytes(b"no image")
    plain = run("predict", *few.glob("test*.jpg"), "--model", model).stdout.splitlines()
    skipped = run("predict", few, "--model", model, "--on-error", "skip", cwd=few)
    assert skipped.returncode == 3
    assert skipped.stdout.splitlines() == plain
    assert "1 of 4 chips could not be used and were skipped; see errors.jsonl" in skipped.stderr
    (entry,) = map(json.loads, (few / "errors.jsonl").read_text().splitlines())
    assert entry["file"].endswith("bad.jpg")
    assert "is not an image" in entry["error"]
    run("predict", *few.glob("test*.jpg"), "--model", model, "--on-error", "skip", cwd=few)
    assert (few / "errors.jsonl").read_text() == ""  # not those of the former run
    filled = run("predict", few, "--model", model, "--on-error", "fill", "--errors", few / "mine.jsonl")
    assert filled.returncode == 3
    common = bundle.load(model).common
    names = bundle.load(model).space.names
    constant = " ".join(name for name, held in zip(names, common, strict=True) if held)
    assert constant
    assert sorted(filled.stdout.splitlines()) == sorted([*plain, f"bad,{constant}"])
    assert (few / "mine.jsonl").exists()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc on this system")
def test_an_unreadable_chip_can_be_skipped_too(few, model, run):
    unreadable(few)
    done = run("predict", few, "--model", model, "--on-error", "skip", cwd=few)
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 4


def test_a_sample_submission_gives_its_rows_in_its_order(world, model, run, tmp_path):
    done = run("predict", world.test_jpg, "--model", model, "--like", world.sample)
    asked = [row.split(",")[0] for row in world.sample.read_text().splitlines()]
    assert [row.split(",")[0] for row in done.stdout.splitlines()] == asked
    more = tmp_path / "more.csv"
    more.write_text(world.sample.read_text() + "test_99,clear\n")
    told(run("predict", world.test_jpg, "--model", model, "--like", more), 1, "'test_99'")
    told(run("predict", world.test_jpg, "--like", world.sample, "--on-error", "skip"), 2, "--on-error fill")


def test_the_same_bytes_for_any_jobs_order_place_and_locale(world, model, run, tmp_path):
    paths = listing.chips([world.train_jpg])
    expected = run("predict", world.train_jpg, "--model", model).stdout
    assert len(expected.splitlines()) == len(paths) + 1
    for jobs in (1, 3):
        assert run("predict", *reversed(paths), "--model", model, "--jobs", jobs).stdout == expected
    elsewhere = run("predict", world.train_jpg, "--model", model, cwd=tmp_path, env={**os.environ, "LC_ALL": "C"})
    assert elsewhere.stdout == expected
    run("predict", world.train_jpg, "--model", model, "-o", tmp_path / "tags.csv")
    assert (tmp_path / "tags.csv").read_bytes().decode() == expected


@pytest.fixture
def many(world, tmp_path):
    """Chips enough to be still at work when somebody interrupts."""
    folder = tmp_path / "many"
    folder.mkdir()
    source = listing.chips([world.test_jpg])[0]
    for number in range(20_000):
        (folder / f"chip_{number}.jpg").symlink_to(source)
    return folder


def started(*arguments):
    command = [sys.executable, "-m", "amazon_tags", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes, text=True, bufsize=1, preexec_fn=listen)  # noqa: PLW1509  it takes no lock


def listen():
    """Signals as at a terminal: a test runner in the background has them ignored, and children inherit that."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_code_and_leaves_the_rows_so_far(many, model, number, code):
    with started("predict", many, "--model", model) as process:
        assert process.stdout.readline() == "image_name,tags\n"
        process.send_signal(number)
        rows, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert len(rows.splitlines()) < 20_000


@pytest.mark.parametrize("wait", [0.1, 0.3, 0.5])
def test_ctrl_c_while_libraries_load_just_ends_the_process(few, model, wait):
    with started("predict", few, "--model", model) as process:
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130, -signal.SIGINT)
    assert "ImportError" not in errors


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_the_old_file_and_no_litter(many, model, tmp_path, number):
    target = tmp_path / "tags.csv"
    target.write_text("old")
    with started("predict", many, "--model", model, "-o", target) as process:
        while not list(tmp_path.glob(".amazon_tags-*")):
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert target.read_text() == "old"
    assert not list(tmp_path.glob(".amazon_tags-*"))


def test_a_reader_that_has_seen_enough_ends_the_run_in_silence(many, model):
    with started("predict", many, "--model", model) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 74


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_told_in_one_line(few, model, run):
    with Path("/dev/full").open("w") as full:
        done = run("predict", few, "--model", model, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74
    assert done.stderr.strip() == "Error: [Errno 28] No space left on device"


def test_closed_streams_are_no_place_for_rows(few, model):
    script = f'"{sys.executable}" -m amazon_tags predict "{few}" --model "{model}"'
    done = subprocess.run(["bash", "-c", f"{script} >&-"], capture_output=True, text=True, check=False)
    assert done.returncode == 74
    assert "stdout is closed" in done.stderr
    done = subprocess.run(["bash", "-c", f"{script} 2>&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 4)


def test_a_command_that_needs_the_train_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(click.ClickException, match=r"needs keras.*pip install '\.\[train\]'"):
        need_train()


@pytest.mark.real
def test_real_chips_get_a_valid_row_each(real, run):
    known = set(bundle.load(bundle.DEFAULT).space.names)
    for folder in ("test-jpg", "test-tif-v2"):
        done = run("predict", real / "planet" / folder)
        assert done.returncode == 0, done.stderr
        rows = [row.split(",") for row in done.stdout.splitlines()[1:]]
        assert [name for name, _ in rows] == listing.chips([real / "planet" / folder]).names()
        assert all(set(tags.split()) <= known for _, tags in rows)
        assert all(tags for _, tags in rows)
