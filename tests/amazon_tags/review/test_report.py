"""`amazon_tags report`: what the page holds, and that its sliders give what decide and evaluate give."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from amazon_tags.model import bundle, decision_file, registry, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.review.out_of_fold import read_out_of_fold
from amazon_tags.review.report import ReportSources, report_page
from amazon_tags.tables import label_tables, labels, score_tables
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions import calibrate
from ensemble.decisions.decision import Decision, decide_tags, fit_decision, flat_decision
from ensemble.metrics import score
from tests.amazon_tags.review import small_bundles
from tests.browser import accessibility_faults, needs_chromium, open_page
from tests.bundle_copies import copied

WEATHER = LabelSpace(
    "weather", ("clear", "cloudy", "haze", "road", "water"), (("clear", "cloudy", "haze"),), ("cloudy",)
)
HOSTILE = LabelSpace("<i>hostile</i>", ("<script>alert(1)</script>", "it's&amp", "\u05e9\u05dc\u05d5\u05dd", "x" * 255))
DECISIONS = ("flat", "isotonic cuts with floors", "softmax cuts of F1", "ruled")
MOVES = [(0, "0.5"), (1, "0.07"), (2, "1.01"), (0, "0"), (1, "0.33"), (3, "0.3337")]  # slider, number, slider, ...


@pytest.fixture(scope="module")
def default_page():
    return report_page(bundle.DEFAULT, ReportSources())


@cache
def decisions() -> dict[str, Decision]:
    """A decision of each kind that a bundle may hold, fitted on the drawn scores."""
    scores, truth = small_bundles.drawn(WEATHER)
    rules = decision_file.rules(WEATHER)
    flat = flat_decision(len(WEATHER.names), rules=rules)
    fitted = {
        name: calibrate.fit(name, scores, truth, rules.groups) for name in ("none", "isotonic", "platt", "softmax")
    }
    floors = np.array([np.inf, 0.05, np.inf, 0.3, np.inf], np.float32)
    cuts = fit_decision("cuts", fitted["isotonic"], scores, truth, flat)
    return {
        "flat": flat,
        "isotonic cuts with floors": replace(cuts, floors=floors),
        "softmax cuts of F1": fit_decision("cuts", fitted["softmax"], scores, truth, replace(flat, beta=1.0)),
        "ruled": fit_decision("ruled", fitted["platt"], scores, truth, flat),
    }


def moved(decision: Decision, thresholds: dict[int, float]) -> Decision:
    values = decision.thresholds.copy()
    for label, threshold in thresholds.items():
        values[label] = threshold
    return replace(decision, decoder="cuts", thresholds=values)


def shown_f(page) -> float:
    return float(page.get_attribute("#live-f", "value"))


def test_the_page_of_the_bundled_model_has_every_part(default_page):
    names = labels.PLANET.names
    assert default_page.count("<figure") == len(names)
    assert default_page.count('class="threshold-mark"') == len(names)
    manifest = bundle.read_manifest(bundle.DEFAULT)
    assert f"{manifest.scores.f2:.4f} ({manifest.scores.interval[0]:.4f} to" in default_page
    parts = re.findall(r'<section id="(\w+)"', default_page)
    assert parts == ["thresholds", "tags", "confusions", "calibration", "members", "worst"]
    assert "nan" not in re.sub(r"<script.*?</script>", "", default_page, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', default_page) == []


def test_the_same_bundle_gives_the_same_page(default_page):
    assert report_page(bundle.DEFAULT, ReportSources()) == default_page


def test_the_data_of_the_page_are_the_scores_and_the_truth_bit_for_bit():
    out_of_fold = read_out_of_fold(bundle.DEFAULT, bundle.read_manifest(bundle.DEFAULT))
    data = out_of_fold.threshold_data()
    assert json.loads(json.dumps(data)) == data
    assert np.float32(data["thresholds"]).tolist() == out_of_fold.decision.thresholds.tolist()
    record = training_record.read_required(bundle.DEFAULT)
    assert score.f2(record.truth, decide_tags(out_of_fold.decision, record.scores)) == pytest.approx(
        out_of_fold.f_beta.mean()
    )


def test_a_bundle_without_scores_says_so_and_shows_the_rest(tmp_path):
    manifest = bundle.read_manifest(bundle.DEFAULT)
    files = {name: entry for name, entry in manifest.files.items() if name != training_record.FILE}
    page = report_page(copied(bundle.DEFAULT, tmp_path, files=files), ReportSources())
    assert "This bundle keeps no out-of-fold scores" in page
    assert re.findall(r'<section id="(\w+)"', page) == ["members"]
    assert "mobilenet_v2_035" in page
    assert "<input" not in page


def test_a_damaged_record_is_refused(tmp_path):
    model = copied(bundle.DEFAULT, tmp_path)
    (model / training_record.FILE).write_bytes(b"no")
    with pytest.raises(BundleError, match=r"held_out\.npz"):
        report_page(model, ReportSources())


def test_a_decision_without_thresholds_is_named(tmp_path):
    scores, truth = small_bundles.drawn(WEATHER)
    model = small_bundles.build(tmp_path, WEATHER, decisions()["ruled"], scores, truth)
    own = score.f2(truth, decide_tags(decisions()["ruled"], scores))
    assert f"highest expected F2, which reaches {own:.4f}" in " ".join(report_page(model, ReportSources()).split())


def test_the_command_writes_the_page_of_a_registry(run, tmp_path):
    name = registry.add(tmp_path / "models", bundle.DEFAULT, verified=True)
    registry.promote(tmp_path / "models", name, why="<b>best</b>", verified=True)
    done = run("report", tmp_path / "models", "-o", tmp_path / "a.html")
    assert (done.returncode, done.stdout) == (0, "")
    page = (tmp_path / "a.html").read_text()
    assert f"Report of model {name}" in page
    assert "&lt;b&gt;best&lt;/b&gt;" in page


def test_a_page_never_replaces_what_it_reads(run, tmp_path):
    (tmp_path / "curve.csv").write_text("shots,chips,seeds,metric,label,value,low,high\n1,9,1,f2,,0.5,0.4,0.6\n")
    done = run("report", "-o", tmp_path / "curve.csv", "--curve", tmp_path / "curve.csv")
    assert done.returncode == 1
    assert "is one of the inputs" in done.stderr
    assert (tmp_path / "curve.csv").read_text().startswith("shots,")


def test_train_writes_the_report_with_names_and_pictures_of_its_chips(model, world):
    page = model.with_name("model.html").read_text()
    assert f"Report of model {bundle.read_manifest(model).name}" in page
    chips = re.findall(r'<img src="data:image/jpeg;base64,[^"]+"[^>]*>\s*<div>\s*<h3>(\w+)</h3>', page)
    assert len(chips) == 24
    assert all((world.train_jpg / f"{name}.jpg").exists() for name in chips)


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("name", DECISIONS)
def test_sliders_give_the_f_of_the_decision_that_they_save(name, tmp_path):
    decision = decisions()[name]
    scores, truth = small_bundles.drawn(WEATHER)
    model = small_bundles.build(tmp_path, WEATHER, decision, scores, truth)
    file = tmp_path / "report.html"
    file.write_text(report_page(model, ReportSources()))
    with open_page(file) as page:
        thresholds: dict[int, float] = {}
        first = shown_f(page)
        assert first == pytest.approx(f_of(decision, {}, scores, truth), abs=1e-6)
        for number, (label, text) in enumerate(MOVES):
            page.fill(f"#{('slider', 'number')[number % 2]}-{label}", text)
            thresholds[label] = float(text)
            assert shown_f(page) == pytest.approx(f_of(decision, thresholds, scores, truth), abs=1e-6)
        with page.expect_download() as download:
            page.click("#export")
        download.value.save_as(tmp_path / "decision.json")
        page.click("#reset")
        assert shown_f(page) == first

    space, saved = decision_file.read(tmp_path / "decision.json")
    assert space == WEATHER
    expected = moved(decision, thresholds)
    np.testing.assert_array_equal(decide_tags(saved, scores), decide_tags(expected, scores))
    np.testing.assert_array_equal(saved.thresholds, expected.thresholds)


def f_of(decision: Decision, thresholds: dict[int, float], scores: np.ndarray, truth: np.ndarray) -> float:
    return score.f_beta(truth, decide_tags(moved(decision, thresholds), scores), beta=decision.beta)


@pytest.mark.slow
@needs_chromium
def test_decide_and_evaluate_give_the_f2_of_the_page_of_the_bundled_model(default_page, run, tmp_path):
    record = training_record.read_required(bundle.DEFAULT)
    ids = [f"chip_{number}" for number in range(len(record.truth))]
    score_tables.write_scores(tmp_path / "scores.csv", ids, record.scores, labels.PLANET)
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        label_tables.write_tags(stream, ids, record.truth, labels.PLANET)
    (tmp_path / "report.html").write_text(default_page)
    with open_page(tmp_path / "report.html") as page:
        for label, threshold in enumerate(np.linspace(0.03, 0.9, len(labels.PLANET.names)).round(2)):
            page.fill(f"#slider-{label}", str(threshold))
        shown = shown_f(page)
        with page.expect_download() as download:
            page.click("#export")
        assert download.value.suggested_filename == "decision.json"
        download.value.save_as(tmp_path / "decision.json")

    files = ("--decision", tmp_path / "decision.json", "-o", tmp_path / "tags.csv")
    assert run("decide", tmp_path / "scores.csv", *files).returncode == 0
    done = run("evaluate", tmp_path / "tags.csv", tmp_path / "labels.csv", "--json")
    assert json.loads(done.stdout)["f2"] == pytest.approx(shown, abs=1e-6)
    assert shown != pytest.approx(bundle.read_manifest(bundle.DEFAULT).scores.f2, abs=1e-3)


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_works_by_keyboard_and_for_screen_readers(default_page, tmp_path, width):
    (tmp_path / "report.html").write_text(default_page)
    with open_page(tmp_path / "report.html", width=width) as page:
        assert accessibility_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        road = labels.PLANET.names.index("road")
        page.focus("#reset")
        for _ in range(2 + 2 * road):  # the export button, then two controls a tag
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == f"slider-{road}"
        before = shown_f(page), page.get_attribute(f"#slider-{road}", "aria-valuetext")
        mark = f".tag:has(#slider-{road}) .threshold-mark"
        place = float(page.get_attribute(mark, "x1"))
        page.keyboard.press("PageUp")
        assert float(page.get_attribute(mark, "x1")) > place
        assert "against the bundle's thresholds" in page.inner_text("#live")
        assert shown_f(page) != before[0]
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == f"number-{road}"
        page.focus("#reset")
        page.keyboard.press("Enter")
        assert (shown_f(page), page.get_attribute(f"#slider-{road}", "aria-valuetext")) == before


@pytest.mark.slow
@needs_chromium
def test_hostile_labels_stay_text_and_chips_without_tags_count(tmp_path):
    scores, truth = small_bundles.drawn(HOSTILE)
    decision = flat_decision(len(HOSTILE.names), rules=decision_file.rules(HOSTILE))
    model = small_bundles.build(tmp_path, HOSTILE, decision, scores, truth)
    (tmp_path / "report.html").write_text(report_page(model, ReportSources()))
    with open_page(tmp_path / "report.html", width=390) as page:
        captions = page.evaluate(
            "[...document.querySelectorAll('.tag figcaption')].map(one => one.firstChild.data.trim())"
        )
        assert tuple(captions) == HOSTILE.names
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.fill("#number-0", "0.6")
        assert shown_f(page) == pytest.approx(f_of(decision, {0: 0.6}, scores, truth), abs=1e-6)
        with page.expect_download() as download:
            page.click("#export")
        download.value.save_as(tmp_path / "decision.json")
    assert decision_file.read(tmp_path / "decision.json")[0] == HOSTILE
