"""The `amazon_tags` command and its sub-commands."""

import click

from amazon_tags.commands.bundle import bundle_command
from amazon_tags.commands.certify import certify_command
from amazon_tags.commands.certify_answers import certify_answers_command
from amazon_tags.commands.change import change_command
from amazon_tags.commands.check import check_command
from amazon_tags.commands.compress import compress_command
from amazon_tags.commands.curve import curve_command
from amazon_tags.commands.decide import decide_command
from amazon_tags.commands.drift import drift_command
from amazon_tags.commands.embed import embed_command
from amazon_tags.commands.evaluate import evaluate_command
from amazon_tags.commands.gallery import gallery_command
from amazon_tags.commands.import_review import import_review_command
from amazon_tags.commands.inspect import inspect_command
from amazon_tags.commands.leaks import leaks_command
from amazon_tags.commands.map import map_command
from amazon_tags.commands.merge import merge_command
from amazon_tags.commands.models import models_command
from amazon_tags.commands.pairs import pairs_command
from amazon_tags.commands.predict import predict_command
from amazon_tags.commands.pretrain import pretrain_command
from amazon_tags.commands.rank import rank_command
from amazon_tags.commands.report import report_command
from amazon_tags.commands.retrain import retrain_command
from amazon_tags.commands.review import review_command
from amazon_tags.commands.sample import sample_command
from amazon_tags.commands.schedule import schedule_command
from amazon_tags.commands.search_layer import search_layer_command
from amazon_tags.commands.sources import sources_command
from amazon_tags.commands.train import train_command
from amazon_tags.commands.tune import tune_command
from amazon_tags.errors import run_command_line


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="amazon-tags", prog_name="amazon_tags")
def root() -> None:
    """Tag satellite chips of the Amazon, and train, tune and maintain the models that do so.

    Exit codes: 0 done, 1 failure, 2 usage, 3 done but some chips were skipped or filled, 4 bundle refused, 10 drift
    past its limits, 20 a candidate model or its data were rejected, 74 input/output error, 75 another run holds the
    lock, 129, 130 and 143 stopped by a signal.
    """


for command in (
    predict_command,
    merge_command,
    map_command,
    change_command,
    embed_command,
    pretrain_command,
    train_command,
    evaluate_command,
    tune_command,
    decide_command,
    gallery_command,
    check_command,
    review_command,
    import_review_command,
    certify_command,
    certify_answers_command,
    leaks_command,
    pairs_command,
    rank_command,
    curve_command,
    search_layer_command,
    compress_command,
    inspect_command,
    sample_command,
    sources_command,
    bundle_command,
    models_command,
    report_command,
    retrain_command,
    schedule_command,
    drift_command,
):
    root.add_command(command)


def main() -> None:
    """Run the command line and exit; every error that a user can cause is one line on stderr and a documented code."""
    run_command_line(root)
