"""The notebook of first steps: its outputs are those of this version, and hold nothing of the machine that ran it."""

import copy
import json
import re
import subprocess
import sys

import nbformat
import pytest

from tests.kaggle.notebook_outputs import differences
from tests.kaggle.start_notebook import NOTEBOOK, ROOT

MAX_BYTES = 150_000


@pytest.fixture
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


def cell(notebook, name):
    return next(one for one in notebook.cells if one.id == name)


@pytest.mark.slow
def test_a_fresh_run_says_what_the_stored_outputs_say(stored, tmp_path):
    command = [sys.executable, "-m", "tests.kaggle.start_notebook", tmp_path / "fresh.ipynb"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fresh = nbformat.read(tmp_path / "fresh.ipynb", as_version=4)
    assert differences(stored, fresh, tmp_path) == []
    assert {**fresh.metadata} == {**stored.metadata}


@pytest.mark.slow
def test_a_cell_that_raises_ends_the_run():
    code = (
        "import nbformat; from tests.kaggle import start_notebook as start; "
        "book = nbformat.read(start.NOTEBOOK, 4); "
        "book.cells = [cell for cell in book.cells if cell.id == 'render-chips']; "
        "book.cells[0].source = '%%bash\\namazon_tags sample sample-chips -n 0'; start.execute(book)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CellExecutionError" in done.stderr
    assert "amazon_tags sample sample-chips -n 0" in done.stderr


def test_the_notebook_is_small_and_holds_nothing_of_a_machine(stored):
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text.encode()) < MAX_BYTES
    assert {**stored.metadata} == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(not one.metadata for one in stored.cells)
    assert not re.search(r"/(home|root|tmp|Users)/", text)
    counts = [one.execution_count for one in stored.cells if one.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_its_outputs_show_a_table_a_gallery_a_report_and_a_submission(stored):
    assert "<table>" in cell(stored, "tag-chips").outputs[0].data["text/html"]
    assert "<iframe srcdoc=" in cell(stored, "show-gallery").outputs[0].data["text/html"]
    (report,) = [output.text for output in cell(stored, "tune-decision").outputs if output.name == "stdout"]
    assert "held out in 5 folds" in report
    (rows,) = [output.text for output in cell(stored, "write-submission").outputs if output.name == "stdout"]
    assert rows.startswith("image_name,tags\nsample_0,")
    assert len(rows.splitlines()) == 13


def test_noise_is_no_difference(stored, tmp_path):
    other = copy.deepcopy(stored)
    outputs = cell(other, "tag-chips").outputs[0].data
    outputs["text/plain"] = re.sub(r"(0\.\d{6})", r"\g<1>9", outputs["text/plain"])
    outputs["text/html"] = outputs["text/html"].replace("0.92", "0.91").replace("base64,/9j/4AAQ", "base64,/9j/4AAR")
    assert differences(stored, other, tmp_path) == []


@pytest.mark.parametrize(
    ("name", "kind", "old", "new"),
    [
        ("tag-chips", "text/html", "<bdi>road</bdi> 0.87", "<bdi>water</bdi> 0.87"),
        ("tag-chips", "text/html", "<bdi>road</bdi> 0.87", "<bdi>road</bdi> 0.82"),
        ("tag-chips", "text/html", "4 chips", "5 chips"),
        ("show-gallery", "text/html", "sample_3", "sample_4"),
        ("show-gallery", "text/html", "&#34;road&#34;", "&#34;path&#34;"),
        ("tune-decision", "stdout", "use flat, calibrated", "use cuts"),
        ("write-submission", "stdout", "sample_1,agriculture ", "sample_1,"),
    ],
)
def test_another_name_tag_or_score_is_a_difference(stored, tmp_path, name, kind, old, new):
    other = copy.deepcopy(stored)
    output = next(one for one in cell(other, name).outputs if one.get("name") == kind or kind in one.get("data", {}))
    holder, key = (output, "text") if output.output_type == "stream" else (output.data, kind)
    assert old in holder[key]
    holder[key] = holder[key].replace(old, new, 1)
    (difference,) = differences(stored, other, tmp_path)
    assert difference.startswith(f"{name}, {kind}")


def test_a_missing_output_is_a_difference(stored, tmp_path):
    other = copy.deepcopy(stored)
    cell(other, "show-gallery").outputs = []
    assert len(differences(stored, other, tmp_path)) == 1


def test_the_file_is_as_the_run_writes_it(stored):
    assert json.loads(NOTEBOOK.read_text(encoding="utf-8")) == json.loads(nbformat.writes(stored))
