"""`amazon_tags schedule`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit


@click.command("schedule")
@click.argument("config", type=options.FILE)
@click.option("--systemd", "kind", flag_value="systemd", help="Print a systemd service and its timer.")
@click.option("--cron", "kind", flag_value="cron", help="Print a crontab line.")
@click.option("--k8s", "kind", flag_value="k8s", help="Print a Kubernetes CronJob.")
@click.option("--at", default="03:00", show_default=True, metavar="HH:MM", help="The time of day of the run.")
def schedule_command(config: Path, kind: str | None, at: str) -> None:
    """Print a unit that runs amazon_tags retrain CONFIG every day.

    Example: amazon_tags schedule job.toml --cron
    """
    from amazon_tags.retraining.schedule import KINDS, schedule_unit

    if kind is None:
        raise click.UsageError(f"no scheduler was named; add --{' or --'.join(KINDS)}.")
    emit(schedule_unit(config, kind, at=at))
