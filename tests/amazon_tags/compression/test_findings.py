"""What `amazon_tags compress` says of measured points, on made-up ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amazon_tags.compression.costs import Cost
from amazon_tags.compression.findings import compression_findings
from amazon_tags.compression.measured import MeasuredPoint, choose_point
from amazon_tags.compression.request import CompressedBundle, CompressRequest
from amazon_tags.compression.units import Point
from amazon_tags.inspection.findings import findings_csv, findings_text
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.recipe import Recipe
from amazon_tags.tables.labels import PLANET
from amazon_tags.training.training_data import TrainingData
from ensemble.metrics.seeded_scores import SeededScores
from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec

RECIPE = Recipe((TunedMember("net", "toy"),), ship=("net",))
MODEL = CompressedBundle(Path("folder/model"), Manifest(space=PLANET, spec=ChipSpec()), RECIPE, {}, "recipe", 40)
DATA = TrainingData([], [], np.zeros((48, 17), bool), np.zeros((48, 17), bool), PLANET, "", [])


def scores(f2):
    draws = f2 + np.random.default_rng(0).normal(scale=0.01, size=200)
    return SeededScores(f2, draws, f2 - 0.3, draws - 0.3, np.zeros(17), np.zeros((200, 17)))


def point(strategy, ratio, f2, milliseconds, gzipped):
    cost = Cost(round(1e5 / ratio), round(1e6 / ratio), milliseconds, 4_000_000, gzipped, 150_000_000)
    return MeasuredPoint(Point(strategy, ratio), float(ratio), scores(f2 - 0.1), scores(f2), cost, 3)


WHOLE = replace(point("unpruned", 1, 0.905, 2.00, 3_600_000), before=scores(0.9))
POINTS = [
    WHOLE,
    point("global-magnitude", 2, 0.901, 2.01, 2_000_000),
    point("global-magnitude", 8, 0.899, 1.99, 700_000),
    point("global-magnitude", 16, 0.85, 2.00, 400_000),
    point("layer-magnitude", 2, 0.9, 2.02, 2_050_000),
    point("global-gradient", 2, 0.896, 2.0, 2_040_000),
    point("random", 2, 0.9, 1.97, 300_000),
    point("channels", 2, 0.89, 1.4, 1_900_000),
    point("random-channels", 2, 0.88, 1.3, 1_900_000),
]


def test_the_fastest_point_of_little_loss_is_chosen_and_of_equally_fast_ones_the_smallest_but_no_control():
    assert choose_point(POINTS, None).point == Point("global-magnitude", 8)
    near = replace(POINTS[7], after=scores(0.8985))
    assert choose_point([*POINTS[:7], near], None) is near
    assert choose_point(POINTS, ("channels", 2.0)).point == Point("channels", 2)


def test_without_a_point_of_little_loss_none_is_shipped_unless_it_is_named():
    poor = [WHOLE, point("channels", 4, 0.8, 1.0, 1_000_000)]
    with pytest.raises(ValueError, match=r"no point loses at most 0.002 of F2"):
        choose_point(poor, None)
    assert choose_point(poor, ("channels", 4.0)) is poor[1]
    assert compression_findings(poor, DATA, MODEL, CompressRequest()).advice.startswith(
        "Keep the bundle as it is: no point loses at most 0.002 of F2; channels:4 loses least, 0.1000"
    )


def test_the_table_has_every_point_with_what_it_loses_to_the_networks_as_they_were():
    findings = compression_findings(POINTS, DATA, MODEL, CompressRequest())
    rows = [dict(zip(findings.columns, row, strict=True)) for row in findings.rows]
    assert [row["point"] for row in rows][:3] == ["unpruned", "global-magnitude:2", "global-magnitude:8"]
    assert np.isnan(rows[0]["lost"])
    assert rows[7]["lost"] == pytest.approx(0.01)
    assert rows[7]["lost_low"] == pytest.approx(
        rows[7]["lost_high"]
    )  # the same draws of chips: the difference is paired
    assert rows[2]["speedup"] == pytest.approx(8)
    assert findings_csv(findings).count("\n") == len(POINTS) + 1
    assert "trained on 40 of these chips" in findings_text(findings)


def test_the_advice_says_if_a_point_saves_time_or_bytes_alone():
    faster = replace(POINTS[7], after=scores(0.8985))
    advice = [
        compression_findings(points, DATA, MODEL, CompressRequest()).advice for points in (POINTS, [WHOLE, faster])
    ]
    assert advice[0].startswith("global-magnitude:8 is the fastest")
    assert "only where its bytes matter" in advice[0]
    assert advice[1].startswith("channels:2 is the fastest")
    assert advice[1].endswith("Pass --ship BUNDLE to write it.")


def test_the_picture_has_both_measured_axes_and_names_what_no_point_beats():
    picture = compression_findings(POINTS, DATA, MODEL, CompressRequest()).picture
    assert picture.count("<svg") == 3
    for text in ("measured milliseconds a chip on one core", "measured MiB, gzipped", "Pareto front"):
        assert text in picture
    named = [
        name for name in ("random-channels:2", "channels:2", "unpruned", "global-gradient:2") if f">{name}<" in picture
    ]
    assert named == ["random-channels:2", "channels:2", "unpruned"]


def other(kind, name, f2, milliseconds, gzipped):
    return replace(point(name, 1, f2, milliseconds, gzipped), kind=kind)


def advice(*others):
    return compression_findings([*POINTS, *others], DATA, MODEL, CompressRequest()).advice


def test_the_advice_says_if_int8_or_another_bundle_is_better_than_pruning():
    assert "pruned (" not in advice()
    assert advice(other("int8", "int8", 0.899, 1.0, 900_000)).endswith(
        "Better than pruning is int8: it loses 0.0010 (0.0010 to 0.0010), takes 1.00 ms a chip and 0.86 MiB gzipped; "
        "predict --precision int8 computes so."
    )
    assert "Better than pruning is small: " in advice(
        other("int8", "int8", 0.899, 1.0, 900_000), other("beside", "small", 0.9, 0.5, 900_000)
    )
    assert advice(other("int8", "int8", 0.85, 1.0, 900_000), other("beside", "big", 0.95, 9.0, 9_000_000)).endswith(
        "What was not pruned (int8, big) is no better: it loses more, or is slower or no smaller."
    )


def test_other_networks_are_never_shipped_and_are_compared_with_the_pruned_point():
    measured = [*POINTS, other("beside", "channels", 0.9, 0.5, 100_000), other("int8", "int8", 0.9, 0.5, 100_000)]
    assert choose_point(measured, None).point == Point("global-magnitude", 8)
    assert choose_point(measured, ("channels", 2.0)).kind == "pruned"
    notes = compression_findings(measured, DATA, MODEL, CompressRequest()).notes
    assert (
        "int8 against global-magnitude:8: F2 +0.0010 (+0.0010 to +0.0010, paired), 0.25 times its ms, 0.14 times its "
        "gzipped bytes"
    ) in notes


def test_random_pruning_alone_is_no_way_to_make_networks_smaller():
    findings = compression_findings([WHOLE, point("random", 2, 0.9, 1.0, 300_000)], DATA, MODEL, CompressRequest())
    assert findings.advice.startswith("Only controls were measured")


def test_the_picture_marks_and_names_networks_that_were_not_pruned():
    measured = [*POINTS, other("int8", "int8", 0.88, 2.4, 900_000), other("beside", "<small>", 0.87, 30.0, 9_000_000)]
    picture = compression_findings(measured, DATA, MODEL, CompressRequest()).picture
    assert picture.count(">int8<") == picture.count(">&lt;small&gt;<") == 4  # in each chart's legend and at its point
    assert picture.count("<rect") == 2 * 5  # in each chart two of either mark, before white ground
    assert picture.count("rotate(45") == 2 * 2
