"""Options of the commands whose work can be divided and resumed: checkpoints, shards and clusters."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands.options import OUTPUT
from amazon_tags.errors import need_dask
from amazon_tags.prediction.shard import Shard, parse_shard

if TYPE_CHECKING:
    from amazon_tags.cluster import Cluster


def check_shard(_context: click.Context, _option: click.Parameter, value: str | None) -> Shard | None:
    """Return the shard that a text names, or raise a usage error."""
    try:
        return parse_shard(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def need_checkpoint(checkpoint: Path | None, option: str = "--shard") -> Path:
    """Return the checkpoint that an option needs, or raise a usage error if there is none."""
    if not checkpoint:
        raise click.UsageError(f"{option} needs --checkpoint: the folder that all machines write to.")
    return checkpoint


def read_cluster(
    engine: str, scheduler: str | None, *, insecure: bool, workers: int, shard: Shard | None = None
) -> "Cluster | None":
    """Return the cluster that the options name, or None; raise an error for options that do not go together.

    Raises:
        ValueError: the scheduler is on another machine and not reached by TLS.
    """
    if engine != "dask":
        if scheduler or insecure:
            raise click.UsageError("--scheduler and --insecure are for --engine dask.")
        return None
    if shard:
        raise click.UsageError("--engine dask divides the work by itself; leave out --shard.")
    need_dask()
    from amazon_tags.cluster import Cluster, refuse_open_scheduler

    cluster = Cluster(scheduler, insecure, workers)
    refuse_open_scheduler(cluster)
    return cluster


CHECKPOINT = click.option(
    "--checkpoint",
    "--journal",
    "checkpoint",
    type=OUTPUT,
    help="Keep finished scores in this folder, so that the same command resumes after an interruption.",
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["threads", "dask"]),
    default="threads",
    show_default=True,
    help="Compute in --jobs threads, or divide the work among the workers of a Dask cluster.",
)
INSECURE = click.option(
    "--insecure", is_flag=True, help="Allow a --scheduler on another machine that is not reached by TLS."
)
SCHEDULER = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="The address of a running Dask scheduler, such as tls://host:8786; without it, --jobs workers are started "
    "here.",
)
SHARD = click.option(
    "--shard",
    callback=check_shard,
    metavar="I/N",
    help="Score only the I-th of N shares of the chips or windows, into --checkpoint, where other machines score the "
    "others. auto and auto/N take I from a variable of SLURM, Kubernetes or AWS Batch.",
)
