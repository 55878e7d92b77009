"""`amazon_tags sources`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.errors import emit, need_train
from amazon_tags.signals import catch_signals


def parse_sources(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    """Return the folder of each source by its name, or raise a usage error."""
    sources: dict[str, Path] = {}
    for text in values:
        name, sign, path = text.partition("=")
        if not sign or not name.strip() or not name.isprintable() or not path or not Path(path).exists():
            raise click.BadParameter(f"{text!r} must be NAME=DIR with a name, and chips or vectors that exist.")
        if name.strip() in sources:
            raise click.BadParameter(f"two sources are named {name.strip()!r}; give each a name of its own.")
        sources[name.strip()] = Path(path)
    return sources


@click.command("sources")
@click.argument("target", type=options.EXISTING)
@click.option(
    "--source",
    "sources",
    multiple=True,
    required=True,
    metavar="NAME=DIR",
    callback=parse_sources,
    help="A candidate: its name, and a folder or archive of chips, or a .parquet file of vectors if TARGET is one too.",
)
@click.option(
    "--backbone",
    show_default="mobilenet_v3_small",
    help="A name from the table in features/README.md, a folder that pretrain wrote, an .onnx or .xml (OpenVINO) file "
    "with a TOML file beside it, or hub:PRESET (KerasHub).",
)
@backbone_options.WEIGHTS
@options.BANK
@click.option(
    "--max-chips",
    type=click.IntRange(2),
    default=5000,
    show_default=True,
    help="Of a larger set, compare this many random chips.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random chips.")
@click.option("-o", "--output", type=options.OUTPUT, help="Also write the ranking to this CSV file.")
@options.JSON
@backbone_options.BANDS
@options.LEVELS
@options.JOBS
def sources_command(
    target: Path,
    sources: dict[str, Path],
    backbone: str | None,
    weights: str,
    bank: Path | None,
    max_chips: int,
    seed: int,
    output: Path | None,
    as_json: bool,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Rank data sets to pretrain on by how near their chips lie to those of TARGET.

    Compares vectors of one frozen backbone: distances from target to source (coverage) and back (breadth), Fréchet
    distance, and near duplicates. Labels are not needed, and nothing is trained.

    Example: amazon_tags sources train-jpg/ --source ucm=ucm/jpg --source eurosat=eurosat.zip
    """
    from amazon_tags.evaluation.source_report import ranking_csv, ranking_json, ranking_text
    from amazon_tags.files import atomic, preflight
    from amazon_tags.tables.vector_tables import is_vector_file
    from amazon_tags.training.sources import DEFAULT_BACKBONE, SourceOptions, rank_sources
    from features.images.layout import Layout
    from features.networks.foreign_settings import is_foreign

    catch_signals()
    if is_vector_file(target):
        pixels = {"--backbone": backbone, "--weights": weights != "imagenet", "--bank": bank, "--bands": bands}
        options.refuse_chip_options({**pixels, "--levels": levels != "auto"}, target)
    elif not is_foreign(backbone or DEFAULT_BACKBONE):
        need_train()
    preflight.refuse_outputs([output] if output else [], [target, *sources.values()])
    chosen = SourceOptions(backbone or DEFAULT_BACKBONE, weights, Layout(bands, levels), bank, max_chips, seed, jobs)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        ranking = rank_sources(target, sources, chosen)
    if output:
        atomic.write_text(output, ranking_csv(ranking))
    emit(json.dumps(ranking_json(ranking), indent=2, ensure_ascii=False) + "\n" if as_json else ranking_text(ranking))
