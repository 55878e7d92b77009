"""Execute kaggle/start.ipynb in an empty folder, and write it with its new outputs.

`python -m tests.kaggle.start_notebook` renews the outputs in place, after a change of the notebook or of what it shows.
"""

import os
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "kaggle" / "start.ipynb"
MAX_CELL_SECONDS = 300  # the longest takes 10 s on an idle machine


def execute(notebook: nbformat.NotebookNode) -> None:
    """Execute all cells by this Python and this checkout; raises CellExecutionError if a cell raises.

    What would differ between machines, such as the version of Python, is left out of the metadata.
    """
    metadata = dict(notebook.metadata)
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": str(Path(folder) / "ipython"),  # not the settings and the history of the user
        }
        working = Path(folder) / "work"
        working.mkdir()
        client = NotebookClient(
            notebook,
            timeout=MAX_CELL_SECONDS,
            record_timing=False,
            coalesce_streams=True,
            kernel_name="python3",
            resources={"metadata": {"path": str(working)}},
        )
        client.execute(env=environment)
    notebook.metadata = nbformat.from_dict(metadata)


def main(output: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    execute(notebook)
    nbformat.write(notebook, output)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK)
