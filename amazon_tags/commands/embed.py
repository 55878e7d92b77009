"""`amazon_tags embed`."""

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import click

from amazon_tags.commands import backbone_options, options, shard_options
from amazon_tags.errors import need_train
from amazon_tags.prediction.shard import Shard
from amazon_tags.signals import catch_signals
from ensemble.networks.settings import POOLS


@click.command("embed")
@options.CHIPS
@click.option(
    "--backbone",
    required=True,
    help="A name from the table in features/README.md, such as mobilenet_v2, a folder that pretrain wrote, an .onnx or "
    ".xml (OpenVINO) file with a TOML file beside it, or hub:PRESET (KerasHub).",
)
@backbone_options.DOWNLOAD
@click.option(
    "-o",
    "--output",
    type=options.OUTPUT,
    help="The folder of the feature bank to write, or a .parquet file; without it, --shard is needed.",
)
@backbone_options.WEIGHTS
@click.option(
    "--layer",
    "--cut",
    default="top",
    show_default=True,
    help="The layer whose output becomes the vectors: top, or a layer's name.",
)
@click.option(
    "--side",
    type=click.IntRange(0, 1024),
    default=0,
    show_default=True,
    help="Side of the network's input in pixels; 0 is the backbone's own side.",
)
@click.option(
    "--pool",
    type=click.Choice(POOLS),
    default="average",
    show_default=True,
    help="How feature maps or tokens become a vector; class and patches are for backbones with a class token.",
)
@click.option("--half", is_flag=True, help="Write float16 instead of float32, into a .parquet file only.")
@backbone_options.BANDS
@options.LEVELS
@options.ON_ERROR
@options.ERRORS
@options.VIEWS
@click.option("--checkpoint", type=options.OUTPUT, help="The folder in which shards are kept.")
@shard_options.SHARD
@shard_options.ENGINE
@shard_options.SCHEDULER
@shard_options.INSECURE
@options.JOBS
@click.option(
    "--anomaly",
    type=options.FILE,
    metavar="KNOWN",
    help="Write beside each vector how far it lies from those of KNOWN: a .parquet file of known chips, which embed "
    "wrote with the same options.",
)
@click.option(
    "--reconstruction",
    is_flag=True,
    help="Write beside each vector how badly hidden parts of the chip follow from the visible ones, by a folder that "
    "pretrain --method fcmae wrote; with --anomaly such a folder needs no --reconstruction.",
)
@click.option("--html", "page", type=options.OUTPUT, help="Show the chips that lie farthest from KNOWN on this page.")
def embed_command(
    chips: tuple[Path, ...],
    backbone: str,
    download: bool,
    output: Path | None,
    weights: str,
    layer: str,
    side: int,
    pool: str,
    half: bool,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    views: int,
    checkpoint: Path | None,
    shard: Shard | None,
    engine: str,
    scheduler: str | None,
    insecure: bool,
    jobs: int,
    anomaly: Path | None,
    reconstruction: bool,
    page: Path | None,
) -> None:
    """Compute vectors of CHIPS with a frozen backbone and write them to a feature bank or a Parquet file.

    Does nothing if the bank exists and belongs to the same chips, weights, layer, pool and views. A Parquet file, which
    train and predict --vectors read, is replaced.

    With --anomaly, the columns anomaly and anomaly_percentile say how far each chip lies from known chips: the distance
    to the 10th nearest, and the share of the known chips that lie nearer to each other (0.99: farther than 99 %).

    With a folder by pretrain --method fcmae, the column reconstruction_error is the mean squared error of the patches
    of a chip that the network fills in, each normalised: about 0 is foreseeable, 1 is no better than flat patches. The
    column reconstruction_percentile compares it with KNOWN, if this was written with --reconstruction.

    Example: amazon_tags embed chips/ --backbone mobilenet_v2 -o vectors.parquet

    Example: amazon_tags embed new/ --backbone mobilenet_v2 --anomaly vectors.parquet --html far.html -o new.parquet
    """
    from features.networks.foreign_settings import is_foreign

    cluster = shard_options.read_cluster(engine, scheduler, insecure=insecure, workers=jobs, shard=shard)
    _check_output(output, checkpoint, "--shard" if shard else "--engine dask" if cluster else None, on_error)
    _check_scores(anomaly, page, reconstruction=reconstruction, divided=bool(shard or cluster))
    if not is_foreign(backbone):
        need_train()
    from amazon_tags.training.embed import EmbedFiles, FeatureExtractor, embed
    from amazon_tags.training.hub_presets import download_preset
    from features.images.layout import Layout

    catch_signals()
    if download:
        download_preset(backbone)
    extractor = FeatureExtractor(backbone, layer, weights, side, Layout(bands, levels), pool, half).resolve()
    extractor = replace(extractor, reconstruction=reconstruction)
    if shard and checkpoint:
        from amazon_tags.training.vector_shards import embed_shard

        with redirect_stdout(sys.stderr):
            done = embed_shard(chips, checkpoint, shard, extractor, views=views, jobs=jobs)
        click.echo(f"{checkpoint}: {done}", err=True)
        return
    if cluster and checkpoint and output:
        from amazon_tags.training.dask_embed import embed_on_cluster

        summary = embed_on_cluster(chips, output, checkpoint, cluster, extractor, views=views)
        click.echo(f"{output}: {summary.text}", err=True)
        return
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        files = EmbedFiles(errors if on_error == "skip" else None, anomaly, page)
        summary = embed(chips, output or Path(), extractor, views=views, jobs=jobs, files=files)
    click.echo(f"{output}: {summary.text}", err=True)
    options.exit_after(summary.unusable, summary.chips, "skipped", errors)


def _check_scores(anomaly: Path | None, page: Path | None, *, reconstruction: bool, divided: bool) -> None:
    """Raise a usage error for options that do not go with `--anomaly` or `--reconstruction`, or need it."""
    if reconstruction and divided:
        raise click.UsageError("--reconstruction is computed in one run; leave out --shard and --engine dask.")
    if anomaly and divided:
        raise click.UsageError("--anomaly compares chips in one run; leave out --shard and --engine dask.")
    if page and not anomaly:
        raise click.UsageError("--html shows the chips by --anomaly; name the known chips with it, or leave it out.")


def _check_output(output: Path | None, checkpoint: Path | None, divided_by: str | None, on_error: str) -> None:
    """Raise a usage error unless an output is named, or what `--shard` or `--engine dask` needs."""
    if divided_by and on_error != "fail":
        raise click.UsageError(f"{divided_by} cannot leave out chips; remove those that cannot be used, see --errors.")
    if divided_by:
        shard_options.need_checkpoint(checkpoint, divided_by)
    if divided_by == "--shard":
        if output:
            raise click.UsageError(f"--shard writes only {checkpoint}; pass -o to amazon_tags merge.")
    elif not output or (checkpoint and not divided_by):
        raise click.UsageError("name -o, or --shard with --checkpoint.")
