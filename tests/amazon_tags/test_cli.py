"""The command line as its users meet it: its help, every refusal in one line, signals, full disks and closed pipes."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from amazon_tags import cli, errors
from amazon_tags.commands import options
from amazon_tags.errors import need_train
from amazon_tags.model import bundle
from amazon_tags.tables import labels
from features.images import listing
from tests.world import World

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SECONDS = 600  # that any child process may take: far more than on a busy machine
UNREADABLE = Path("/proc/self/mem")  # reading it fails even for root
MANY = 20_000  # chips, enough for a run to be still at work when a signal comes


def commands(group: click.Group = cli.root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        here = (*path, name)
        yield from commands(command, here) if isinstance(command, click.Group) else [(" ".join(here), command)]


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_has_help_with_an_example_and_a_place_in_the_readme(name, command):
    assert f"Example: amazon_tags {name} " in command.help
    assert f"`amazon_tags {name} " in README
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_index_of_options_names_every_option_and_its_commands():
    index: dict[str, list[str]] = {}
    for name, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                index.setdefault(", ".join(option.opts), []).append(name)
    _, _, table = options.__doc__.partition("--------\n")
    table = table.replace("\n   ", " ")  # a line that begins with blanks goes on with the commands
    assert dict(line.split("  ", 1) for line in map(squeeze, table.splitlines())) == {
        option: ", ".join(names) for option, names in index.items()
    }


def squeeze(line: str) -> str:
    """The line with its two columns parted by two spaces."""
    option, _, names = line.partition("  ")
    return f"{option}  {' '.join(names.split())}"


def test_the_help_of_train_names_every_recipe_of_the_package():
    (recipe,) = (option for option in dict(commands())["train"].params if option.name == "recipe")
    for path in (ROOT / "amazon_tags" / "recipes").glob("*.toml"):
        assert path.stem in recipe.help


def test_options_keep_their_earlier_names():
    (layer,) = (option for option in dict(commands())["embed"].params if option.name == "layer")
    (checkpoint,) = (option for option in dict(commands())["predict"].params if option.name == "checkpoint")
    assert (layer.opts, checkpoint.opts) == (["--layer", "--cut"], ["--checkpoint", "--journal"])


def test_the_command_and_the_module_are_one(run):
    command = Path(sys.executable).with_name("amazon_tags")
    shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert shown.stdout == run("--version").stdout


@pytest.fixture
def few(world, tmp_path):
    """Three good chips in a folder of their own."""
    folder = tmp_path / "few"
    folder.mkdir()
    for path in listing.chips([world.test_jpg])[:3]:
        shutil.copy(path, folder)
    return folder


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The run ended with the code, the words in the last line of stderr, no traceback and no rows."""
    assert done.returncode == code, done.stderr
    assert done.stdout in ("", "image_name,tags\n"), done.stdout
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in line


@dataclass(frozen=True)
class Place:
    """What a refused command works with: three good chips, the rendered world, a model, a folder for the rest."""

    few: Path
    world: World
    model: Path
    recipe: Path
    home: Path

    @property
    def chip(self) -> Path:
        return self.few / "test_1.jpg"

    def damaged(self, name: str) -> Path:
        """The folder, with one more chip: a good one that was damaged as DAMAGE says."""
        damage, _ = DAMAGE[name]
        (self.few / name).write_bytes(damage(self.chip.read_bytes()))
        return self.few

    def unreadable(self) -> Path:
        """The folder, with one more chip that cannot be read."""
        (self.few / "unreadable.jpg").symlink_to(UNREADABLE)
        return self.few

    def write(self, name: str, content: str) -> Path:
        path = self.home / name
        path.write_text(content)
        return path

    def link(self, name: str, target: Path) -> Path:
        path = self.home / name
        path.symlink_to(target)
        return path

    def changed_model(self) -> Path:
        """A copy of the model with one byte changed in the middle of a network."""
        copy = shutil.copytree(self.model, self.home / "changed")
        path = copy / "members" / "00-net" / "network.bin"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return copy

    def misspelt(self) -> Path:
        return self.write("labels.csv", self.world.labels.read_text().replace("water", "watre"))

    def predict(self, *words: object) -> tuple[object, ...]:
        return ("predict", self.few, "--model", self.model, *words)


def huge(content: bytes) -> bytes:
    """A JPG whose header says 65500 x 65500."""
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", 65500, 65500) + content[place + 4 :]


VRT = b'<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
DAMAGE = {  # name of the chip -> what is done to a good JPG, and what is said
    "text.jpg": (lambda _good: b"not an image", "is not an image"),
    "truncated.jpg": (lambda good: good[: len(good) // 2], "is a damaged JPG"),
    "vrt.tif": (lambda _good: VRT, "is of the format XML or HTML"),
    "huge.jpg": (huge, "is 65500 x 65500 pixels"),
    "empty.png": (lambda _good: b"", "is empty"),
}
UNKNOWN_TAG = "'watre' is not a label of 'planet' (did you mean water?)"
LOST = "lost; name another file"


def words_of(*words: object) -> Callable[[Place], tuple[object, ...]]:
    """Arguments that need nothing of the place but its chips and its model."""
    return lambda at: at.predict(*words)


REFUSALS: dict[str, tuple[Callable[[Place], tuple[object, ...]], int, tuple[str, ...]]] = {
    "a model that does not exist": (lambda at: ("predict", at.few, "--model", "nowhere"), 2, ("nowhere",)),
    "a sample submission that does not exist": (words_of("--like", "nowhere.csv"), 2, ("nowhere.csv",)),
    "a label space that does not exist": (
        lambda at: ("evaluate", at.world.labels, at.world.labels, "--labels", "nowhere.toml"),
        2,
        ("nowhere.toml",),
    ),
    "weights that do not exist": (
        lambda at: ("embed", at.few, "--backbone", "toy", "--weights", "nowhere.h5", "-o", at.home / "bank"),
        2,
        ("nowhere.h5",),
    ),
    "a backbone from a file that does not exist": (
        lambda at: ("embed", at.few, "--backbone", "nowhere.onnx", "-o", at.home / "bank"),
        1,
        ("nowhere.onnx is not a file",),
    ),
    "a preset that was not downloaded": (
        lambda at: ("leaks", at.few, "--backbone", "hub:nowhere"),
        1,
        ("hub:nowhere is neither", "--download"),
    ),
    "a backbone's weights that do not exist": (
        lambda at: ("train", at.few, at.world.labels, "-o", at.home / "new", "--weights", "toy=nowhere.h5"),
        2,
        ("toy=nowhere.h5", "BACKBONE=FILE"),
    ),
    "no labels to train on": (
        lambda at: ("train", at.few, "-o", at.home / "new"),
        2,
        ("Missing argument 'LABELS'", "--labels folders"),
    ),
    "a recall above 1": (
        lambda at: ("tune", at.world.labels, at.world.labels, "-o", at.home / "new.json", "--recall", "road>=80"),
        2,
        ("road>=80", "LABEL>=RECALL"),
    ),
    "chips that do not exist": (lambda at: ("predict", at.home / "none"), 2, ("does not exist",)),
    "a schedule without a scheduler": (lambda at: ("schedule", at.recipe), 2, ("--systemd or --cron or --k8s",)),
    "--like with --on-error skip": (
        lambda at: ("predict", at.world.test_jpg, "--like", at.world.sample, "--on-error", "skip"),
        2,
        ("--on-error fill",),
    ),
    "a folder without chips": (lambda at: ("predict", at.home, "--model", at.model), 1, ("{home} holds no chips",)),
    "a file that cannot be read": (
        lambda at: ("predict", at.unreadable(), "--model", at.model),
        74,
        ("{few}/unreadable.jpg", "cannot be read"),
    ),
    "a folder that is no bundle": (
        lambda at: ("predict", at.few, "--model", at.home),
        4,
        ("{home}", "has no manifest.json"),
    ),
    "a changed byte in a bundle": (
        lambda at: ("predict", at.few, "--model", at.changed_model(), "--precision", "f32"),
        4,
        ("network.bin was changed",),
    ),
    "a changed byte in a bundle to verify": (
        lambda at: ("bundle", "verify", at.changed_model()),
        4,
        ("network.bin was changed",),
    ),
    "an output in a folder that does not exist": (  # found before the damaged chip and the missing model are
        lambda at: ("predict", at.damaged("text.jpg"), "-o", at.home / "no/o.csv", "--model", at.home),
        74,
        ("{home}/no/o.csv cannot be written",),
    ),
    "scores in a folder that does not exist": (
        lambda at: ("predict", at.few, "--scores", at.home / "no/s.csv", "--model", at.home),
        74,
        ("{home}/no/s.csv cannot be written",),
    ),
    "scores of an unknown format": (
        lambda at: at.predict("--scores", at.home / "scores.xlsx"),
        1,
        ("scores.xlsx", ".csv or .parquet"),
    ),
    "an output that is a chip": (lambda at: at.predict("-o", at.chip), 1, (LOST,)),
    "an output that leads to a chip": (lambda at: at.predict("-o", at.link("link.csv", at.chip)), 1, (LOST,)),
    "errors that would replace a chip": (
        lambda at: at.predict("--on-error", "fill", "--errors", at.chip),
        1,
        (LOST,),
    ),
    "two outputs in one file": (
        lambda at: at.predict("-o", at.home / "same.csv", "--scores", at.home / "same.csv"),
        1,
        (LOST,),
    ),
    "scores and tags on stdout": (words_of("--scores", "/dev/stdout"), 1, (LOST,)),
    "an output that is the sample submission": (
        lambda at: (
            "predict",
            at.world.test_jpg,
            "--model",
            at.model,
            "--like",
            at.world.sample,
            "-o",
            at.world.sample,
        ),
        1,
        ("is one of the inputs",),
    ),
    "a name in the sample submission without a chip": (
        lambda at: at.predict("--like", at.write("more.csv", "image_name,tags\ntest_1,clear\ntest_99,clear\n")),
        1,
        ("'test_99'",),
    ),
    "an unknown tag in labels to train on": (
        lambda at: ("train", at.world.train_jpg, at.misspelt(), "-o", at.home / "new", "--recipe", at.recipe),
        1,
        ("{home}/labels.csv", UNKNOWN_TAG),
    ),
    "an unknown tag in tags to evaluate": (
        lambda at: ("evaluate", at.misspelt(), at.world.labels),
        1,
        ("{home}/labels.csv", UNKNOWN_TAG),
    ),
}
REFUSALS |= {
    f"the chip {name}": (
        lambda at, name=name: ("predict", at.damaged(name), "--model", at.model),
        1,
        (f"{{few}}/{name}", reason),
    )
    for name, (_, reason) in DAMAGE.items()
}


@pytest.fixture
def place(few, world, model, recipe_file, tmp_path):
    return Place(few, world, model, recipe_file, tmp_path)


def as_parameter(refusal: str) -> object:
    """The refusal as a parameter; those that load no library belong to the inner loop."""
    return pytest.param(refusal, marks=() if REFUSALS[refusal][1] == 2 else pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [as_parameter(name) for name in REFUSALS])
def test_every_refusal_is_one_line_with_its_code_and_changes_no_file(refusal, place, run):
    if refusal == "a file that cannot be read" and not UNREADABLE.exists():
        pytest.skip(f"no {UNREADABLE} on this system")
    arguments, code, words = REFUSALS[refusal]
    line = arguments(place)
    before = contents(place.home), place.world.sample.read_bytes()

    done = run(*line, cwd=place.home, timeout=SECONDS)

    assert_refused(done, code, *(word.format(few=place.few, home=place.home) for word in words))
    assert (contents(place.home), place.world.sample.read_bytes()) == before


def contents(folder: Path) -> dict[Path, bytes]:
    """The bytes of every regular file."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.mark.slow
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
    loaded = bundle.load(model)
    constant = " ".join(labels.decode(loaded.space, loaded.common))
    assert constant
    assert sorted(filled.stdout.splitlines()) == sorted([*plain, f"bad,{constant}"])
    assert (few / "mine.jsonl").exists()


@pytest.mark.skipif(not UNREADABLE.exists(), reason=f"no {UNREADABLE} on this system")
def test_an_unreadable_chip_can_be_skipped_too(few, model, run):
    (few / "unreadable.jpg").symlink_to(UNREADABLE)
    done = run("predict", few, "--model", model, "--on-error", "skip", cwd=few)
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 4


def test_a_sample_submission_gives_its_rows_in_its_order(world, model, run):
    done = run("predict", world.test_jpg, "--model", model, "--like", world.sample)
    names = [row.split(",")[0] for row in world.sample.read_text().splitlines()]
    assert [row.split(",")[0] for row in done.stdout.splitlines()] == names


@pytest.mark.slow
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
    """A folder of so many chips that a run is still at work when it is interrupted."""
    folder = tmp_path / "many"
    folder.mkdir()
    source = listing.chips([world.test_jpg])[0]
    for number in range(MANY):
        (folder / f"chip_{number}.jpg").symlink_to(source)
    return folder


@contextmanager
def started(*command: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed, waited for and closed at the end of the block, whatever happens in it."""
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        preexec_fn=restore_signals,  # noqa: PLW1509  it takes no lock
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def restore_signals() -> None:
    """Signals as at a terminal: a test runner in the background ignores them, and its children inherit that."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def finish(process: subprocess.Popen[str], what: str) -> tuple[str, str]:
    """The rest of stdout and stderr of a process that must end by itself."""
    try:
        return process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pytest.fail(f"waited {SECONDS} s for {what} to end")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_code_and_leaves_the_rows_so_far(many, model, number, code):
    with started("-m", "amazon_tags", "predict", many, "--model", model) as process:
        assert process.stdout.readline() == "image_name,tags\n"
        process.send_signal(number)
        rows, errors = finish(process, f"a run that got {number.name}")
    assert process.returncode == code
    assert "Traceback" not in errors
    assert len(rows.splitlines()) < MANY


LOADING = """
import importlib.abc, sys, time
class Marker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{library}":
            print("loading {library}", flush=True)
            time.sleep({seconds})  # the signal comes within this import
sys.meta_path.insert(0, Marker())
from amazon_tags import cli
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "rasterio", "openvino"])
def test_ctrl_c_while_libraries_load_just_ends_the_process(few, model, library):
    script = LOADING.format(library=library, seconds=SECONDS)
    with started("-c", script, "predict", few, "--model", model) as process:
        assert process.stdout.readline() == f"loading {library}\n"
        process.send_signal(signal.SIGINT)
        rows, errors = finish(process, f"a run that got SIGINT while it loaded {library}")
    assert (process.returncode, rows, errors) == (-signal.SIGINT, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_the_old_file_and_no_litter(many, model, tmp_path, number):
    target = tmp_path / "tags.csv"
    target.write_text("old")
    with started("-m", "amazon_tags", "predict", many, "--model", model, "-o", target) as process:
        while not list(tmp_path.glob(".amazon_tags-*")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(number)
        finish(process, f"a run that got {number.name}")
    assert process.returncode == 128 + number
    assert target.read_text() == "old"
    assert not list(tmp_path.glob(".amazon_tags-*"))


@pytest.mark.slow
def test_a_reader_that_stops_reading_ends_the_run_in_silence(many, model):
    with started("-m", "amazon_tags", "predict", many, "--model", model) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait(timeout=SECONDS)
    assert process.returncode == 74


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported_in_one_line(few, model, run):
    with Path("/dev/full").open("w") as full:
        done = run("predict", few, "--model", model, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74
    assert (
        done.stderr.strip() == "Error: stdout cannot be written: no space left on device; make room and start it again."
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("evaluate", "TABLE", "TABLE"), "stdout"),
        (("check", "TABLE"), "stdout"),
        (("decide", "SCORES", "--decision", "DECISION"), "stdout"),
        (("decide", "SCORES", "--decision", "DECISION", "-o", "/dev/full"), "/dev/full"),
        (("check", "TABLE", "--repair", "/dev/full"), "/dev/full"),
    ],
)
def test_a_full_disk_names_the_file_or_stdout(world, model, run, words, name, buffered):
    paths = {"TABLE": world.labels, "SCORES": model.with_name("model.scores.csv"), "DECISION": model / "decision.json"}
    with Path("/dev/full").open("w") as full:
        words = [paths.get(word, word) for word in words]
        environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
        done = run(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE, env=environment)
    assert done.returncode == 74
    advice = "no space left on device; make room and start it again."
    assert done.stderr.splitlines()[-1] == f"Error: {name} cannot be written: {advice}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closed", "code", "rows", "message"), [(">&-", 74, 0, "stdout is closed"), ("2>&-", 0, 4, "")]
)
def test_closed_streams_are_no_place_for_rows(few, model, closed, code, rows, message):
    script = f'"{sys.executable}" -m amazon_tags predict "{few}" --model "{model}" {closed}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (done.returncode, len(done.stdout.splitlines())) == (code, rows)
    assert message in done.stderr


def test_a_command_that_needs_the_train_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(click.ClickException, match=r"needs keras.*pip install '\.\[train\]'"):
        need_train()


@pytest.mark.slow
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
