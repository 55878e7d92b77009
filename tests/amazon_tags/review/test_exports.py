"""Folders for other programs, and annotations that come back from Label Studio."""

import json
import re
from xml.etree import ElementTree

import pytest

from amazon_tags.review.chips_to_review import ReviewTables
from amazon_tags.review.label_studio import import_review, read_export
from amazon_tags.review.queue import make_queue
from amazon_tags.review.review import write_review
from amazon_tags.tables import corrections
from amazon_tags.tables.corrections import Correction
from amazon_tags.tables.labels import LabelSpace
from features.images import listing
from tests.amazon_tags.review import reviews

SPACE = reviews.SPACE


@pytest.fixture
def home(tmp_path):
    reviews.write_world(tmp_path, 6)
    return tmp_path


@pytest.fixture
def queue(home):
    return make_queue(tables(home), listing.chips([home / "chips"]))


def tables(home):
    return ReviewTables(home / "scores.csv", home / "labels.csv")


def export(home, kind):
    write_review(tables(home), [home / "chips"], home / "out", export_format=kind)
    return home / "out"


def tags_of(chip):
    return [SPACE.names[column] for column in chip.tags]


def test_fiftyone_finds_each_picture_and_the_tags_with_scores(home, queue):
    folder = export(home, "fiftyone")
    content = json.loads((folder / "labels.json").read_text())
    assert content["classes"] == list(SPACE.names)
    assert {path.stem for path in (folder / "data").iterdir()} == set(content["labels"])
    for place, chip in enumerate(queue.chips, 1):
        found = content["labels"][chip.name]
        assert [label["label"] for label in found] == tags_of(chip)
        assert [label["confidence"] for label in found] == [chip.scores[column] for column in chip.tags]
        assert {label["attributes"]["queue"] for label in found} == {place}


def test_label_studio_has_a_task_a_chip_in_the_order_of_the_queue(home, queue):
    folder = export(home, "label-studio")
    tasks = json.loads((folder / "tasks.json").read_text())
    interface = ElementTree.fromstring((folder / "config.xml").read_text())  # noqa: S314
    control = interface.find("Choices")
    assert [choice.get("value") for choice in control] == list(SPACE.names)
    assert [task["data"]["image_name"] for task in tasks] == [chip.name for chip in queue.chips]
    for task, chip in zip(tasks, queue.chips, strict=True):
        assert (folder.parent / task["data"]["image"].removeprefix("/data/local-files/?d=")).is_file()
        (result,) = task["predictions"][0]["result"]
        assert (result["from_name"], result["to_name"]) == (control.get("name"), control.get("toName"))
        assert result["value"]["choices"] == tags_of(chip)
        assert 0 <= task["predictions"][0]["score"] <= 1


def test_lightly_has_a_task_a_label_with_probabilities_that_sum_to_one(home, queue):
    root = export(home, "lightly") / ".lightly" / "predictions"
    assert json.loads((root / "tasks.json").read_text()) == list(SPACE.names)
    schema = json.loads((root / "road" / "schema.json").read_text())
    assert schema["task_type"] == "classification"
    for chip in queue.chips:
        content = json.loads((root / "road" / "data" / f"{chip.name}.json").read_text())
        assert (root.parents[1] / content["file_name"]).is_file()
        (prediction,) = content["predictions"]
        assert sum(prediction["probabilities"]) == pytest.approx(1)
        assert prediction["category_id"] == int("road" in tags_of(chip))


def test_lightly_takes_the_names_of_tasks_and_finds_a_folder_for_each_label(home):
    text = (home / "scores.csv").read_text()
    for old, new in {"water": "wet/land", "road": "..", "haze": "é%", "primary": "a=2Fb", "clear": "a/b"}.items():
        text = text.replace(old, new, 1)
    (home / "scores.csv").write_text(text)
    write_review(
        ReviewTables(home / "scores.csv", space="table"), [home / "chips"], home / "out", export_format="lightly"
    )
    root = home / "out" / ".lightly" / "predictions"
    tasks = json.loads((root / "tasks.json").read_text())
    assert len(set(tasks)) == len(SPACE.names)
    assert {"wet=2Fland", "=2E.", "=C3=A9=25", "a=3D2Fb", "a=2Fb"} < set(tasks)
    assert all(re.fullmatch(r"[a-zA-Z0-9_+=,.@:/-]+", task) for task in tasks)  # lightly's PredictionTaskSchemaBase
    assert {path.name for path in root.iterdir() if (path / "schema.json").is_file()} == set(tasks)


@pytest.mark.parametrize("kind", ["fiftyone", "label-studio", "lightly"])
def test_a_folder_that_is_not_empty_is_left_alone(home, kind):
    (home / "out").mkdir()
    (home / "out" / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="out"):
        export(home, kind)
    assert [path.name for path in (home / "out").iterdir()] == ["mine"]


def annotated(home, annotate):
    """The export of a project with our tasks, annotated by a function of the task."""
    tasks = json.loads((export(home, "label-studio") / "tasks.json").read_text())
    for number, task in enumerate(tasks, 1):
        task |= {"id": number, "annotations": annotate(task)}
    (home / "project.json").write_text(json.dumps(tasks))
    return home / "project.json"


def annotation(*choices, time="2026-11-27T09:00:00.000000Z", cancelled=False):
    result = [{"from_name": "tags", "to_name": "image", "type": "choices", "value": {"choices": list(choices)}}]
    return {"result": result, "completed_by": 3, "updated_at": time, "was_cancelled": cancelled}


def test_an_annotation_says_of_every_label_whether_it_holds(home):
    path = annotated(home, lambda task: [annotation("clear", "water")] if task["data"]["queue"] == 1 else [])
    rows, skipped = read_export(path, SPACE)
    assert skipped == 5
    assert {row.tag: row.holds for row in rows} == {name: name in ("clear", "water") for name in SPACE.names}
    assert {(row.reviewer, row.time) for row in rows} == {("3", "2026-11-27T09:00:00.000000Z")}


def test_the_later_annotation_counts_and_a_cancelled_one_does_not(home):
    later, earlier = annotation("water", time="2026-11-27T10"), annotation("road", time="2026-11-27T09")
    path = annotated(home, lambda _: [later, earlier, annotation("haze", time="2026-11-28", cancelled=True)])
    holds = {}
    for row in read_export(path, SPACE)[0]:
        holds[row.chip, row.tag] = row.holds
    assert {tag for (_, tag), value in holds.items() if value} == {"water"}


def test_the_corrections_of_an_import_are_read_by_retrain(home):
    path = annotated(home, lambda _: [annotation("clear")])
    assert import_review(path, home / "corrections.csv") == 6
    assert corrections.read(home / "corrections.csv", SPACE) == read_export(path, SPACE)[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ('{"a": 1}', "not a list of tasks"),
        ('[{"data": {}, "annotations": []}]', "names no chip"),
        ('[{"data": {"image_name": "a"}, "tags": "road"}]', "JSON-MIN"),
        (
            '[{"data": {"image_name": "a"}, "annotations": [{"result": '
            '[{"from_name": "tags", "value": {"choices": ["raod"]}}]}]}]',
            "'raod' is not a label.*road",
        ),
    ],
)
def test_a_file_that_is_no_such_export_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "project.json").write_text(content)
    with pytest.raises(ValueError, match=message) as refusal:
        import_review(tmp_path / "project.json", tmp_path / "corrections.csv")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "corrections.csv").exists()


def test_written_corrections_are_read_back_whatever_the_names(tmp_path):
    space = LabelSpace("odd", ("<b>", "a'b"))
    rows = [Correction("<script>", "<b>", True, 'Ana "A", B', "now"), Correction("מים", "a'b", False)]
    with (tmp_path / "c.csv").open("w", encoding="utf-8") as stream:
        corrections.write(stream, rows)
    assert corrections.read(tmp_path / "c.csv", space) == rows
