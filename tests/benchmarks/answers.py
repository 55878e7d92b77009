"""Run a command of `amazon_tags` and record the text that it prints: what a user reads about the real data.

python -m tests.benchmarks.answers --section NAME --data FACTS -- COMMAND [ARGUMENT ...]
"""

import argparse
import subprocess
import sys

from tests.benchmarks import tables


def main() -> None:
    """Run the command and write its text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", metavar="WORD")
    parser.add_argument("--data", required=True, metavar="FACTS")
    tables.add_options(parser)
    options = parser.parse_args()

    command = [sys.executable, "-m", "amazon_tags", *options.words]
    with tables.recorded(options, script="answers", data=options.data):
        shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        print(f"```text\n{shown.stdout.strip()}\n```")


if __name__ == "__main__":
    main()
