"""The ranking of sources on planted vectors: its order, its figures, its advice."""

import csv
import io

import numpy as np
import pytest

from amazon_tags.evaluation.source_ranking import VectorSet, rank_source_vectors
from amazon_tags.evaluation.source_report import advice, ranking_csv, ranking_json, ranking_text

RNG = np.random.default_rng(0)


def planted(name: str, chips: int, centre: float, spread: float = 1.0) -> VectorSet:
    vectors = (RNG.normal(size=(chips, 8)) * spread + centre).astype(np.float32)
    return VectorSet(name, [f"{name}_{row}" for row in range(chips)], vectors, chips)


TARGET = planted("target", 60, 0)
NEAR, FAR = planted("near", 50, 0.5), planted("far", 50, 4)


def rank(*sources: VectorSet, target: VectorSet = TARGET):
    return rank_source_vectors(target, sources, vectors="planted numbers", seed=0)


def test_the_source_of_the_target_s_kind_comes_first_with_its_lead():
    ranking = rank(FAR, NEAR)
    first, second = ranking.sources
    assert (first.name, second.name, ranking.size) == ("near", "far", 50)
    assert (first.behind, first.behind_interval) == (0, (0, 0))
    assert second.behind == pytest.approx(second.coverage - first.coverage, rel=1e-4)
    assert 0 < second.behind_interval[0] < second.behind < second.behind_interval[1]
    assert first.interval[0] < first.coverage == first.coverage_at_size < first.interval[1]
    assert advice(ranking) == "Pretrain on near first: it lies nearest to the target, beyond chance."


def test_sources_of_one_kind_show_no_difference():
    assert advice(rank(planted("one", 300, 0), planted("two", 300, 0))).startswith("No difference is shown between ")


def test_a_source_that_leads_by_its_size_alone_is_named():
    wide, narrow = planted("wide", 6000, 0, 2.0), planted("narrow", 40, 0)
    ranking = rank(narrow, wide)
    assert ranking.sources[0].name == "wide"
    assert advice(ranking).endswith("; at 40 chips each narrow is nearer, so wide leads by its size.")


def test_a_source_that_holds_the_target_is_reported_as_a_leak(capsys):
    vectors = np.concatenate([FAR.vectors, TARGET.vectors[:30]])
    leaking = VectorSet("leaking", [*FAR.ids, *(f"copy_{row}" for row in range(30))], vectors, len(vectors))
    ranking = rank(leaking, FAR)
    first, second = ranking.sources
    assert (first.name, first.copies, first.near_duplicates) == ("leaking", 30, 30)
    assert (second.copies, second.near_duplicates) == (0, 0)
    assert first.near_duplicate_chips == tuple(f"copy_{row}" for row in range(30))
    warning = "leaking: 30 of 60 target chips look like one of its chips, 30 of them have the same vector (first: "
    assert f"{warning}target_0 and copy_0)" in capsys.readouterr().err
    assert "without the copies among its 30 chips" in advice(ranking)


def test_all_chips_of_the_target_in_the_source_give_a_coverage_of_exactly_0():
    same = VectorSet("same", TARGET.ids, TARGET.vectors, 60)
    (figures,) = rank(same).sources
    assert (figures.coverage, figures.interval, figures.breadth, figures.near_duplicates) == (0, (0, 0), 0, 60)
    assert figures.frechet == pytest.approx(0, abs=1e-4)


def test_the_report_says_the_same_as_text_csv_and_json():
    ranking = rank(FAR, VectorSet("near", NEAR.ids, NEAR.vectors, 500))
    (near, far), values = csv.DictReader(io.StringIO(ranking_csv(ranking))), ranking_json(ranking)
    assert [near["source"], far["source"]] == [source["name"] for source in values["sources"]] == ["near", "far"]
    assert (near["chips"], near["compared"]) == ("500", "50")
    assert float(far["coverage"]) == values["sources"][1]["coverage"]
    text = ranking_text(ranking)
    assert text.startswith("target: 60 chips; vectors of planted numbers\n")
    assert "50 of 500" in text
    assert values["advice"] in text


@pytest.mark.parametrize(("target", "source"), [(TARGET, 1), (planted("target", 1, 0), 50)])
def test_a_covariance_needs_two_chips(target, source):
    with pytest.raises(ValueError, match=r"too few chips \(1\): the Fréchet distance needs a covariance"):
        rank(planted("source", source, 0), target=target)
