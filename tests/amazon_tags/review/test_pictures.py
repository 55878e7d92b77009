import io

import numpy as np
import pytest
from PIL import Image

from amazon_tags.review import pictures
from amazon_tags.review.pictures import THUMBNAILS, SheetPlan
from features.images import listing
from features.images.chips import load
from features.images.spec import ChipSpec


def cell(sheet, number, plan):
    """The picture in a cell of a sheet, found as a page finds it."""
    image = np.asarray(Image.open(io.BytesIO(sheet)))
    row, column = divmod(number, plan.columns)
    return image[row * plan.pitch :, column * plan.pitch :][: plan.side, : plan.side].astype(int)


@pytest.mark.parametrize(("side", "columns"), [(96, 10), (256, 10), (257, 5), (512, 5)])
def test_the_full_view_has_the_side_of_the_chips_and_whole_blocks_of_jpeg(tmp_path, side, columns):
    Image.new("RGB", (side, 40)).save(tmp_path / "a.png")
    plan = pictures.plan_full_view(listing.chips([tmp_path]))
    if side == pictures.THUMBNAIL_SIDE:
        assert plan is None
        return
    assert (plan.side, plan.columns, plan.per_sheet) == (side, columns, columns**2)
    assert plan.pitch % 16 == 0
    assert THUMBNAILS.per_sheet % plan.per_sheet == 0  # a sheet of thumbnails ends where one of the full view does


def test_larger_chips_are_shown_smaller_and_unreadable_ones_do_not_count(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.new("RGB", (700, 700)).save(tmp_path / "b.png")
    assert pictures.plan_full_view([None, *listing.chips([tmp_path])]).side == pictures.MAX_PICTURE_SIDE
    assert pictures.plan_full_view([None]) is None


def test_each_cell_of_a_sheet_is_its_picture_though_colours_meet():
    plan = SheetPlan(20, 32, 3, 9)
    colours = [(255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 255), (0, 0, 0)]
    sheet = pictures.draw_sheet([np.full((20, 20, 3), colour, np.uint8) for colour in colours], plan)
    for number, colour in enumerate(colours):
        inside = cell(sheet, number, plan)[1:-1, 1:-1]  # a pixel at an edge takes some colour of its neighbour
        assert np.abs(inside - colour).max() < 12, number


@pytest.mark.parametrize("jobs", [1, 3])
def test_blocks_have_the_chips_in_order_with_the_errors_of_those_without_a_picture(scored, jobs):
    (scored.chips / "sample_3.jpg").write_bytes(b"\xff\xd8\xff broken")
    sources = list(listing.chips([scored.chips]))
    sources[5] = None
    plan = SheetPlan(256, 256, 2, 4)

    blocks = list(pictures.draw_pictures(sources, ChipSpec(), plan, jobs=jobs))

    errors = [error for block in blocks for error in block.errors]
    assert [row for row, error in enumerate(errors) if error] == [3]
    assert errors[3].startswith("sample_3.jpg is a damaged JPG")  # not the folders of this machine
    for row, source in enumerate(sources):
        shown = cell(blocks[row // 4].sheet, row % 4, plan)
        if row in {3, 5}:
            assert np.abs(shown - pictures.NO_PICTURE)[2:-2, 2:-2].max() < 4
        else:
            assert np.abs(shown - load(source, ChipSpec())).mean() < 4, row


def test_chips_of_four_components_and_tifs_are_shown_in_their_colours(world):
    (jpg, *_), (tif, *_) = listing.chips([world.train_jpg]), listing.chips([world.train_tif])
    for path in (jpg, tif):
        assert np.array_equal(pictures.draw_chip(path, ChipSpec(), 64), load(path, ChipSpec(side=64)))
