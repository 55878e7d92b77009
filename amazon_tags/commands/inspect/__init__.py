"""`amazon_tags inspect`."""

import click

from amazon_tags.commands.inspect.explain import explain_command
from amazon_tags.commands.inspect.locality import locality_command
from amazon_tags.commands.inspect.models import cka_command, members_command
from amazon_tags.commands.inspect.reuse import reuse_command
from amazon_tags.commands.inspect.signal import signal_command
from amazon_tags.commands.inspect.vectors import alignment_command, diversity_command, separation_command


@click.group("inspect")
def inspect_command() -> None:
    """Measure what backbones, layers and members know about tags, before and after training.

    Each measure prints a table and a sentence that says what to do.

    Example: amazon_tags inspect separation train-jpg/ train_v2.csv --backbones mobilenet_v3_small,mobilenet_v2
    """


for command in (
    separation_command,
    alignment_command,
    diversity_command,
    cka_command,
    members_command,
    explain_command,
    signal_command,
    locality_command,
    reuse_command,
):
    inspect_command.add_command(command)
