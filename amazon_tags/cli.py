"""The command line: parse, one call, echo. Heavy imports stand in the commands, so that `--help` is instant."""

import json
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import click

from amazon_tags import options, process, survey, upkeep


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="amazon-tags", prog_name="amazon_tags")
def root() -> None:
    """Tags for satellite chips of the Amazon.

    Exit codes: 0 done, 1 failure, 2 usage, 3 done but some inputs were skipped, 4 bundle refused, 10 drift past its
    limits, 20 a candidate model or its data were rejected, 74 input/output error, 75 another run holds the lock, 130
    and 143 stopped by a signal.
    """


root.add_command(survey.leaks)
root.add_command(survey.pairs)
root.add_command(survey.sample)
root.add_command(upkeep.bundle)
root.add_command(upkeep.drift)
root.add_command(upkeep.models)
root.add_command(upkeep.retrain)
root.add_command(upkeep.schedule)


@root.command()
@options.CHIPS
@click.option("--model", type=options.FOLDER, help="A bundle, or a registry; without it the bundle in the package.")
@click.option("-o", "--output", type=options.OUT, help="Write the tags here instead of to stdout.")
@click.option("--scores", "score_table", type=options.OUT, help="Also write the scores, as .csv or .parquet.")
@click.option("--like", type=options.FILE, help="A sample submission: write exactly its rows, in its order.")
@options.VIEWS
@click.option(
    "--precision",
    type=click.Choice(["auto", "f32", "bf16", "int8"]),
    default="auto",
    show_default=True,
    help="What to compute in; auto: the fastest that costs at most 0.001 of F2, by the bundle's own measure.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto: on a GPU if there is one and the gpu extra.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip", "fill"]),
    default="fail",
    show_default=True,
    help="What becomes of a chip that cannot be used; skip and fill name it in errors.jsonl.",
)
@click.option(
    "--errors", type=options.OUT, default=Path("errors.jsonl"), show_default=True, help="Where skip and fill report."
)
@click.option(
    "--journal",
    "journal_folder",
    type=options.OUT,
    help="Keep what is done in this folder: the same command goes on from it after a kill.",
)
@click.option(
    "--monitor", "log", type=options.OUT, help="Append a line to this log: what was seen, against the training chips."
)
@options.JOBS
def predict(
    chips: tuple[Path, ...],
    model: Path | None,
    output: Path | None,
    score_table: Path | None,
    like: Path | None,
    views: int,
    precision: str,
    device: str,
    on_error: str,
    errors: Path,
    journal_folder: Path | None,
    log: Path | None,
    jobs: int,
) -> None:
    """Tag CHIPS (a folder, files, a zip or tar): one row of image_name,tags a chip, on stdout.

    Example: amazon_tags predict chips/ > submission.csv
    """
    from amazon_tags import bundle, heldout, journal, monitor, predict, registry, submission

    process.catch_signals()
    places = submission.Places(output, score_table, errors if on_error != "fail" else None, log)
    if like and on_error == "skip":
        raise click.UsageError("--like promises a row for each of its names; use --on-error fill instead of skip.")
    paths = predict.find(chips, like)
    places.refuse(paths.files(), [like] if like else [])
    with registry.held(model or bundle.DEFAULT) as folder:
        loaded = bundle.load(folder, jobs=jobs, precision=precision, device=device)
        tag = partial(journal.run, journal_folder) if journal_folder else predict.run
        tagged = tag(paths, loaded, views=views, on_error=on_error, jobs=jobs)
        if log:
            training, seen = heldout.known(folder), monitor.Seen()
            tagged = monitor.watch(tagged, seen)
        bad = submission.write(tagged, loaded.space, places, total=len(paths))
        if log:
            monitor.append(log, monitor.entry(seen, loaded, training))
    if bad:
        verb = "skipped" if on_error == "skip" else "filled"
        click.echo(f"{bad} of {len(paths)} chips could not be used and were {verb}; see {errors}.", err=True)
        sys.exit(process.SKIPPED)


@root.command()
@options.CHIPS
@click.option("--backbone", required=True, help="A name of the table in features/backbones.py, such as mobilenet_v2.")
@click.option("-o", "--output", required=True, type=options.OUT, help="The feature bank to write, a folder.")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    callback=options.weights,
    help="imagenet, none or a .weights.h5 file.",
)
@click.option("--cut", default="top", show_default=True, help="Where to end the backbone: top or a layer's name.")
@click.option(
    "--side", type=click.IntRange(0, 1024), default=0, help="Pixels of the network's input; 0: the backbone's."
)
@options.VIEWS
@options.JOBS
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
    process.need_train()
    from amazon_tags import embed

    process.catch_signals()
    trunk = embed.Trunk(backbone, cut, weights, side)
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        done = embed.run(chips, output, trunk, views=views, jobs=jobs)
    click.echo(f"{output}: {done}", err=True)


@root.command()
@click.argument("chips", type=options.FOLDER)
@click.argument("table", metavar="LABELS", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.OUT, help="The bundle to write, a folder.")
@click.option(
    "--recipe",
    "plan",
    default="default",
    show_default=True,
    help="A TOML file, or default, distilled, ensemble, frozen, hyperrule or quick.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="BACKBONE=FILE",
    help="Start a backbone from a file instead of ImageNet's cache.",
)
@click.option("--skip-missing", is_flag=True, help="Leave out labelled chips that are missing from CHIPS.")
@click.option(
    "--unlabelled",
    multiple=True,
    type=options.FOLDER,
    help="Chips without labels, for members of the recipe that have teachers.",
)
@options.GROUPS
@click.option("--note", default="", help="What the card shall say of the data: where it is from, on which terms.")
@options.LABELS
@options.VIEWS
@options.JOBS
def train(
    chips: Path,
    table: Path,
    output: Path,
    plan: str,
    weights: tuple[str, ...],
    skip_missing: bool,
    unlabelled: tuple[Path, ...],
    groups: Path | None,
    note: str,
    space: str,
    views: int,
    jobs: int,
) -> None:
    """Train a model on CHIPS and their LABELS (image_name,tags); out-of-fold scores go beside the bundle.

    A run that was stopped goes on where it was when it is started again.

    Example: amazon_tags train train-jpg/ train_v2.csv -o model
    """
    process.need_train()
    from amazon_tags import labelled, recipe, train

    process.catch_signals()
    given = dict(options.pair(text) for text in weights)
    source = labelled.Source(chips, table, space, skip_missing, note, unlabelled, groups)
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        train.run(source, output, plan=recipe.choose(plan), means=train.Means(given, views, jobs))


@root.command()
@click.argument("predicted", type=options.FILE)
@click.argument("table", metavar="LABELS", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.LABELS
def evaluate(predicted: Path, table: Path, as_json: bool, space: str) -> None:
    """Measure PREDICTED tags against LABELS: F2, every label, intervals.

    Example: amazon_tags evaluate submission.csv labels.csv
    """
    from amazon_tags import evaluate

    measured = evaluate.run(predicted, table, space=space)
    process.emit(json.dumps(measured, indent=2) + "\n" if as_json else evaluate.text(measured))


@root.command()
@click.argument("scores", type=options.FILE)
@click.argument("truth", metavar="LABELS", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.OUT, help="The decision to write, as JSON.")
@click.option("--beta", type=click.FloatRange(0.01, 100), default=2, show_default=True, help="The beta of F-beta.")
@click.option(
    "--recall", "recalls", multiple=True, metavar="LABEL>=RECALL", help="A recall to reach, such as road>=0.8."
)
@options.GROUPS
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--html", "page_path", type=options.OUT, help="Also write the report as a page with curves.")
@options.LABELS
def tune(
    scores: Path,
    truth: Path,
    output: Path,
    beta: float,
    recalls: tuple[str, ...],
    groups: Path | None,
    as_json: bool,
    page_path: Path | None,
    space: str,
) -> None:
    """Choose how SCORES become tags by the truth in LABELS; says what that is worth on held-out chips.

    SCORES are CSV or Parquet, a column a label, of chips that the network had not seen.

    Example: amazon_tags tune scores.csv labels.csv -o decision.json
    """
    from amazon_tags import decision, files, page, tune

    process.catch_signals()
    files.refuse_outputs([path for path in (output, page_path) if path], [scores, truth])
    request = tune.Request(beta, dict(options.floor(entry) for entry in recalls), groups)
    outcome = tune.run(scores, truth, space=space, request=request)
    decision.write(output, outcome.space, outcome.tuned.decision)
    if page_path:
        files.write_text(page_path, page.render(outcome.space, outcome.problem, outcome.tuned, outcome.report))
    process.emit(json.dumps(outcome.report, indent=2) + "\n" if as_json else tune.text(outcome.report))


@root.command()
@click.argument("scores", type=options.FILE)
@click.option(
    "--decision", "made", required=True, type=options.FILE, help="What amazon_tags tune wrote, or a bundle's."
)
@click.option("-o", "--output", type=options.OUT, help="Write the tags here instead of to stdout.")
def decide(scores: Path, made: Path, output: Path | None) -> None:
    """Turn a table of SCORES (CSV or Parquet) into tags, without chips or a model.

    Example: amazon_tags decide scores.csv --decision decision.json > submission.csv
    """
    from amazon_tags import decide, submission

    process.catch_signals()
    places = submission.Places(output)
    places.refuse([scores, made])
    space, tagged = decide.run(scores, made)
    submission.write(tagged, space, places)


@root.command()
@click.argument("table", type=options.FILE)
@click.option("--like", type=options.FILE, help="A sample submission; the table must have its rows, all and no others.")
@click.option("--repair", type=options.OUT, help="Write a mended copy here.")
@options.LABELS
def check(table: Path, like: Path | None, repair: Path | None, space: str) -> None:
    """Hold a TABLE of labels, or a submission, against the label space's rules.

    Ends with exit code 1 if anything is wrong, and says how often and where first.

    Example: amazon_tags check submission.csv --like sample_submission_v2.csv
    """
    from amazon_tags import check, files, labels

    process.catch_signals()
    if repair:
        files.refuse_outputs([repair], [table, *filter(None, [like])])
    findings = check.run(table, labels.choose(space, table), like=like, repaired=repair)
    process.emit(check.text(table, findings, repaired=repair))
    if findings and not repair:
        sys.exit(process.FAILURE)


def main() -> None:
    """Run the command line; whatever a user can cause ends in one line on stderr and the documented exit code."""
    process.main(root)
