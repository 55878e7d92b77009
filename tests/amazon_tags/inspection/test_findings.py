"""The forms of findings: text, CSV, JSON and a page."""

import csv
import json
import re

import numpy as np
import pytest

from amazon_tags.evaluation.heat_map import heat_map
from amazon_tags.inspection.findings import Findings, findings_csv, findings_page, findings_text

ROWS = [("a<b", 0.123456789, 12), ("long name", float("nan"), 3)]
FINDINGS = Findings("A title & more", ("backbone", "mean", "steps"), ROWS, ("mean: of all",), "Use a<b.", "<svg></svg>")


def test_the_text_is_aligned_and_ends_with_the_advice():
    lines = findings_text(FINDINGS).splitlines()
    assert lines[2:5] == ["backbone     mean  steps", "a<b        0.1235     12", "long name       -      3"]
    assert lines[-1] == "Use a<b."


def test_a_missing_figure_is_empty_in_csv_and_null_in_json():
    _, first, second = csv.reader(findings_csv(FINDINGS).splitlines())
    assert (first, second) == (["a<b", "0.123457", "12"], ["long name", "", "3"])
    assert json.loads(json.dumps(FINDINGS.to_json()))["rows"][1] == {"backbone": "long name", "mean": None, "steps": 3}


def test_the_page_escapes_names_and_loads_nothing():
    page = findings_page(FINDINGS)
    assert ">a&lt;b</th>" in page
    assert "A title &amp; more" in page
    assert "<svg></svg>" in page
    assert "src=" not in page
    assert re.findall(r'href="([^"]*)"', page) == ["data:,"]  # the empty icon


def test_a_heat_map_has_its_own_size_and_room_for_its_title():
    title = "CKA of the scores of 2 members on 100 chips"
    picture = heat_map(title, ["a"], ["b"], np.ones((1, 1)))
    width, height, *box = re.search(r'width="(\d+)" height="(\d+)" viewBox="0 0 (\d+) (\d+)"', picture).groups()
    assert box == [width, height]
    assert int(width) >= 20 + 9 * len(title)


@pytest.mark.parametrize("size", [3, 30])
def test_a_heat_map_names_each_cell_and_colours_the_greatest_value_darkest(size):
    values = np.arange(size * size, dtype=float).reshape(size, size)
    values[0, 1] = np.nan
    names = [f"n{number}" for number in range(size)]
    picture = heat_map("a & b", names, names, values)
    assert "a &amp; b" in picture
    assert f"n{size - 1}, n{size - 1}: {size * size - 1:.4f}" in picture
    *_, last = picture.split("<rect")
    assert 'fill="#1b6b3a"' in last
    assert picture.count("#ddd") == 1
    assert (">2.00<" in picture) == (size == 3)
