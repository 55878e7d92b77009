"""`amazon_tags bundle`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit, need_onnx


@click.group("bundle")
def bundle_command() -> None:
    """Verify a model bundle, print its card, compare it with another or export it as ONNX.

    Example: amazon_tags bundle verify model
    """


@bundle_command.command("verify")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
def verify_bundle(folder: Path | None) -> None:
    """Check the hash of every file of BUNDLE, and that the model reproduces its golden scores.

    Without BUNDLE, the model inside the package is checked.

    Example: amazon_tags bundle verify model
    """
    from amazon_tags.model import bundle

    path = folder or bundle.DEFAULT
    emit(f"{path}: {bundle.verify(path).files} files match the manifest, golden scores reproduced\n")


@bundle_command.command("show")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
def show_bundle(folder: Path | None) -> None:
    """Print the card of BUNDLE: its use, measured scores, limits, data and licence.

    Without BUNDLE, the card of the model inside the package is printed.

    Example: amazon_tags bundle show model
    """
    from amazon_tags.model import bundle

    emit(bundle.read_card(folder or bundle.DEFAULT))


@bundle_command.command("compare")
@click.argument("folder", metavar="BUNDLE", type=options.FOLDER)
@click.argument("other", metavar="OTHER", type=options.FOLDER)
@options.JSON
def compare_bundle(folder: Path, other: Path, as_json: bool) -> None:
    """Print how much BUNDLE gains over OTHER, both trained on the same chips, on what they answered out of fold.

    Prints F2, the gain and the relative gain with paired 95 % intervals over chips.

    Example: amazon_tags bundle compare chain model
    """
    from amazon_tags.evaluation.compare import compare_bundles, comparison_text

    comparison = compare_bundles(folder, other)
    emit(json.dumps(comparison.to_json(), indent=2) + "\n" if as_json else comparison_text(comparison))


@bundle_command.command("export")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
@click.option("-o", "--output", type=options.OUTPUT, required=True, help="The ONNX file to write.")
def export_bundle(folder: Path | None, output: Path) -> None:
    """Write BUNDLE as one ONNX file, from integer chips to label scores, for ONNX Runtime.

    Members must be fine-tuned networks or have linear heads, joined by a mean. Without BUNDLE, the model inside the
    package is exported. Needs the onnx extra.

    Example: amazon_tags bundle export model -o model.onnx
    """
    need_onnx()
    from amazon_tags.model import bundle
    from amazon_tags.model.onnx_file import export_onnx

    export_onnx(folder or bundle.DEFAULT, output)
