"""The loop: scores, a review in the browser, corrections, and a retraining that takes them."""

import json

import numpy as np
import pytest

from amazon_tags.retraining.retrain import retrain
from amazon_tags.review.chips_to_review import ReviewTables
from amazon_tags.review.queue import QueueOptions
from amazon_tags.review.review import write_review
from amazon_tags.tables import labels, score_tables
from amazon_tags.tables.truth_tables import read_truth
from tests.amazon_tags.retraining import jobs
from tests.browser import needs_chromium, open_page

SPACE = labels.PLANET


@pytest.mark.slow
@needs_chromium
def test_a_wrong_label_is_reviewed_exported_and_corrected_by_retrain(tmp_path):
    jobs.write_job(tmp_path)
    table = read_truth(tmp_path / "labels.csv", SPACE)
    row = table.ids.index("chip_5")
    right = np.where(table.truth, np.float32(0.8), np.float32(0.02))
    score_tables.write_scores(tmp_path / "scores.csv", table.ids, right, SPACE)
    text = (tmp_path / "labels.csv").read_text()
    (tmp_path / "labels.csv").write_text(text.replace("\nchip_5,", "\nchip_5,habitation "))
    assert not table.truth[row, SPACE.names.index("habitation")]

    queue = write_review(
        ReviewTables(tmp_path / "scores.csv", tmp_path / "labels.csv"),
        [tmp_path / "chips"],
        tmp_path / "review.html",
        options=QueueOptions("errors", limit=3),
    )
    assert queue.chips[0].name == "chip_5"
    with open_page(tmp_path / "review.html") as shown:
        for key in ("n", "Enter"):
            shown.keyboard.press(key)
        with shown.expect_download() as download:
            shown.keyboard.press("e")
        download.value.save_as(tmp_path / "corrections.csv")

    config = tmp_path / "job.toml"
    config.write_text('corrections = "corrections.csv"\n' + config.read_text())
    assert retrain(config).outcome == "promoted"
    summary = json.loads(next((tmp_path / "runs").glob("*/data.json")).read_text())
    assert summary["corrections"]["changed"] == 1
    assert summary["corrections"]["agreed"] == len(queue.chips[0].asked) - 1
