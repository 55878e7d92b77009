"""The head of a card, read by the parser of the hub's own library."""

import shutil
import socket
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, bundle_writer
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.training.card import card_text


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    true = socket.socket.connect

    def connect(self, address):
        assert self.family == socket.AF_UNIX, address  # by which commands are forked
        true(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def manifest(model):
    return bundle.read_manifest(model)


def test_a_trained_bundle_has_a_card_that_the_hub_reads(model, manifest):
    assert (model / "README.md").read_bytes() == (model / "card.md").read_bytes()
    card = ModelCard.load(model / "README.md")
    data, scores = card.data, manifest.scores
    assert (data.license, data.library_name, data.pipeline_tag) == ("unknown", "amazon-tags", "image-classification")
    assert (data.model_name, data.metrics) == ("amazon-tags planet", ["f2", "f1", "mean_average_precision"])
    assert "multi-label-classification" in data.tags
    assert card.text.lstrip("\n") == bundle.read_card(model)

    f2, f1, precision = data.eval_results
    assert (f2.metric_type, f2.metric_value) == ("f2", round(scores.f2, 4))
    assert f2.metric_args == {"beta": 2, "average": "samples", "interval": [round(end, 4) for end in scores.interval]}
    assert "95 % interval" in f2.metric_name
    assert f1.metric_value == round(scores.macro_f1, 4)
    assert precision.metric_value == round(scores.mean_average_precision, 4)
    for result in data.eval_results:
        assert (result.task_type, result.dataset_type) == ("image-classification", "planet")
        assert result.dataset_name == f"{scores.chips} labelled chips, out of fold, 2 folds"
        assert result.dataset_revision == manifest.data.fingerprint[:16]


def test_a_note_on_origin_and_terms_is_another_licence(manifest):
    noted = replace(manifest, data=replace(manifest.data, note="Chips of a friend: for research."))
    data = ModelCard(card_text(noted)).data
    assert (data.license, data.license_name) == ("other", "see-data-and-licence")


@pytest.mark.parametrize("name", ['a "b": #c', "- x: {y}", "ünï 🛰", "null", "---", "\\n"])
def test_any_name_of_a_label_space_survives(manifest, name):
    data = ModelCard(card_text(replace(manifest, space=replace(manifest.space, name=name)))).data
    assert data.eval_results[0].dataset_type == name


def test_characters_that_yaml_refuses_become_blanks(manifest):
    data = ModelCard(card_text(replace(manifest, space=replace(manifest.space, name="a\x7fb\nc")))).data
    assert data.eval_results[0].dataset_type == "a b c"


def test_bundle_show_prints_the_card_below_its_head(model, run):
    shown = run("bundle", "show", model).stdout
    assert shown.startswith("# Tags of the label space planet\n")
    assert (model / "card.md").read_text().endswith(f"---\n\n{shown}")


def test_a_card_of_an_older_version_is_printed_as_it_stands(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    card = copy / "card.md"
    card.write_text("# Tags\n\n---\n\nA line.\n")
    manifest = bundle.read_manifest(copy)
    files = {**manifest.files, "card.md": FileEntry(card.stat().st_size, sha256(card))}
    bundle_writer.write_manifest(copy, replace(manifest, files=files))
    assert bundle.read_card(copy) == "# Tags\n\n---\n\nA line.\n"


def test_the_card_of_the_bundled_model_is_the_one_of_its_manifest():
    manifest = bundle.read_manifest(bundle.DEFAULT)
    assert ModelCard.load(bundle.DEFAULT / "README.md").data.license == "other"
    for name in ("card.md", "README.md"):
        assert (bundle.DEFAULT / name).read_text(encoding="utf-8") == card_text(manifest)
