"""The commands that look after models: bundles, the registry, retraining. As in `cli`, imports are late."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags import options, process


@click.command()
@click.argument("config", type=options.FILE)
def retrain(config: Path) -> None:
    """Train anew if labels or chips are new, and promote what is not worse than the current model.

    CONFIG is a TOML file. Prints one line of JSON. Ends with 0 if a model was promoted or nothing is new, with 20 if
    the data or the candidate was rejected; the current model then stays.

    Example: amazon_tags retrain job.toml
    """
    process.need_train()
    from amazon_tags import retrain

    process.catch_signals()
    process.emit("")  # where stdout is closed, that is said before the work
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        result = retrain.run(config)
    process.emit(json.dumps(result) + "\n")
    if result["outcome"] == "rejected":
        sys.exit(process.REJECTED)


@click.group()
def bundle() -> None:
    """Look at a model folder.

    Example: amazon_tags bundle verify model
    """


@bundle.command()
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
def verify(folder: Path | None) -> None:
    """Check every file of BUNDLE (default: the one inside the package) and its golden scores.

    Example: amazon_tags bundle verify model
    """
    from amazon_tags import bundle

    place = folder or bundle.DEFAULT
    process.emit(f"{place}: {bundle.verify(place)} files as the manifest says, golden scores reproduced\n")


@bundle.command("show")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
def show_card(folder: Path | None) -> None:
    """Print the card of BUNDLE (default: the one inside the package).

    Example: amazon_tags bundle show model
    """
    from amazon_tags import bundle

    process.emit(bundle.card(folder or bundle.DEFAULT))


@click.command()
@click.argument("log", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--stability", type=float, default=0.25, show_default=True, help="Most stability index of a tag's rate.")
@click.option("--colours", type=float, default=1.0, show_default=True, help="Most spreads a band's mean may move.")
@click.option("--discrepancy", type=float, default=0.3, show_default=True, help="Most mean discrepancy of the chips.")
def drift(log: Path, as_json: bool, stability: float, colours: float, discrepancy: float) -> None:
    """Say what of the last run in LOG, of amazon_tags predict --monitor LOG, moved away from the training chips.

    Ends with exit code 10 if anything moved past its limit.

    Example: amazon_tags drift monitor.jsonl
    """
    from amazon_tags import drift

    limits = drift.Limits(stability, colours, discrepancy)
    told = drift.run(log, limits)
    process.emit(json.dumps(told, indent=2) + "\n" if as_json else drift.text(log, told, limits))
    if told["moved"]:
        sys.exit(process.DRIFTED)


@click.command()
@click.argument("config", type=options.FILE)
@click.option("--systemd", "kind", flag_value="systemd", help="A service and its timer.")
@click.option("--cron", "kind", flag_value="cron", help="A line of a crontab.")
@click.option("--k8s", "kind", flag_value="k8s", help="A CronJob of Kubernetes.")
@click.option("--at", default="03:00", show_default=True, metavar="HH:MM", help="When, every day.")
def schedule(config: Path, kind: str | None, at: str) -> None:
    """Print a unit that runs amazon_tags retrain CONFIG every day.

    Example: amazon_tags schedule job.toml --cron
    """
    from amazon_tags import schedule

    if kind is None:
        raise click.UsageError(f"name what runs it: --{', --'.join(schedule.KINDS)}.")
    process.emit(schedule.unit(config, kind, at=at))


@click.group()
def models() -> None:
    """Look at a registry of models, and move its pointers.

    Example: amazon_tags models list models/
    """


@models.command("list")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(folder: Path, as_json: bool) -> None:
    """List the models of REGISTRY, the oldest first, and the moves of its pointers.

    Example: amazon_tags models list models/
    """
    from amazon_tags import registry

    listed = registry.listed(folder)
    process.emit(json.dumps(listed, indent=2) + "\n" if as_json else registry.text(listed))


@models.command()
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.argument("name", required=False)
def show(folder: Path, name: str | None) -> None:
    """Print the card of the model NAME of REGISTRY, or of its current one.

    Example: amazon_tags models show models/
    """
    from amazon_tags import bundle, registry

    if name:
        process.emit(bundle.card(registry.find(folder, name)))
        return
    with registry.held(folder) as current:
        process.emit(bundle.card(current))


@models.command()
@click.argument("folder", metavar="REGISTRY", type=options.OUT)
@click.argument("model", metavar="NAME|BUNDLE")
@click.option("--why", default="by hand", show_default=True, help="What the log shall say.")
def promote(folder: Path, model: str, why: str) -> None:
    """Make a model the current one of REGISTRY: one that it has, by its name, or a BUNDLE, which is copied in.

    Nothing is compared: amazon_tags retrain does that.

    Example: amazon_tags models promote models/ model
    """
    from amazon_tags import registry

    process.catch_signals()
    name = model if registry.NAME.fullmatch(model) else registry.add(folder, Path(model))
    after = registry.promote(folder, name, why=why)
    process.emit(f"{after.current} is current; {after.previous or 'none'} was\n")


@models.command()
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.option("--why", default="by hand", show_default=True, help="What the log shall say.")
def rollback(folder: Path, why: str) -> None:
    """Exchange the current and the previous model of REGISTRY.

    Example: amazon_tags models rollback models/
    """
    from amazon_tags import registry

    process.catch_signals()
    after = registry.rollback(folder, why=why)
    process.emit(f"{after.current} is current; {after.previous} was\n")
