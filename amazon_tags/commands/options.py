"""Options that several commands share, and the functions that read their values.

Index: every option, and the commands that use it. A test holds it against the commands.

Option                   Commands
-----------------------  --------
--accumulate             pretrain
--anomaly                embed
--array                  schedule
--at                     schedule
--backbone               embed, pretrain, leaks, search-layer, sources
--backbones              rank, inspect separation, inspect alignment, inspect diversity
--bands                  predict, map, change, embed, pretrain, train, gallery, review, certify, leaks, rank, curve,
                         search-layer, compress, inspect separation, inspect alignment, inspect diversity, inspect cka,
                         inspect members, inspect explain, inspect signal, inspect locality, inspect reuse, sample,
                         sources
--bank                   rank, search-layer, inspect separation, inspect alignment, inspect diversity, sources
--batch                  pretrain, inspect cka, inspect members, inspect signal, inspect locality
--beside                 compress
--beta                   tune
--by                     inspect diversity
--checkpoint             embed
--checkpoint, --journal  predict, map
--chips                  report
--cog                    map
--colours                drift
--corrected              certify-answers
--cron                   schedule
--curve                  report
--date                   map
--decision               decide, gallery, review, certify
--device                 predict, map, change
--discrepancy            drift
--download               embed, train, leaks, rank
--dry-run                check
--each-tag               certify
--edges                  map, change
--engine                 predict, map, embed, train
--epochs                 pretrain, search-layer, compress
--errors                 predict, merge, map, change, embed, pretrain, train, leaks, rank, inspect separation, inspect
                         alignment, inspect diversity
--export                 review
--ground                 map, change, train
--groups                 pretrain, train, tune, review, rank, curve, search-layer, compress, inspect separation,
                         inspect alignment, inspect diversity, inspect reuse
--half                   embed
--html                   predict, map, change, embed, train, tune, certify-answers, compress, inspect separation,
                         inspect alignment, inspect diversity, inspect cka, inspect members, inspect explain, inspect
                         signal, inspect locality, inspect reuse
--infrared               pretrain
--init                   inspect signal
--insecure               predict, map, embed, train
--int8                   compress
--jobs                   predict, map, change, embed, pretrain, train, gallery, review, certify, leaks, pairs, rank,
                         curve, search-layer, compress, inspect separation, inspect alignment, inspect diversity,
                         inspect cka, inspect members, inspect explain, inspect signal, inspect locality, inspect
                         reuse, sample, sources, report
--join-rows              train, evaluate, tune, check, review, rank, curve, search-layer, compress, inspect separation,
                         inspect alignment, inspect diversity, inspect reuse
--json                   evaluate, tune, certify-answers, rank, curve, search-layer, compress, inspect separation,
                         inspect alignment, inspect diversity, inspect cka, inspect members, inspect explain, inspect
                         signal, inspect locality, inspect reuse, sources, bundle compare, models list, drift
--k8s                    schedule
--labels                 train, evaluate, tune, check, review, import-review, rank, curve, search-layer, inspect
                         separation, inspect alignment, inspect diversity
--layer, --cut           embed
--levels                 predict, map, change, embed, pretrain, train, gallery, review, certify, leaks, rank, curve,
                         search-layer, compress, inspect separation, inspect alignment, inspect diversity, inspect cka,
                         inspect members, inspect explain, inspect signal, inspect locality, inspect reuse, sources
--like                   predict, merge, check, sample
--limit                  review
--max-chips              sources
--max-cloud              change
--measure                inspect cka
--member                 review
--method                 pretrain, inspect explain
--min-probability        change
--min-valid              map, change
--model                  predict, merge, map, change, gallery, review, certify, inspect explain
--monitor                predict, merge, report
--mosaics                leaks
-n                       sample
--note                   pretrain, train
-o, --output             predict, merge, map, change, embed, pretrain, train, tune, decide, gallery, review,
                         import-review, certify, leaks, pairs, rank, curve, search-layer, compress, inspect separation,
                         inspect alignment, inspect diversity, inspect cka, inspect members, inspect explain, inspect
                         signal, inspect locality, inspect reuse, sources, bundle export, report
--on-error               predict, merge, map, change, embed, pretrain, train, leaks, rank, inspect separation, inspect
                         alignment, inspect diversity
--order                  review
--overlap                map, change
--overlays               gallery, inspect explain
--pairs                  predict, train
--patch                  inspect explain
--pixels                 map, change, pretrain
--point                  compress
--pool                   embed
--precision              predict, map, change
--probe-only             search-layer
--rate                   pretrain
--ratios                 compress
--recall                 tune
--recipe                 train, curve
--reconstruction         embed
--remote                 map
--repair                 check
--runs                   report
--sample                 certify
--scheduler              predict, map, embed, train
--scores                 predict, merge
--screen                 search-layer
--seed                   pretrain, certify, inspect cka, inspect members, inspect signal, inspect locality, sample,
                         sources
--seeds                  curve, compress
--shard                  predict, map, embed
--ship                   compress
--shots                  curve
--side                   embed, pretrain, rank, search-layer, inspect separation, inspect alignment, inspect diversity,
                         inspect cka, inspect signal, inspect locality
--similarity             leaks
--skip-missing           train
--slurm                  schedule
--source                 sources
--stability              drift
--stac                   map
--start                  pretrain
--start-from             train
--strategy               compress
--style                  map
--svg                    curve, search-layer, compress, inspect separation, inspect alignment, inspect diversity,
                         inspect cka, inspect members, inspect signal, inspect locality, inspect reuse
--systemd                schedule
--table                  review
--tags                   inspect explain
--target                 curve
--teacher                train
--train-chips            inspect explain
--tuned                  search-layer
--unlabelled             train, compress
--vectors                predict
--views                  predict, map, change, embed, train
--weights                embed, train, rank, curve, search-layer, compress, inspect separation, inspect alignment,
                         inspect diversity, inspect cka, inspect signal, inspect locality, inspect reuse, sources
--why                    models promote, models rollback
--width                  certify-answers
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from amazon_tags.errors import SKIPPED


def parse_names(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    """Return names that are separated by commas."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def check_label_space(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return the name of a label space, or raise a usage error for a TOML file that does not exist."""
    if value.endswith(".toml") and not Path(value).is_file():
        raise click.BadParameter(f"file {value!r} does not exist.")
    return value


def parse_recall_floor(text: str) -> tuple[str, float]:
    """Return the label and the lowest recall of LABEL>=RECALL.

    Raises:
        click.BadParameter: the text has no `>=`, or the recall is not from 0 to 1.
    """
    name, sign, recall = text.partition(">=")
    try:
        value = float(recall)
    except ValueError:
        value = -1
    if not sign or not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r} must be LABEL>=RECALL with a recall from 0 to 1", param_hint="--recall")
    return name.strip(), value


def check_bands(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return the names of bands, or raise a usage error."""
    from features.images.layout import parse_bands

    try:
        return None if value is None else parse_bands(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def check_levels(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return what levels are, or raise a usage error for text that says nothing about them."""
    from features.images.layout import refuse_percentiles

    try:
        refuse_percentiles(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def refuse_chip_options(given: Mapping[str, object], path: Path) -> None:
    """Raise a usage error for options that need chips where a file holds vectors; `given` has truth by their names."""
    names = [name for name, value in given.items() if value]
    if names:
        raise click.UsageError(f"{' and '.join(names)} cannot be used with vectors ({path}), which have no pixels.")


def exit_after(unusable: int, chips: int, result: str, errors: Path) -> None:
    """Report chips that could not be used, if there are any, and exit with `SKIPPED`; they were `result`."""
    if unusable:
        click.echo(f"{unusable} of {chips} chips could not be used and were {result}; see {errors}.", err=True)
        sys.exit(SKIPPED)


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUTPUT = click.Path(path_type=Path)
EXISTING = click.Path(exists=True, path_type=Path)  # a folder or a file: chips, or a table of tags

BANDS = click.option(
    "--bands",
    metavar="NAMES",
    callback=check_bands,
    help="Bands of the TIFs in their order, such as red,green,blue,nir, where the files do not state them, or wrongly.",
)
BANK = click.option("--bank", type=OUTPUT, help="A folder that keeps the vectors, so that later runs read them.")
LEVELS = click.option(
    "--levels",
    default="auto",
    show_default=True,
    metavar="LEVELS",
    callback=check_levels,
    help="What the levels of 16-bit chips are: dn (Planet's analytic DN), reflectance (times 10,000), a scale to "
    "reflectance with its offset such as 0.0000275,-0.2, colours of some bits such as 12bit, or LOW:HIGH, values that "
    "become black and white, also of floats, such as 300:2800, for all bands or each band of the model; auto: as the "
    "files state, else dn for four bands, reflectance for more, and the whole range for PNGs.",
)
CHIPS = click.argument("chips", nargs=-1, required=True, type=EXISTING)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto: on a GPU if there is one, the gpu extra is installed and a core needs more "
    "than 10 ms for a chip.",
)
ERRORS = click.option(
    "--errors",
    type=OUTPUT,
    default=Path("errors.jsonl"),
    show_default=True,
    help="The file in which --on-error lists unusable chips.",
)
GROUPS = click.option(
    "--groups",
    type=FILE,
    help="A CSV of image_name,group, as amazon_tags leaks writes it; chips of one group stay in one fold.",
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Number of threads.",
)
JOIN_ROWS = click.option(
    "--join-rows", is_flag=True, help="Join the tags of all rows of an image, as in a table with a row for each tag."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
LABELS = click.option(
    "--labels",
    "space",
    default="planet",
    show_default=True,
    callback=check_label_space,
    help="Label space: planet, table (the labels that the table contains), folders (the subfolders that hold the chips "
    "of each class) or a TOML file.",
)
MODEL = click.option("--model", type=FOLDER, help="A bundle or a registry; without it, the model inside the package.")
PAIRS = click.option(
    "--pairs",
    type=FILE,
    help="A CSV of image_name,before,after: the name of a pair, and of its chips in CHIPS at two dates of one place.",
)
PRECISION = click.option(
    "--precision",
    type=click.Choice(["auto", "f32", "bf16", "int8"]),
    default="auto",
    show_default=True,
    help="Arithmetic of the networks; auto: the fastest that costs at most 0.001 of F2, as measured in the bundle.",
)
SIDE = click.option(
    "--side",
    type=click.IntRange(0, 1024),
    default=0,
    show_default=True,
    help="Side of the networks' input in pixels; 0 is each backbone's own side.",
)
PAGE = click.option("--html", "page", type=OUTPUT, help="Also write the report as an HTML page with a picture.")
SVG = click.option("--svg", type=OUTPUT, help="Also draw the result into this SVG file.")
ON_ERROR = click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="For a chip that cannot be used: fail stops, skip leaves it out and lists it in the --errors file.",
)
TABLE_OUTPUT = click.option("-o", "--output", type=OUTPUT, help="Write the table to this file instead of stdout.")
VIEWS = click.option(
    "--views",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="Average the output over this many dihedral views (rotations and mirror images) of each chip.",
)
WHY = click.option("--why", default="by hand", show_default=True, help="The reason to write into the registry's log.")
