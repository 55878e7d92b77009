"""`amazon_tags inspect members`."""

import csv
import json

import numpy as np
import pytest

from amazon_tags.inspection.members import inspect_members, member_findings
from amazon_tags.inspection.minibatches import BatchOptions
from amazon_tags.model import bundle
from amazon_tags.model.vector_origin import VectorInput
from features.images.layout import AS_STATED
from tests.bundle_copies import copied

NAMES = ["a", "b", "c"]


def of_pairs(first_second, first_third, second_third):
    similarities = np.eye(3)
    similarities[np.triu_indices(3, k=1)] = first_second, first_third, second_third
    return member_findings(NAMES, similarities + similarities.T - np.eye(3), chips=50)


def test_the_most_alike_pair_is_named_with_what_to_do():
    findings = of_pairs(0.2, 0.95, 0.91)
    assert findings.advice.startswith("a and c say nearly the same, with a CKA of 0.950, the most of 2 such")
    assert findings.to_json()["rows"][0] == {"member": "a", "a": 1, "b": 0.2, "c": 0.95}


def test_where_all_members_differ_the_least_alike_pair_is_named():
    assert "least alike are a and b with 0.200. Leaving one out" in of_pairs(0.2, 0.8, 0.5).advice


def test_members_that_give_all_chips_the_same_scores_have_no_figure():
    findings = of_pairs(np.nan, np.nan, np.nan)
    assert findings.advice.startswith("No two members can be compared")
    assert "without a figure: a member that gives all chips the same scores" in findings.notes
    with pytest.raises(ValueError, match="the same scores to all 50 chips"):
        member_findings(NAMES, np.full((3, 3), np.nan), chips=50)


def test_chips_of_the_training_are_counted(world, model):
    findings = inspect_members(world.train_jpg, model, AS_STATED, BatchOptions(jobs=1))
    assert findings.notes[2].startswith("the bundle was trained on 48 of these 48 chips")
    assert len(inspect_members(world.test_jpg, model, AS_STATED, BatchOptions(jobs=1)).notes) == 2


def test_a_bundle_of_one_member_or_of_vectors_is_refused(world, model, tmp_path):
    heads = copied(model, tmp_path / "heads", vectors=VectorInput(16))
    with pytest.raises(ValueError, match="has no network for chips"):
        inspect_members(world.test_jpg, heads, AS_STATED, BatchOptions())
    with pytest.raises(ValueError, match=r"has one member \(01-vectors\), and this compares several"):
        inspect_members(world.test_jpg, copied(model, tmp_path, members=("01-vectors",)), AS_STATED, BatchOptions())


def test_the_command_writes_a_table_of_the_members(world, model, run, tmp_path):
    done = run("inspect", "members", world.test_jpg, model, "--json", "--batch", 16, "-o", tmp_path / "a.csv")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["member"] for row in rows] == ["net", "vectors"]
    assert [rows[0]["net"], rows[1]["vectors"]] == pytest.approx([1, 1])
    assert rows[0]["vectors"] == pytest.approx(rows[1]["net"])
    table = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert float(table[0]["vectors"]) == pytest.approx(rows[0]["vectors"], abs=1e-6)
    assert bundle.read_manifest(model).members == ("00-net", "01-vectors")
