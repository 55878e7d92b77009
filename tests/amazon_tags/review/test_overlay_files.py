import pytest
from PIL import Image

from amazon_tags.inspection.explain import ExplainOptions, inspect_explain
from amazon_tags.inspection.overlay_files import file_name, find_overlays, read_overlay
from amazon_tags.tables import labels
from features.images import listing

NAMES, LABELS = ["a", "a.road", "b"], ["road", "oil/gas", "x.road"]


def test_overlays_are_found_by_chip_and_tag_whatever_dots_and_slashes_they_have(tmp_path, caplog):
    caplog.set_level("INFO")
    wanted = [(0, 1), (1, 0), (2, 2), (2, 0)]
    for row, column in wanted:
        (tmp_path / file_name(NAMES[row], LABELS[column])).touch()
    for other in ("c.road.png", "b.water.png"):
        (tmp_path / other).touch()
    (tmp_path / "notes.txt").touch()

    found = find_overlays(tmp_path, NAMES, LABELS)

    assert {(row, column) for row, of_chip in found.items() for column in of_chip} == set(wanted)
    assert "2 of 6 PNG files" in caplog.text


def test_a_folder_without_overlays_of_these_chips_is_refused(tmp_path):
    (tmp_path / "c.road.png").touch()
    with pytest.raises(ValueError, match=r"no overlay of these chips \(1 PNG files\); expected names .*'a\.road\.png'"):
        find_overlays(tmp_path, NAMES, LABELS)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.road.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.road\.png is a damaged PNG"):
        read_overlay(tmp_path / "a.road.png")


def test_what_explain_writes_is_found(scored, tmp_path):
    chips = listing.chips([scored.chips]).take([2])
    inspect_explain(chips, None, ExplainOptions(tags=("road", "water"), overlays=tmp_path / "heat"))
    found = find_overlays(tmp_path / "heat", scored.names, labels.PLANET.names)
    assert [labels.PLANET.names[column] for column in found[2]] == ["road", "water"]
    assert isinstance(read_overlay(found[2][labels.PLANET.names.index("road")]), Image.Image)
