"""The command line: parse, one call, echo. Heavy imports stand in the commands, so that `--help` is instant."""

import errno
import io
import json
import os
import signal
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

FAILURE, SKIPPED, REFUSED, IO_ERROR, LOCKED = 1, 3, 4, 74, 75
FAILURES = (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError)  # OpenVINO raises RuntimeError for all


def _space(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if value.endswith(".toml") and not Path(value).is_file():
        raise click.BadParameter(f"file {value!r} does not exist.")
    return value


def _weights(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if value not in ("imagenet", "none") and not Path(value).is_file():
        raise click.BadParameter(f"{value!r} is neither imagenet nor none nor a file that exists.")
    return value


CHIPS = click.argument("chips", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Threads.",
)
VIEWS = click.option(
    "--views", type=click.IntRange(1, 8), default=1, show_default=True, help="Dihedral views of a chip to average."
)
LABELS = click.option(
    "--labels",
    "space",
    default="planet",
    show_default=True,
    callback=_space,
    help="planet, table (whatever labels the table holds) or a TOML file.",
)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUT = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="amazon-tags", prog_name="amazon_tags")
def root() -> None:
    """Tags for satellite chips of the Amazon.

    Exit codes: 0 done, 1 failure, 2 usage, 3 done but some inputs were skipped, 4 bundle refused, 74 input/output
    error, 75 another run holds the lock, 130 and 143 stopped by a signal.
    """


@root.command()
@CHIPS
@click.option("--model", type=FOLDER, help="A bundle; without it the one inside the package.")
@click.option("-o", "--output", type=OUT, help="Write the tags here instead of to stdout.")
@click.option("--scores", "score_table", type=OUT, help="Also write the scores, as .csv or .parquet.")
@click.option("--like", type=FILE, help="A sample submission: write exactly its rows, in its order.")
@VIEWS
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip", "fill"]),
    default="fail",
    show_default=True,
    help="What becomes of a chip that cannot be used; skip and fill name it in errors.jsonl.",
)
@click.option("--errors", type=OUT, default=Path("errors.jsonl"), show_default=True, help="Where skip and fill report.")
@JOBS
def predict(
    chips: tuple[Path, ...],
    model: Path | None,
    output: Path | None,
    score_table: Path | None,
    like: Path | None,
    views: int,
    on_error: str,
    errors: Path,
    jobs: int,
) -> None:
    """Tag CHIPS (a folder, or files): one row of image_name,tags a chip, on stdout.

    Example: amazon_tags predict chips/ > submission.csv
    """
    from amazon_tags import bundle, predict, submission

    _catch_signals()
    places = submission.Places(output, score_table, errors if on_error != "fail" else None)
    if like and on_error == "skip":
        raise click.UsageError("--like promises a row for each of its names; use --on-error fill instead of skip.")
    places.refuse()
    paths = predict.find(chips, like)
    places.refuse([*paths, *filter(None, [like])])
    loaded = bundle.load(model or bundle.DEFAULT, jobs=jobs)
    tagged = predict.run(paths, loaded, views=views, on_error=on_error, jobs=jobs)
    bad = submission.write(tagged, loaded.space, places, total=len(paths))
    if bad:
        verb = "skipped" if on_error == "skip" else "filled"
        click.echo(f"{bad} of {len(paths)} chips could not be used and were {verb}; see {errors}.", err=True)
        sys.exit(SKIPPED)


@root.command()
@CHIPS
@click.option("--backbone", required=True, help="A name of the table in features/backbones.py, such as mobilenet_v2.")
@click.option("-o", "--output", required=True, type=OUT, help="The feature bank to write, a folder.")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    callback=_weights,
    help="imagenet, none or a .weights.h5 file.",
)
@click.option("--cut", default="top", show_default=True, help="Where to end the backbone: top or a layer's name.")
@click.option(
    "--side", type=click.IntRange(0, 1024), default=0, help="Pixels of the network's input; 0: the backbone's."
)
@VIEWS
@JOBS
def embed(
    chips: tuple[Path, ...],
    backbone: str,
    output: Path,
    weights: str,
    cut: str,
    side: int,
    views: int,
    jobs: int,
) -> None:
    """Write the vectors of CHIPS by a frozen backbone to a feature bank.

    Example: amazon_tags embed chips/ --backbone mobilenet_v2 -o bank
    """
    _need_train()
    from amazon_tags import embed

    _catch_signals()
    trunk = embed.Trunk(backbone, cut, weights, side)
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        done = embed.run(chips, output, trunk, views=views, jobs=jobs)
    click.echo(f"{output}: {done}", err=True)


@root.command()
@click.argument("chips", type=FOLDER)
@click.argument("table", metavar="LABELS", type=FILE)
@click.option("-o", "--output", required=True, type=OUT, help="The bundle to write, a folder.")
@click.option("--recipe", "plan", default="default", show_default=True, help="A TOML file, or default or frozen.")
@click.option(
    "--weights",
    multiple=True,
    metavar="BACKBONE=FILE",
    help="Start a backbone from a file instead of ImageNet's cache.",
)
@click.option("--skip-missing", is_flag=True, help="Leave out labelled chips that are missing from CHIPS.")
@click.option("--note", default="", help="What the card shall say of the data: where it is from, on which terms.")
@LABELS
@VIEWS
@JOBS
def train(
    chips: Path,
    table: Path,
    output: Path,
    plan: str,
    weights: tuple[str, ...],
    skip_missing: bool,
    note: str,
    space: str,
    views: int,
    jobs: int,
) -> None:
    """Train a model on CHIPS and their LABELS (image_name,tags); out-of-fold scores go beside the bundle.

    A run that was stopped goes on where it was when it is started again.

    Example: amazon_tags train train-jpg/ train_v2.csv -o model
    """
    _need_train()
    from amazon_tags import recipe, train

    _catch_signals()
    given = dict(_pair(text) for text in weights)
    source = train.Source(chips, table, space, skip_missing, note)
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        train.run(source, output, plan=recipe.choose(plan), weights=given, views=views, jobs=jobs)


@root.command()
@click.argument("predicted", type=FILE)
@click.argument("table", metavar="LABELS", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@LABELS
def evaluate(predicted: Path, table: Path, as_json: bool, space: str) -> None:
    """Measure PREDICTED tags against LABELS: F2, every label, intervals.

    Example: amazon_tags evaluate submission.csv labels.csv
    """
    from amazon_tags import evaluate

    measured = evaluate.run(predicted, table, space=space)
    _print(json.dumps(measured, indent=2) + "\n" if as_json else evaluate.text(measured))


@root.group()
def bundle() -> None:
    """Look at a model folder.

    Example: amazon_tags bundle verify model
    """


@bundle.command()
@click.argument("folder", metavar="[BUNDLE]", required=False, type=FOLDER)
def verify(folder: Path | None) -> None:
    """Check every file of BUNDLE (default: the one inside the package) and its golden scores.

    Example: amazon_tags bundle verify model
    """
    from amazon_tags import bundle

    place = folder or bundle.DEFAULT
    _print(f"{place}: {bundle.verify(place)} files as the manifest says, golden scores reproduced\n")


@bundle.command()
@click.argument("folder", metavar="[BUNDLE]", required=False, type=FOLDER)
def show(folder: Path | None) -> None:
    """Print the card of BUNDLE (default: the one inside the package).

    Example: amazon_tags bundle show model
    """
    from amazon_tags import bundle

    _print(bundle.card(folder or bundle.DEFAULT))


@root.command()
@click.argument("folder", type=OUT)
@click.option("-n", "count", type=click.IntRange(1, 1_000_000), default=12, show_default=True, help="How many chips.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same chips.")
def sample(folder: Path, count: int, seed: int) -> None:
    """Render chips for trying things out into FOLDER, with labels.csv; they are no satellite images and say so.

    Example: amazon_tags sample chips/
    """
    from amazon_tags import sample

    _catch_signals()
    sample.write(folder, count, seed=seed)
    click.echo(f"{folder}: {count} rendered chips and labels.csv", err=True)


def _need_train() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("keras", "albumentations") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"this command needs {missing[0]}, which the base install leaves out; run: pip install 'amazon-tags[train]'"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length


def _print(text: str) -> None:
    """A result on stdout; click would drop it where the shell has closed that."""
    if not sys.stdout:
        raise OSError(errno.EBADF, "stdout is closed; open it")
    sys.stdout.write(text)


def _pair(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not sign or not Path(path).is_file():
        raise click.BadParameter(f"{text!r} must be BACKBONE=FILE with a file that exists", param_hint="--weights")
    return name, Path(path)


def _catch_signals() -> None:
    """From here on a signal unwinds what was begun; before, while libraries load, it just ends the process."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; whatever a user can cause ends in one line on stderr and the documented exit code."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the same bytes in every locale
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    # Not root.main(): that would answer a closed pipe by itself.
    try:
        with root.make_context("amazon_tags", arguments) as context:
            root.invoke(context)
        if sys.stdout:  # None where the shell closed it
            sys.stdout.flush()
    except (click.exceptions.Exit, click.ClickException) as ended:
        if isinstance(ended, click.ClickException):
            ended.show()
        return ended.exit_code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the impatient press it again
        return _say("Stopped.", 128 + signal.SIGINT)
    except BrokenPipeError:  # whoever read our rows has seen enough
        if sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would fail aloud
        return IO_ERROR
    except FAILURES as error:
        return _say(f"Error: {str(error) or 'out of memory; use fewer --jobs'}", _code(error))
    return 0


def _code(error: Exception) -> int:
    if type(error).__name__ == "BundleError":  # by name: the class comes with all that a bundle needs
        return REFUSED
    if isinstance(error, BlockingIOError):
        return LOCKED
    from_system = isinstance(error, OSError) and error.errno is not None  # those that we raise ourselves have no number
    return IO_ERROR if from_system else FAILURE


def _say(text: str, code: int) -> int:
    click.echo(" ".join(text.split()), err=True)
    return code
