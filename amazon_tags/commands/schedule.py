"""`amazon_tags schedule`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amazon_tags.commands import options
from amazon_tags.commands.map import map_command
from amazon_tags.commands.merge import merge_command
from amazon_tags.commands.predict import predict_command
from amazon_tags.errors import emit

if TYPE_CHECKING:
    from amazon_tags.prediction.array_job import ArrayJob


@click.command("schedule")
@click.argument("words", nargs=-1, required=True, metavar="CONFIG | -- COMMAND...")
@click.option("--systemd", "kind", flag_value="systemd", help="Print a systemd service and its timer.")
@click.option("--cron", "kind", flag_value="cron", help="Print a crontab line.")
@click.option(
    "--k8s", "kind", flag_value="k8s", help="Print a Kubernetes CronJob; with --array, indexed and merging Jobs."
)
@click.option(
    "--slurm", "kind", flag_value="slurm", help="With --array: print a script that submits the array to SLURM."
)
@click.option("--at", default="03:00", show_default=True, metavar="HH:MM", help="The time of day of the run.")
@click.option(
    "--array",
    "tasks",
    type=click.IntRange(min=1),
    metavar="N",
    help="Divide COMMAND, a predict or map with a --checkpoint, into N shards and a step that merges them.",
)
def schedule_command(words: tuple[str, ...], kind: str | None, at: str, tasks: int | None) -> None:
    """Print a unit that runs amazon_tags retrain CONFIG every day, or COMMAND once, as an array of shards.

    Example: amazon_tags schedule job.toml --cron

    Example: amazon_tags schedule --array 32 --slurm -- predict chips/ --checkpoint run --precision f32 -o tags.csv
    """
    from amazon_tags.prediction.array_job import UNITS, array_unit
    from amazon_tags.retraining.schedule import KINDS, schedule_unit

    kinds = tuple(UNITS) if tasks else KINDS
    if kind not in kinds:
        what = "an array" if tasks else "a job that is run every day"
        problem = f"--{kind} is no scheduler of {what}" if kind else "no scheduler was named"
        raise click.UsageError(f"{problem}; add --{' or --'.join(kinds)}.")
    if tasks:
        emit(array_unit(_array_job(words), kind, tasks=tasks, home=Path.cwd()))
        return
    config = [Path(options.FILE.convert(word, None, None)) for word in words]
    if len(config) > 1:
        raise click.UsageError(f"expected one CONFIG, but there are {len(config)}; a COMMAND needs --array.")
    emit(schedule_unit(config[0], kind, at=at))


def _array_job(words: Sequence[str]) -> "ArrayJob":
    """Return the commands of the shards and of the merge for a command line, or raise its usage error."""
    from amazon_tags.prediction.array_job import ArrayJob

    command = {"predict": predict_command, "map": map_command}.get(words[0])
    if command is None:
        raise click.UsageError(f"{words[0]} cannot be divided into shards; expected predict or map and its options.")
    context = command.make_context(f"amazon_tags {words[0]}", list(words[1:]))
    values = context.params
    if not values["checkpoint"]:
        raise click.UsageError("the command needs --checkpoint: the folder that all shards write to.")
    if values["shard"] or values.get("vectors"):
        raise click.UsageError("leave out --shard and --vectors; the array numbers its shards, which are of chips.")

    inputs = [Path(path) for name in ("chips", "scenes") for path in values.get(name, ())]
    paths = [*inputs, *(value for value in values.values() if isinstance(value, Path))]
    if command is map_command:
        return ArrayJob(words, words, paths)  # without a shard it reads the scores of all, and writes the map
    outputs = {"output", "scores", "log"}
    merged = {option.name for option in merge_command.params if isinstance(option, click.Option)} & values.keys()
    merge = ["merge", str(values["checkpoint"]), *_options(command, context, merged)]
    if values["on_error"] == "fail":  # without a chip that could not be used, both others do the same
        merge = [*merge, *(["--on-error", "fill"] if values["like"] else [])]
    names = values.keys() - outputs - {"chips"}
    return ArrayJob(["predict", *map(str, inputs), *_options(command, context, names)], merge, paths)


def _options(command: click.Command, context: click.Context, names: set[str]) -> list[str]:
    """Return the words of the options of these names that the command line has."""
    words: list[str] = []
    for option in command.params:
        if not isinstance(option, click.Option) or option.name not in names:
            continue
        value: Any = context.params[option.name]
        if context.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE:
            words += [max(option.opts, key=len), ",".join(value) if isinstance(value, tuple) else str(value)]
    return words
