"""The typed records of manifests against the JSON of bundles."""

import json

import pytest

from amazon_tags import records
from amazon_tags.model import bundle, manifest
from amazon_tags.model.manifest import F32_ONLY, Manifest, SecondLevelReport


@pytest.fixture(scope="module")
def values():
    return json.loads((bundle.DEFAULT / "manifest.json").read_text())


def test_the_values_of_a_trained_manifest_come_back_in_their_order(model):
    text = (model / "manifest.json").read_text()
    content = json.loads(text)
    again = Manifest.from_json(content).to_json()
    assert again == content
    assert json.dumps(again) == json.dumps(content)
    assert again["sha256"] == manifest.digest(content)


def test_the_bundled_manifest_comes_back_with_the_keys_of_this_version(values):
    again = Manifest.from_json(values).to_json()
    assert again == {**values, "data": {**values["data"], "groups": 0}}


def test_records_hold_the_values_of_the_bundled_manifest(values):
    record = Manifest.from_json(values)
    assert (record.format, record.space.names, record.spec.side) == (2, tuple(values["labels"]["labels"]), 256)
    assert record.members == ("00-student_v3", "01-student_v2")
    assert (record.data.chips, record.data.unlabelled, record.data.groups) == (771, 779, 0)
    assert record.scores.f2 == values["scores"]["f2"]
    assert record.scores.labels["clear"].support == 539
    assert record.scores.decisions["constant answer"].f2 == values["scores"]["roads"]["constant answer"]["f2"]
    assert record.precision.costs["int8"].loss == values["precision"]["prices"]["int8"]["loss"]
    assert record.second == records.from_json(SecondLevelReport, values["second"])
    assert [settings.name for settings in record.read_recipe().members][-1] == "student_v2"
    assert record.name == values["sha256"][:12]


def test_a_manifest_of_the_first_format_gets_defaults(values):
    keys = ("format", "version", "labels", "chips", "members", "recipe", "files", "sha256")
    record = Manifest.from_json({**{key: values[key] for key in keys}, "format": 1})
    assert record.precision == F32_ONLY
    assert (record.view_mean, record.views, record.decoder) == ("mean", 1, "flat")
    assert record.second == SecondLevelReport("mean", {})
    assert (record.scores, record.data) == (None, None)


def test_keys_of_other_versions_are_ignored(values):
    later = {**values, "colour": "green", "data": {**values["data"], "season": "dry"}}
    assert Manifest.from_json(later) == Manifest.from_json(values)


def test_the_digest_covers_every_value_but_itself(values):
    assert manifest.digest(values) == values["sha256"]
    assert manifest.digest({**values, "sha256": ""}) == values["sha256"]
    for key in values.keys() - {"sha256"}:
        assert manifest.digest({**values, key: 0}) != values["sha256"]
