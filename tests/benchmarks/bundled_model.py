"""Copy the scores and the precisions from the bundled model's card.

    python -m tests.benchmarks.bundled_model

`amazon_tags train` measured them when it trained the model; see `amazon_tags bundle show`.
"""

import argparse
import re
import subprocess
import sys

from tests.benchmarks import tables

CHAPTERS = ("Measured", "Precision")
ROWS = {"| thresholds,": "| fitted thresholds,"}  # the page has thresholds of other kinds, too


def chapter_tables(card: str, title: str) -> str:
    """Return the tables of a card's chapter.

    Raises:
        ValueError: if the card has no such chapter.
    """
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    if match is None:
        raise ValueError(f"the card has no chapter {title!r}; expected a line '## {title}'.")

    blocks = [block for block in match[1].strip().split("\n\n") if block.startswith("|")]
    text = "\n\n".join(blocks)
    for old, new in ROWS.items():
        text = text.replace(old, new)
    return text


def main() -> None:
    """Write the chapters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables.add_options(parser)
    options = parser.parse_args()

    command = [sys.executable, "-m", "amazon_tags", "bundle", "show"]
    card = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    data = "771 labelled chips of the competition, out of fold; copied from the card"
    with tables.recorded(options, script="bundled_model", data=data):
        print("\n\n".join(chapter_tables(card, title) for title in CHAPTERS))


if __name__ == "__main__":
    main()
