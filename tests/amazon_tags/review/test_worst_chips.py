"""The worst training chips of a bundle: their order, names, tags and pictures."""

import re

import numpy as np
import pytest

from amazon_tags.datasets import sample
from amazon_tags.datasets.sample_competition import four_components
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model import bundle, decision_file
from amazon_tags.review.out_of_fold import read_out_of_fold
from amazon_tags.review.report import ReportSources, report_page
from amazon_tags.review.worst_chips import WORST, find_worst
from amazon_tags.tables import labels, score_tables
from ensemble.decisions.decision import flat_decision
from tests.amazon_tags.review import small_bundles

SPACE = labels.PLANET
HOSTILE = "it's <b>bold<b>\u202e"
DECISION = flat_decision(len(SPACE.names), rules=decision_file.rules(SPACE))


@pytest.fixture
def scored():
    return small_bundles.drawn(SPACE)


def worst_of(model, chips=None):
    manifest = bundle.read_manifest(model)
    return find_worst(model, manifest, read_out_of_fold(model, manifest), chips)


def test_the_lowest_f_comes_first_with_its_tags(scored, tmp_path):
    scores, truth = scored
    worst = worst_of(small_bundles.build(tmp_path, SPACE, DECISION, scores, truth)).chips
    values = [chip.f for chip in worst]
    assert len(worst) == WORST
    assert values == sorted(values)
    row = [sha256_bytes(bytes([number]))[:12] for number in range(len(truth))].index(worst[-1].name)
    assert set(worst[-1].right) | set(worst[-1].missed) == set(labels.decode(SPACE, truth[row]))
    assert set(worst[-1].right) | set(worst[-1].false) == set(labels.decode(SPACE, scores[row] >= np.float32(0.2)))


def test_a_folder_of_the_chips_gives_names_and_pictures(scored, tmp_path):
    scores, truth = (values[:3] for values in scored)
    folder = tmp_path / "chips"
    folder.mkdir()
    hashes = []
    for name in ("one", HOSTILE, "other"):
        content = four_components(sample.render({"primary"}, seed=len(name), side=64))
        (folder / f"{name}.jpg").write_bytes(content)
        hashes.append(sha256_bytes(content))
    hashes[2] = "0" * 64  # a training chip that is not in the folder
    model = small_bundles.build(tmp_path, SPACE, DECISION, scores, truth, hashes=hashes)
    chips = {chip.name: chip.picture for chip in worst_of(model, folder).chips}
    assert {name: picture[:23] for name, picture in chips.items()} == {
        "one": "data:image/jpeg;base64,",
        HOSTILE: "data:image/jpeg;base64,",
        "0" * 12: "",
    }
    page = report_page(model, ReportSources(chips=folder))
    assert re.search(r"<h3>it&#39;s &lt;b&gt;bold&lt;b&gt;\u202e</h3>", page)


def test_a_folder_of_other_chips_is_refused(scored, tmp_path, world):
    model = small_bundles.build(tmp_path, SPACE, DECISION, *scored)
    with pytest.raises(ValueError, match="holds 10 chips, but none of the 80"):
        worst_of(model, world.test_jpg)


def test_the_score_table_beside_a_bundle_gives_names_only_if_it_has_its_scores(scored, tmp_path):
    scores, truth = scored
    model = small_bundles.build(tmp_path, SPACE, DECISION, scores, truth)
    table = model.with_name(f"{model.name}.scores.csv")
    names = [f"chip_{number}" for number in range(len(scores))]
    score_tables.write_scores(table, names, scores, SPACE)
    assert {chip.name for chip in worst_of(model).chips} <= set(names)

    score_tables.write_scores(table, names, scores[::-1], SPACE)
    assert not {chip.name for chip in worst_of(model).chips} & set(names)
