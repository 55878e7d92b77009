"""The queue of a review: its order, its near-duplicates, what it asks, and what it refuses."""

import io
import shutil
from dataclasses import replace

import click
import numpy as np
import pytest
from PIL import Image

from amazon_tags import errors
from amazon_tags.model import bundle, decision_file
from amazon_tags.review.chips_to_review import ReviewTables, read_chips
from amazon_tags.review.gallery import GalleryOptions, write_gallery
from amazon_tags.review.orders import ORDERS, order_rows
from amazon_tags.review.queue import QueueOptions, make_queue
from features.images import chips as chip_files
from features.images import listing
from features.images.spec import ChipSpec
from tests.amazon_tags.review import reviews, small_bundles
from tests.amazon_tags.review.page_data import page_data

SPACE = reviews.SPACE


@pytest.fixture
def home(tmp_path):
    reviews.write_world(tmp_path)
    return tmp_path


def tables(home, **changes):
    return ReviewTables(home / "scores.csv", **{"labels": home / "labels.csv", **changes})


def queue_of(home, options=None, **changes):
    return make_queue(tables(home, **changes), listing.chips([home / "chips"]), options)


def names_of(queue):
    return [chip.name for chip in queue.chips]


@pytest.mark.parametrize("order", ["worth", "errors", "expected"])
def test_a_label_that_its_score_contradicts_comes_first(home, order):
    reviews.change_score(home, "chip_8", "primary", 0.001)
    queue = queue_of(home, QueueOptions(order))
    assert queue.chips[0].name == "chip_8"
    assert SPACE.names[queue.chips[0].asked[0]] == "primary"
    assert queue.chips[0].confidence == 0.001


def test_without_labels_a_doubtful_prediction_comes_first(home):
    reviews.change_score(home, "chip_3", "cloudy", 0.21)
    queue = queue_of(home, QueueOptions("expected"), labels=None)
    assert queue.chips[0].name == "chip_3"
    assert not queue.has_labels


def test_members_that_disagree_bring_their_chip_to_the_front(home):
    reviews.change_score(home, "chip_9", "water", 0.9, "other.csv")
    reviews.change_score(home, "chip_9", "road", 0.9, "other.csv")
    queue = queue_of(home, QueueOptions("disagreement"), members=(home / "other.csv",))
    assert queue.chips[0].name == "chip_9"
    assert queue_of(home, labels=None, members=(home / "other.csv",)).chips[0].name == "chip_9"


def test_a_probably_rare_tag_brings_its_chip_to_the_front(home):
    reviews.change_score(home, "chip_2", "conventional_mine", 0.9)
    assert queue_of(home, QueueOptions("rare")).chips[0].name == "chip_2"


def test_the_order_of_rows_in_a_table_changes_nothing(home):
    expected = queue_of(home).digest()
    for name in ("scores.csv", "labels.csv"):
        header, *rows = (home / name).read_text().splitlines()
        (home / name).write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert queue_of(home).digest() == expected


def test_the_digest_changes_with_what_is_asked(home):
    before = queue_of(home).digest()
    assert queue_of(home, QueueOptions(limit=5)).digest() != before
    reviews.change_score(home, "chip_8", "primary", 0.3)
    assert queue_of(home).digest() != before


def test_at_most_one_of_near_duplicates_is_shown(home):
    for copy in ("copy_1", "copy_2"):
        with Image.open(home / "chips" / "chip_3.jpg") as picture:
            picture.convert("RGB").save(home / "chips" / f"{copy}.jpg", quality=70)
        for table in ("scores.csv", "labels.csv"):
            row = next(line for line in (home / table).read_text().splitlines() if line.startswith("chip_3,"))
            with (home / table).open("a") as stream:
                stream.write(row.replace("chip_3", copy, 1) + "\n")
    names = names_of(queue_of(home, QueueOptions(limit=40)))
    assert len({"chip_3", "copy_1", "copy_2"} & set(names)) == 1
    assert len(names) > 10


def test_one_chip_of_a_group_is_shown_the_one_that_is_worth_most(home):
    names = [f"chip_{number}" for number in range(24)]
    reviews.change_score(home, "chip_8", "primary", 0.001)
    rows = [f"{name},{'a' if number % 2 else 'b'}" for number, name in enumerate(names)]
    (home / "groups.csv").write_text("\n".join(["image_name,group", *rows]) + "\n")
    shown = names_of(queue_of(home, QueueOptions(groups=home / "groups.csv")))
    assert len(shown) == 2
    assert shown[0] == "chip_8"


def test_a_limit_is_kept_and_filled_past_near_duplicates(home):
    whole = names_of(queue_of(home, QueueOptions(limit=24)))
    for limit in (1, 5, len(whole)):
        assert names_of(queue_of(home, QueueOptions(limit=limit, jobs=2))) == whole[:limit]


def test_a_picture_of_four_components_has_the_colours_of_the_chip(home):
    chip = queue_of(home).chips[0]
    with Image.open(io.BytesIO(chip.picture)) as picture:
        assert picture.mode == "RGB"
        shown = np.asarray(picture, np.float64)
    expected = chip_files.load(home / "chips" / f"{chip.name}.jpg", ChipSpec(side=64))
    assert np.abs(shown - expected).mean() < 4


def test_present_tags_and_those_of_a_fair_score_are_asked_about(home):
    reviews.change_score(home, "chip_5", "blooming", 0.3)
    queue = queue_of(home, QueueOptions(limit=24))
    chip = next(chip for chip in queue.chips if chip.name == "chip_5")
    assert set(chip.tags) < set(chip.asked)
    assert SPACE.names.index("blooming") in chip.asked
    assert all(chip.scores[column] >= 0.05 or column in chip.tags for column in chip.asked)


def test_an_unknown_label_stays_as_predicted(home):
    text = (home / "labels.csv").read_text()
    (home / "labels.csv").write_text(text.replace("chip_1,", "chip_1,slash_burn? ", 1))
    chips = read_chips(tables(home))
    assert not chips.tags[chips.names.index("chip_1"), SPACE.names.index("slash_burn")]
    reviews.change_score(home, "chip_1", "slash_burn", 0.9)
    chips = read_chips(tables(home))
    assert chips.tags[chips.names.index("chip_1"), SPACE.names.index("slash_burn")]


@pytest.mark.parametrize("source", ["none", "decision", "model"])
def test_predicted_tags_are_those_of_the_gallery(home, source):
    names = {"none": [], "decision": ["decision"], "model": ["model"]}[source]
    space, decision = decision_file.read(bundle.DEFAULT / "decision.json")
    decision = replace(decision, decoder="cuts", thresholds=np.full(len(space.names), 0.6, np.float32))
    decision_file.write(home / "decision", space, decision)
    small_bundles.build(home, space, decision, *small_bundles.drawn(space)).rename(home / "model")
    for number, score in enumerate((0.19, 0.21, 0.59, 0.61)):
        reviews.change_score(home, f"chip_{number}", "blooming", score, "doubtful.csv")

    options = {name: home / name for name in names}
    write_gallery(home / "doubtful.csv", [home / "chips"], home / "gallery.html", GalleryOptions(**options))
    shown = page_data(home / "gallery.html")
    chips = read_chips(ReviewTables(home / "doubtful.csv", **options))
    assert (chips.names, list(chips.space.names)) == (shown["names"], shown["labels"])
    assert np.array_equal(chips.tags, shown["tags"])
    tagged = chips.tags[:4, space.names.index("blooming")].tolist()
    assert tagged == ([False, True, True, True] if source == "none" else [False, False, False, True])


def test_scores_of_other_labels_without_a_decision_have_a_flat_threshold_and_a_message(home, caplog):
    (home / "own.csv").write_text("image_name,tree,rock\nchip_0,0.19,0.21\n")
    chips = read_chips(ReviewTables(home / "own.csv", space="table"))
    assert dict(zip(chips.space.names, chips.tags[0], strict=True)) == {"rock": True, "tree": False}
    (message,) = caplog.messages
    assert "own.csv" in message
    assert "--decision" in message
    with pytest.raises(ValueError, match="17 labels of 'planet'"):
        read_chips(ReviewTables(home / "own.csv"))


def test_chips_without_labels_are_left_out(home):
    header, *rows = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join([header, *rows[:10]]) + "\n")
    assert set(names_of(queue_of(home, QueueOptions(limit=24)))) <= {f"chip_{number}" for number in range(10)}


@pytest.mark.parametrize(("order", "message"), [("errors", "--table"), ("cleanlab", "--table")])
def test_an_order_that_needs_labels_says_so(home, order, message):
    with pytest.raises(ValueError, match=message):
        queue_of(home, QueueOptions(order), labels=None)


def test_disagreement_needs_another_score_table(home):
    with pytest.raises(ValueError, match="--member"):
        queue_of(home, QueueOptions("disagreement"))


def test_a_chip_without_a_file_is_refused_with_its_name(home):
    (home / "chips" / "chip_4.jpg").unlink()
    with pytest.raises(ValueError, match="chip_4"):
        queue_of(home)


def test_a_member_that_lacks_a_chip_is_refused_with_its_table(home):
    shutil.copy(home / "scores.csv", home / "other.csv")
    rows = (home / "other.csv").read_text().splitlines()
    (home / "other.csv").write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(ValueError, match=r"other\.csv.*chip_23"):
        queue_of(home, members=(home / "other.csv",))


def test_every_order_ranks_every_chip_once(home):
    pytest.importorskip("cleanlab")
    reviews.change_score(home, "chip_9", "water", 0.9, "other.csv")
    chips = read_chips(tables(home, members=(home / "other.csv",)))
    for order in ORDERS:
        assert sorted(order_rows(chips, order).tolist()) == list(range(24)), order


def test_cleanlab_that_is_missing_is_named_with_its_install_command(monkeypatch):
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    with pytest.raises(click.ClickException, match=r"pip install '\.\[quality\]'"):
        errors.need_quality()


def test_cleanlab_puts_a_contradicted_label_first(home):
    pytest.importorskip("cleanlab")
    reviews.change_score(home, "chip_8", "primary", 0.001)
    chips = read_chips(tables(home))
    assert chips.names[order_rows(chips, "cleanlab")[0]] == "chip_8"
    flipped = replace(chips, tags=chips.tags[::-1].copy())
    assert order_rows(flipped, "cleanlab").tolist() != order_rows(chips, "cleanlab").tolist()
