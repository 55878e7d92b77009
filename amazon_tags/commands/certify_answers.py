"""`amazon_tags certify-answers`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals


@click.command("certify-answers")
@click.argument("scores", type=options.FILE)
@click.argument("plan", type=options.FILE)
@click.argument("answers", type=options.FILE)
@click.option(
    "--width",
    type=click.FloatRange(0.001, 0.999),
    default=0.05,
    show_default=True,
    help="Say how many more chips would make an interval so narrow, from its lower to its upper end.",
)
@click.option("--corrected", type=options.OUTPUT, help="Also write the decision that is tuned on the answers.")
@click.option("--html", "page", type=options.OUTPUT, help="Also write the certificate as a page with a picture.")
@options.JSON
def certify_answers_command(
    scores: Path, plan: Path, answers: Path, width: float, corrected: Path | None, page: Path | None, as_json: bool
) -> None:
    """Say by the ANSWERS to a random sample how right the tags of the whole folder are, with intervals of 95 %.

    PLAN is the file that amazon_tags certify wrote beside its page, ANSWERS what the page exported.

    Example: amazon_tags certify-answers scores.csv sample.plan.json corrections.csv
    """
    from amazon_tags.files import atomic, preflight
    from amazon_tags.inspection.findings import findings_page, findings_text
    from amazon_tags.model import decision_file
    from amazon_tags.review.certificate_findings import certificate_findings
    from amazon_tags.review.certify import certify_answers

    catch_signals()
    preflight.refuse_outputs([path for path in (corrected, page) if path], [scores, plan, answers])
    certificate = certify_answers(scores, plan, answers)
    findings = certificate_findings(certificate, width)
    if corrected:
        decision_file.write(corrected, certificate.space, certificate.corrected)
    if page:
        atomic.write_text(page, findings_page(findings))
    emit(json.dumps(findings.to_json(), indent=2) + "\n" if as_json else findings_text(findings))
