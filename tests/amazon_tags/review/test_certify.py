"""`certify` and `certify-answers`: a random sample of a folder, and what its answers say of the whole."""

import json

import numpy as np
import pytest

from amazon_tags.model import decision_file
from amazon_tags.review import queue
from amazon_tags.review.certificate_findings import certificate_findings
from amazon_tags.review.certify import SampleSource, certify_answers, plan_path, write_sample
from amazon_tags.review.sample_plan import SampleOptions, read_plan
from amazon_tags.tables import corrections, labels, score_tables, truth_tables
from amazon_tags.tables.corrections import Correction
from ensemble.decisions.decision import decide_tags
from ensemble.metrics import score
from tests.amazon_tags.review import reviews
from tests.browser import needs_chromium, open_page

SPACE = labels.PLANET
COUNT = 60


@pytest.fixture
def home(tmp_path):
    reviews.write_world(tmp_path, COUNT)
    ids, scores, _ = score_tables.read_scores(tmp_path / "scores.csv", SPACE)
    scores[::3, SPACE.names.index("water")] = 0.6  # the model has no idea of the water
    score_tables.write_scores(tmp_path / "scores.csv", ids, scores, SPACE)
    return tmp_path


def draw(home, **changes):
    options = SampleOptions(**{"sample": 40, **changes})
    return write_sample(home / "scores.csv", [home / "chips"], home / "s.html", options=options, source=SampleSource())


def truth_of(home):
    table = truth_tables.read_truth(home / "labels.csv", SPACE)
    return dict(zip(table.ids, table.truth, strict=True))


def answer(home, chips):
    truth = truth_of(home)
    rows = [
        Correction(chip, name, bool(holds))
        for chip in chips
        for name, holds in zip(SPACE.names, truth[chip], strict=True)
    ]
    with (home / "corrections.csv").open("w") as stream:
        corrections.write(stream, rows)
    return home / "corrections.csv"


def certificate_of(home, chips):
    return certify_answers(home / "scores.csv", plan_path(home / "s.html"), answer(home, chips))


def test_a_folder_that_is_answered_whole_is_known(home):
    plan = draw(home, sample=COUNT)
    certificate = certificate_of(home, plan.names())
    truth = np.stack([truth_of(home)[name] for name in plan.names()])
    ids, scores, _ = score_tables.read_scores(home / "scores.csv", SPACE)
    _, decision = decision_file.from_json(plan.decision)
    tags = decide_tags(decision, scores[[ids.index(name) for name in plan.names()]])
    assert certificate.f.interval == (certificate.f.mean, certificate.f.mean)
    assert certificate.f.mean == pytest.approx(score.f2(truth, tags))
    per_label = score.per_label(truth, tags)
    for label, name in enumerate(SPACE.names):
        precision, recall = certificate.labels[name].precision, certificate.labels[name].recall
        assert (precision.hits, precision.count) == ((truth & tags)[:, label].sum(), tags[:, label].sum())
        if precision.count:
            assert precision.interval == pytest.approx([per_label.precision[label]] * 2)
        if recall.count:
            assert recall.value == pytest.approx(per_label.recall[label])
            assert recall.interval[0] <= recall.value <= recall.interval[1]


def test_further_chips_count_for_the_precision_of_their_tag_alone(home):
    plan = draw(home, sample=20, each_tag=12)
    drawn = {chip.name for chip in plan.sample}
    water = plan.further["water"]
    assert not drawn & set(water)
    without = certify_answers(home / "scores.csv", plan_path(home / "s.html"), answer(home, sorted(drawn)))
    certificate = certificate_of(home, plan.names())
    precision, before = (each.labels["water"].precision for each in (certificate, without))
    assert precision.count == before.count + len(water) == 12
    assert certificate.f == without.f
    assert all(certificate.labels[name].recall == without.labels[name].recall for name in SPACE.names)


def test_the_first_chips_of_a_sample_are_enough(home, capsys):
    plan = draw(home)
    names = plan.names()[:25]
    assert certificate_of(home, names).answered == 25
    assert "25 of the 40 drawn chips are answered; these count" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (lambda names: names[:9], "has answers to 9 of the 40 drawn chips, but at least 10 are needed"),
        (lambda names: names[:5] + names[6:], "17 answers to the first 40 chips are missing"),
        (lambda _: [], "has answers to 0 of the 40 drawn chips"),
    ],
    ids=["few", "a gap", "none"],
)
def test_missing_answers_are_refused(home, wanted, reason):
    names = draw(home).names()
    with pytest.raises(ValueError, match=reason):
        certificate_of(home, wanted(names))


def test_another_table_or_file_is_refused(home, tmp_path):
    answers = answer(home, draw(home).names())
    plan = plan_path(home / "s.html")
    reviews.change_score(home, "chip_1", "road", 0.3)
    with pytest.raises(ValueError, match="is not the table of the sample"):
        certify_answers(home / "scores.csv", plan, answers)
    for text in ("{}", "[1]", "no JSON", plan.read_text().replace('"format": 1', '"format": 7')):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(ValueError, match="is not the plan of a sample"):
            read_plan(tmp_path / "other.json")


def test_answers_about_other_chips_are_left_out(home, capsys):
    names = draw(home, sample=30).names()
    other = next(name for name in truth_of(home) if name not in names)
    certificate = certificate_of(home, [*names, other])
    assert certificate.answered == 30
    assert f"are about chips that were not drawn (first: '{other}')" in capsys.readouterr().err


def test_chips_that_cannot_be_used_are_not_drawn(home, capsys):
    (home / "chips" / "chip_0.jpg").write_bytes(b"damaged")
    rows = (home / "scores.csv").read_text().splitlines()
    (home / "scores.csv").write_text("\n".join(row for row in rows if not row.startswith("chip_0,")) + "\n")
    plan = draw(home, sample=COUNT)
    assert len(plan.sample) == sum(plan.strata) == COUNT - 1
    assert "1 that cannot be used are left out" in capsys.readouterr().err


def test_the_same_seed_draws_the_same_chips_and_another_others(home):
    assert draw(home) == draw(home) != draw(home, seed=1)


def test_more_chips_than_a_page_takes_are_refused(home, monkeypatch):
    monkeypatch.setattr("amazon_tags.review.certify.MAX_CHIPS", 30)
    with pytest.raises(ValueError, match="40 chips would be drawn, but a page takes 30"):
        draw(home)
    assert not (home / "s.html").exists()


def test_findings_say_how_many_more_chips_a_width_needs(home):
    plan = draw(home, sample=30)
    certificate = certificate_of(home, plan.names())
    wide, narrow = (certificate_findings(certificate, width) for width in (0.99, 0.01))
    assert wide.details["more_for_f"] == 0
    assert narrow.details["more_for_f"] > 0
    assert all(row[-1] in (0, "-") or np.isnan(row[-1]) for row in wide.rows)
    assert json.loads(json.dumps(narrow.to_json(), allow_nan=False))["labels"]["water"]["precision"]["of"] > 0
    assert "<svg" in narrow.picture


def test_commands_go_from_scores_to_a_certificate(home, run):
    done = run("certify", "scores.csv", "chips", "--sample", 20, "-o", "sample.html", cwd=home)
    assert done.returncode == 0, done.stderr
    answer(home, read_plan(home / "sample.plan.json").names())
    options = ("--html", "page.html", "--corrected", "decision.json")
    done = run("certify-answers", "scores.csv", "sample.plan.json", "corrections.csv", *options, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "F2 of 60 chips, from 20 drawn at random" in done.stdout
    assert decision_file.read(home / "decision.json")[0].names == SPACE.names
    assert "<svg" in (home / "page.html").read_text()
    done = run("certify-answers", "scores.csv", "labels.csv", "corrections.csv", cwd=home)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is not the plan of a sample" in done.stderr


@pytest.mark.slow
@needs_chromium
def test_a_sample_is_answered_by_one_key_a_chip(home):
    plan = draw(home, sample=12)
    assert queue.MAX_CHIPS >= 12
    with open_page(home / "s.html") as page:
        assert page.locator("h1").inner_text() == "Random sample of 12 chips"
        assert page.locator("#tags li").count() == len(SPACE.names)
        for _ in plan.sample:
            page.keyboard.press("Enter")
        with page.expect_download() as download:
            page.keyboard.press("e")
        download.value.save_as(home / "corrections.csv")
    certificate = certify_answers(home / "scores.csv", plan_path(home / "s.html"), home / "corrections.csv")
    assert (certificate.answered, certificate.f.mean) == (12, 1)  # all tags were said to be right
    assert certificate.f.interval[0] < 1
