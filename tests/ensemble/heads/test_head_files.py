import io
import json
import subprocess
import sys

import numpy as np
import pytest

from ensemble.heads.fitted import HEAD_FILES
from ensemble.heads.head_files import load_head, parse_head, save_head
from ensemble.heads.table import HEADS
from tests.ensemble.heads.labelled_vectors import rendered


@pytest.mark.parametrize("name", HEADS)
def test_a_saved_head_gives_the_same_bits(trained, name, tmp_path):
    vectors, _ = rendered(4)
    save_head(trained[name], tmp_path)
    again = load_head(tmp_path)
    assert again.scores(vectors).tobytes() == trained[name].scores(vectors).tobytes()
    assert again.pack() == trained[name].pack()
    assert [path.name for path in tmp_path.iterdir()] == [trained[name].pack()[0]]


def altered(content, **changes):
    """Return a head.npz with some parts changed, or removed where they are None."""
    with np.load(io.BytesIO(content)) as archive:
        parts = {**archive, **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{key: part for key, part in parts.items() if part is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("logistic", {"bias": np.zeros(3, np.float32)}),
        ("logistic", {"mean": None}),
        ("logistic", {"kind": np.array("other")}),
        ("logistic", {"extra": np.zeros(3)}),
        ("logistic", {"spread": np.zeros(12, np.float32)}),
        ("logistic", {"mean": np.full(12, np.nan, np.float32)}),
        ("logistic", {"weights": np.zeros((12, 8))}),
        ("logistic", {"weights": np.zeros(12, np.float32)}),
        ("logistic", {"weights": np.array([{}], object)}),
        ("neighbours", {"k": np.array(0)}),
        ("neighbours", {"k": np.array(81)}),
        ("neighbours", {"k": None}),
        ("neighbours", {"truth": np.zeros((3, 8), bool)}),
        ("neighbours", {"truth": np.zeros((80, 8))}),
        ("neighbours", {"known": np.zeros((80, 3), np.float32)}),
    ],
)
def test_a_damaged_array_file_is_refused(trained, name, changes):
    file, content = trained[name].pack()
    with pytest.raises(ValueError, match=r"head\.npz is damaged or not a head file"):
        parse_head(file, altered(content, **changes))


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 and no archive", b"nonsense", b"\x80\x04N."])
@pytest.mark.parametrize("file", HEAD_FILES)
def test_another_kind_of_content_is_refused(file, content):
    with pytest.raises(ValueError, match="is damaged or not a head file"):
        parse_head(file, content)


def _rates(parts):
    parts["rates"][0] = 2


def _fewer(parts):
    parts["boosters"].pop()


def _kind(parts):
    parts["kind"] = "linear"


def _dim(parts):
    parts["dim"] = 7


def _empty(parts):
    parts["boosters"][0] = {}


def _circle(parts):
    tree = parts["boosters"][0]["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["left_children"][0] = 0


def _outside(parts):
    tree = parts["boosters"][0]["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["right_children"][0] = 10**6


def _column(parts):
    tree = parts["boosters"][0]["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["split_indices"][0] = 12


@pytest.mark.parametrize("change", [_rates, _fewer, _kind, _dim, _empty, _circle, _outside, _column])
def test_a_damaged_tree_file_is_refused(trained, change):
    file, content = trained["boosted"].pack()
    parts = json.loads(content)
    change(parts)
    with pytest.raises(ValueError, match=r"head\.json is damaged or not a head file"):
        parse_head(file, json.dumps(parts).encode())


def test_a_folder_without_a_head_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="0 head files"):
        load_head(tmp_path)
    with pytest.raises(ValueError, match=r"head\.pkl is not the name of a head file"):
        parse_head("head.pkl", b"")


def test_running_a_linear_head_imports_neither_sklearn_nor_xgboost(trained, tmp_path):
    save_head(trained["logistic"], tmp_path)
    code = (
        "import sys, numpy, pathlib; import ensemble.second_level.blend; "
        "from ensemble.decisions import thresholds; "
        "from ensemble.heads import head_files; head = head_files.load_head(pathlib.Path(sys.argv[1])); "
        "thresholds.apply_thresholds(head.scores(numpy.ones((1, 12))), 0.2); "
        "print({'sklearn', 'scipy', 'xgboost', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
