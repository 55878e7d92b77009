"""Changes between two scenes: planted roads are found, equal scenes give no alert, others are refused."""

import csv
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from pyarrow import parquet as pq
from rasterio.transform import Affine

from amazon_tags import ChangeSettings, MapSettings, Tagger
from amazon_tags.datasets import sample
from amazon_tags.maps import calibrated
from amazon_tags.maps.change_scenes import ChangeOptions, change_scenes
from amazon_tags.model import bundle
from amazon_tags.prediction.tag_chips import TagOptions
from ensemble.decisions.decision import flat_decision
from features.images.layout import Layout
from tests.scene_files import NORTH_UP, noise, shifted, write_scene

SIDE = 256
SMALL = ChangeSettings(MapSettings(pixels=64), max_cloud=1)
BRIGHT = ChangeSettings(max_cloud=0.8)  # rendered roads are brighter than real ones, and look like small clouds
F32 = ("--precision", "f32", "--device", "cpu")


@dataclass(frozen=True)
class Planted:
    """Two dates of rendered forest, and the windows in which a road was planted, removed, or hidden by cloud."""

    before: Path
    after: Path
    appeared: tuple[str, ...] = ("r0_c256", "r256_c512", "r768_c0")
    vanished: tuple[str, ...] = ("r512_c256",)
    clouded: tuple[str, ...] = ("r768_c768",)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    pair = Planted(folder / "before.tif", folder / "after.tif")
    dates = {pair.before: pair.vanished + pair.clouded, pair.after: pair.appeared}
    for path, roads in dates.items():
        rows, seeds = [], iter(range(16))
        for top in range(0, 4 * SIDE, SIDE):
            names = [f"r{top}_c{left}" for left in range(0, 4 * SIDE, SIDE)]
            tags = [{"primary", "clear"} | ({"road"} if name in roads else set()) for name in names]
            if path == pair.after:
                tags = [
                    {"cloudy"} if name in pair.clouded else of_window
                    for name, of_window in zip(names, tags, strict=True)
                ]
            rows.append(np.hstack([sample.render(of_window, seed=next(seeds)) for of_window in tags]))
        write_scene(path, np.vstack(rows))
    return pair


@pytest.fixture(scope="module")
def tagger():
    return Tagger.load(precision="f32", device="cpu", jobs=2)


def compared(before, after, output, *, settings=SMALL, **tagging):
    options = ChangeOptions(settings, TagOptions(precision="f32", device="cpu", **tagging))
    dates = ([before] if isinstance(before, Path) else before, [after] if isinstance(after, Path) else after)
    return change_scenes(dates, output, options=options).alerts


def test_planted_and_removed_roads_are_the_road_alerts_of_the_command(planted, run, tmp_path):
    options = ("-o", tmp_path / "change.geojson", "--max-cloud", BRIGHT.max_cloud, *F32)
    done = run("change", planted.before, planted.after, *options)
    assert done.returncode == 0, done.stderr
    alerts = list(csv.DictReader(io.StringIO(done.stdout)))
    roads = {(alert["window"], alert["change"]) for alert in alerts if alert["tag"] == "road"}
    appeared, vanished = ({(name, what) for name in getattr(planted, what)} for what in ("appeared", "vanished"))
    assert roads == appeared | vanished  # precision and recall are 1

    features = json.loads((tmp_path / "change.geojson").read_text())["features"]
    windows = {feature["properties"]["window"]: feature["properties"] for feature in features}
    assert len(windows) == 16 - len(planted.clouded)
    assert not set(planted.clouded) & set(windows)
    assert "1 of 16 windows are not compared, because clouds are more probable than 80%" in done.stderr
    assert f"15 windows compared: {len(alerts)} changes of tags have a probability of at least 0.5" in done.stderr
    odds = [float(alert["odds"]) for alert in alerts]
    assert odds == sorted(odds, reverse=True)
    for alert in alerts:
        probability = windows[alert["window"]][f"{alert['change']}_{alert['tag']}"]
        assert float(alert["probability"]) == pytest.approx(probability, abs=1e-4)
        assert float(alert["odds"]) == pytest.approx(probability / (1 - probability), rel=1e-3)
        assert alert["tag"] in windows[alert["window"]][alert["change"]]
        assert probability >= 0.5


def test_the_same_scene_twice_gives_no_alert_down_to_a_quarter(planted, tmp_path):
    for path in (planted.before, planted.after):
        settings = ChangeSettings(max_cloud=1, min_probability=0.2501)
        assert compared(path, path, tmp_path / "change.parquet", settings=settings) == []
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    assert len(table["window"]) == 16
    assert set(table["appeared"]) == set(table["vanished"]) == {""}
    assert table["appeared_road"] == table["vanished_road"]


@pytest.mark.parametrize("overlap", [0, 0.5])
def test_the_probabilities_are_those_of_the_scores_of_both_maps(overlap, planted, tagger, tmp_path):
    windows = MapSettings(pixels=SIDE, overlap=overlap)
    compared(planted.before, planted.after, tmp_path / "change.parquet", settings=ChangeSettings(windows, max_cloud=1))
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    dates = [tagger.map(path, settings=windows) for path in (planted.before, planted.after)]
    maps = [{window.name: window for window in date} for date in dates]
    assert table["window"] == list(maps[0])
    for row, name in enumerate(table["window"]):
        before, after = (of_date[name].scores for of_date in maps)
        for label in tagger.labels:
            assert table[f"appeared_{label}"][row] == pytest.approx((1 - before[label]) * after[label], abs=2e-6)
            assert table[f"vanished_{label}"][row] == pytest.approx(before[label] * (1 - after[label]), abs=2e-6)
        for date, scores in (("before", before), ("after", after)):
            clouds = min(1, sum(scores[label] for label in ("cloudy", "partly_cloudy", "haze")))
            assert table[f"cloud_{date}"][row] == pytest.approx(clouds, abs=1e-6)
        assert table["valid"][row] == np.float32(maps[0][name].valid)


def test_the_tagger_yields_the_changes_of_the_command(planted, tagger, tmp_path):
    alerts = compared(planted.before, planted.after, tmp_path / "change.parquet", settings=BRIGHT)
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    windows = list(tagger.change(planted.before, planted.after, settings=BRIGHT))
    assert [window.name for window in windows] == table["window"]
    for label in tagger.labels:
        assert [np.float32(window.appeared[label]) for window in windows] == table[f"appeared_{label}"]
        assert [np.float32(window.vanished[label]) for window in windows] == table[f"vanished_{label}"]
    by_name = {window.name: window for window in windows}
    assert alerts
    for alert in alerts:
        assert getattr(by_name[alert.window], alert.change)[alert.tag] == alert.probability


def test_weather_is_in_the_table_but_never_an_alert(planted, tmp_path):
    settings = ChangeSettings(max_cloud=1, min_probability=0.3)
    alerts = compared(planted.before, planted.after, tmp_path / "change.parquet", settings=settings)
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    row = table["window"].index(planted.clouded[0])
    assert table["appeared_cloudy"][row] > 0.3
    assert not {alert.tag for alert in alerts} & {"clear", "cloudy", "partly_cloudy", "haze"}


def test_every_format_has_the_same_changes(planted, tmp_path):
    paths = [tmp_path / f"change{suffix}" for suffix in (".parquet", ".geojson", ".gpkg")]
    for path in paths:
        compared(planted.before, planted.after, path, settings=BRIGHT)
    table = pq.read_table(paths[0]).to_pydict()
    features = [feature["properties"] for feature in json.loads(paths[1].read_text())["features"]]
    meta, _, polygons, values = pyogrio.raw.read(paths[2])
    assert [bytes(polygon) for polygon in polygons] == table["geometry"]
    for name, column in zip(meta["fields"], values, strict=True):
        assert column.tolist() == table[name]
        written = [row[name] for row in features]
        joined = [" ".join(value) if isinstance(value, list) else value for value in written]
        assert joined == table[name] or np.array_equal(np.float32(joined), np.float32(table[name]))


def test_scenes_that_overlap_are_compared_where_they_do(tmp_path):
    pixels = noise(200, 260)
    before = write_scene(tmp_path / "before.tif", pixels[:, :200])
    after = write_scene(tmp_path / "after.tif", pixels[:, 64:], transform=shifted(NORTH_UP, 64, 0))
    compared(before, after, tmp_path / "change.parquet", settings=replace(SMALL, min_probability=0.26))
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    assert table["window"] == [f"r{row}_c{column}" for row in (0, 64, 128) for column in (64, 128)]
    assert set(table["appeared"]) == {""}
    assert table["appeared_road"] == table["vanished_road"]  # the same pixels at both dates


def test_what_one_date_alone_lacks_is_no_change(tmp_path):
    pixels = noise(128, 128)
    holed = pixels.copy()
    holed[:25], holed[40:50, 70:104] = 255, 255
    before = write_scene(tmp_path / "before.tif", pixels)
    after = write_scene(tmp_path / "after.tif", holed, nodata=255)
    compared(before, after, tmp_path / "change.parquet", settings=replace(SMALL, min_probability=0.26))
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    assert table["appeared_road"] == table["vanished_road"]
    assert set(table["appeared"]) == set(table["vanished"]) == {""}
    assert table["valid"] == [np.float32(1 - 25 / 64), np.float32(1 - 25 / 64 - 10 * 34 / 4096), 1, 1]


def test_parts_of_a_date_are_joined_from_a_folder(run, tmp_path):
    pixels = noise(128, 128)
    whole = write_scene(tmp_path / "whole.tif", pixels)
    parts = tmp_path / "parts"
    parts.mkdir()
    write_scene(parts / "left.tif", pixels[:, :70])
    write_scene(parts / "right.TIFF", pixels[:, 70:], transform=shifted(NORTH_UP, 70, 0))
    (parts / "notes.txt").write_text("no scene")
    done = run("change", whole, parts, "-o", tmp_path / "change.parquet", "--pixels", 64, "--max-cloud", 1, *F32)
    assert (done.returncode, done.stdout) == (0, "window,tag,change,probability,odds\n")
    table = pq.read_table(tmp_path / "change.parquet").to_pydict()
    assert len(table["window"]) == 4
    assert table["appeared_road"] == table["vanished_road"]


def test_what_is_assumed_about_positions_is_said(tmp_path, caplog):
    before = write_scene(tmp_path / "before.tif", noise(130, 130))
    between = write_scene(tmp_path / "between.tif", noise(130, 130), transform=shifted(NORTH_UP, 0.25, 1.5))
    compared(before, between, tmp_path / "change.parquet")
    assert "between.tif lies between the pixels of" in caplog.text
    assert "is taken to lie -0.25 columns and +0.50 rows from where it is" in caplog.text

    lost = [write_scene(tmp_path / f"{name}.tif", noise(130, 130), crs=None, transform=None) for name in "ab"]
    compared(*lost, tmp_path / "change.parquet")
    assert "states a position: pixels of one column and row are taken to show the same ground" in caplog.text


def test_windows_that_cannot_be_used_are_listed_for_both_dates(run, tmp_path):
    pixels = noise(64, 192, 4, "uint16") + np.uint16(3000)
    paths = []
    for name, column in (("before", 0), ("after", 128)):
        broken = pixels.copy()
        broken[:, column : column + 64] = np.random.default_rng(0).integers(0, 9, (64, 64, 4))  # no levels of a sensor
        paths.append(write_scene(tmp_path / f"{name}.tif", broken))
    options = ("--pixels", 64, "--levels", "dn", "--max-cloud", 1, "--on-error", "skip")
    done = run("change", *paths, "-o", tmp_path / "change.geojson", *options, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "2 of 6 chips could not be used and were skipped" in done.stderr
    files = [json.loads(line)["file"] for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert files == [f"{paths[0]} at row 0, column 0", f"{paths[1]} at row 0, column 128"]
    (feature,) = json.loads((tmp_path / "change.geojson").read_text())["features"]
    assert feature["properties"]["window"] == "r0_c64"


def test_other_layouts_and_jobs_change_no_byte(tmp_path):
    before, after = noise(150, 200), noise(150, 200)[::-1].copy()
    contents = set()
    for jobs, options in enumerate(({}, {"tiled": True, "blockxsize": 64, "blockysize": 32}), start=1):
        paths = [write_scene(tmp_path / f"{n}.tif", p, **options) for n, p in (("before", before), ("after", after))]
        compared(*paths, tmp_path / "change.geojson", jobs=jobs)
        contents.add((tmp_path / "change.geojson").read_bytes())
    assert len(contents) == 1


CLOUD = np.hstack([sample.render({"cloudy"}, seed=number) for number in range(2)])
REFUSED = {
    "another system": ({"crs": "EPSG:32722"}, "has the reference system EPSG:32722, but"),
    "another resolution": ({"transform": Affine(6, 0, 600_000, 0, -6, 9_700_000)}, "pixels of another size"),
    "other ground": ({"transform": shifted(NORTH_UP, 0, 9999)}, "covers no ground of"),
    "too little ground": ({"transform": shifted(NORTH_UP, 450, 0)}, "after.tif has no window with data in 50%"),
    "no position": ({"crs": None, "transform": None}, "after.tif states no position, but"),
    "no data": ({"pixels": np.zeros((256, 512, 3), np.uint8), "nodata": 0}, "after.tif has no window with data in 50%"),
    "cloud": ({"pixels": CLOUD}, r"is clear at both dates: clouds are more probable than 50% in 0 of .* and in 2 of"),
}


def write_pair(folder, options):
    clear = np.hstack([sample.render({"primary", "clear"}, seed=number) for number in range(2)])
    after = {"pixels": clear, **options}
    return write_scene(folder / "before.tif", clear), write_scene(folder / "after.tif", **after)


@pytest.mark.parametrize("name", REFUSED)
def test_scenes_that_cannot_be_compared_are_refused_with_the_reason_and_no_file(name, tmp_path):
    options, reason = REFUSED[name]
    paths = write_pair(tmp_path, options)
    with pytest.raises(ValueError, match=reason) as error:
        compared(*paths, tmp_path / "change.geojson", settings=ChangeSettings())
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after.tif", "before.tif"]


def test_refusals_of_the_command_are_one_line(run, tmp_path):
    write_pair(tmp_path, {"crs": "EPSG:32722"})
    cases = {
        ("change.csv",): (1, "has no suffix of a map"),
        ("before.tif",): (1, "has no suffix of a map"),
        ("change.geojson", "--html", "page.txt"): (
            1,
            "page.txt has no suffix of a page; name a file that ends in .html",
        ),
        ("change.geojson", "--html", "none/page.html"): (74, "cannot be written"),
        ("none/change.geojson",): (74, "cannot be written"),
        ("change.geojson",): (1, "has the reference system EPSG:32722, but"),
        ("change.geojson", "--ground", 100, "--pixels", 100): (2, "both state the side of a window"),
        ("change.geojson", "--min-probability", 1.5): (2, "1.5 is not in the range"),
    }
    for (output, *options), (code, reason) in cases.items():
        done = run("change", "before.tif", "after.tif", "-o", output, *options, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert reason in done.stderr.splitlines()[-1]
        assert code == 2 or len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after.tif", "before.tif"]


def test_a_date_without_common_windows_is_refused(tmp_path):
    pixels = noise(64, 192)
    before, after = pixels.copy(), pixels.copy()
    before[:, 64:], after[:, :128] = 0, 0
    paths = [write_scene(tmp_path / f"{n}.tif", p, nodata=0) for n, p in (("before", before), ("after", after))]
    with pytest.raises(ValueError, match=r"before.tif and .*after.tif share no window with data in 50% of its"):
        compared(*paths, tmp_path / "change.parquet")


def test_a_folder_without_scenes_is_refused(run, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    (tmp_path / "empty").mkdir()
    done = run("change", scene, tmp_path / "empty", "-o", tmp_path / "change.parquet")
    assert done.returncode == 1
    assert "empty holds no file that ends in .tif or .tiff" in done.stderr


def test_scores_are_calibrated_as_the_decision_does_or_by_least_log_loss(caplog, monkeypatch):
    model = bundle.load(bundle.DEFAULT, jobs=1, precision="f32", device="cpu")
    assert calibrated.choose_calibration(model).kind == "none"
    assert "as they are, which has the least log loss on the model's 771 held-out chips" in caplog.text

    record = calibrated.training_record.read(model.folder)
    crooked = replace(record, scores=record.scores**3)
    monkeypatch.setattr(calibrated.training_record, "read", lambda folder: crooked)
    chosen = calibrated.choose_calibration(model)
    assert chosen.kind != "none"
    assert f"as probabilities by {chosen.kind}, which has" in caplog.text

    decision = replace(flat_decision(17, rules=model.decision.rules), calibration=chosen)
    assert calibrated.choose_calibration(replace(model, decision=decision)) is chosen
    assert "scores are calibrated as the model's decision does" in caplog.text

    monkeypatch.setattr(calibrated.training_record, "read", lambda folder: None)
    assert calibrated.choose_calibration(model).kind == "none"
    assert "the model keeps no held-out chips to calibrate its scores on" in caplog.text


def test_settings_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match=r"max_cloud is 1\.5, but must be from 0 to 1"):
        ChangeSettings(max_cloud=1.5)
    with pytest.raises(ValueError, match="min_probability is nan"):
        ChangeSettings(min_probability=float("nan"))


def test_two_dates_are_scaled_by_percentiles_of_both_together(tmp_path, caplog):
    before = write_scene(tmp_path / "before.tif", noise(64, 128, 3, "uint16"))
    after = write_scene(tmp_path / "after.tif", noise(64, 128, 3, "uint16") + np.uint16(9000))
    tagging = TagOptions(precision="f32", device="cpu", layout=Layout(levels="0%:100%"))
    change_scenes(([before], [after]), tmp_path / "change.geojson", options=ChangeOptions(SMALL, tagging))
    pixels = noise(64, 128, 3, "uint16").reshape(-1, 3)
    expected = ",".join(
        f"{low}:{high + 9000}" for low, high in zip(pixels.min(axis=0), pixels.max(axis=0), strict=True)
    )
    assert f"--levels {expected} repeats this" in caplog.text
