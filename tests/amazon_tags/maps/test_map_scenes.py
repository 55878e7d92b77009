"""Maps of scenes: each window has the scores of the chip cut from it, however the scene is stored and the run goes."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet as pq

from amazon_tags import MapSettings, Tagger
from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.model.manifest import Manifest
from amazon_tags.prediction.tag_chips import TagOptions
from features.images.chips import ChipError
from features.images.layout import Layout
from tests.scene_files import LAYOUTS, NORTH_UP, cut, noise, shifted, write_scene

F32 = TagOptions(precision="f32", device="cpu")
SMALL = MapSettings(pixels=64)


@pytest.fixture(scope="module")
def tagger():
    return Tagger.load(precision="f32", device="cpu", jobs=2)


def mapped(scenes, output, *, settings=SMALL, **tagging):
    options = MapOptions(settings, TagOptions(precision="f32", device="cpu", **tagging))
    map_scenes(scenes if isinstance(scenes, list) else [scenes], output, options=options)
    return output.read_bytes()


def assert_scores_of_the_chips(windows, tagger, scene, folder):
    folder.mkdir()
    for window in windows:
        left, top, right, bottom = window.box
        cut(scene, folder / f"{window.name}.tif", (left, top, right - left, bottom - top))
    chips = {chip.name: chip for chip in tagger.predict(folder)}
    assert len(chips) == len(windows)
    for window in windows:
        assert window.scores == chips[window.name].scores
        assert window.tags == chips[window.name].tags


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_window_has_the_very_scores_of_the_chip_cut_from_the_scene(layout, tagger, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200), **LAYOUTS[layout])
    windows = list(tagger.map(scene, settings=MapSettings(pixels=64, edges="drop")))
    assert [window.name for window in windows] == [f"r{row}_c{column}" for row in (0, 64) for column in (0, 64, 128)]
    assert_scores_of_the_chips(windows, tagger, scene, tmp_path / "chips")


def test_windows_of_levels_and_other_sizes_have_the_scores_of_their_chips_too(tmp_path):
    tagger = Tagger.load(precision="f32", device="cpu", levels="dn", bands=("blue", "green", "red", "nir"), jobs=2)
    pixels = noise(150, 200, 4, "uint16") + np.uint16(3000)
    scene = write_scene(tmp_path / "scene.tif", pixels, nodata=0)
    windows = list(tagger.map(scene, settings=MapSettings(ground=150, edges="drop")))
    assert windows[-1].box == (150, 100, 200, 150)
    assert_scores_of_the_chips(windows, tagger, scene, tmp_path / "chips")


def test_files_of_one_band_have_the_map_of_one_file_with_all(tmp_path, caplog):
    pixels = noise(150, 200)
    whole = write_scene(tmp_path / "scene.tif", pixels)
    bands = [write_scene(tmp_path / f"s2_B0{4 - band}.tif", pixels[..., [band]]) for band in range(3)]
    assert mapped(bands, tmp_path / "bands.geojson") == mapped(whole, tmp_path / "whole.geojson")
    assert "3 files of one band are read as one scene with the bands red, green, blue" in caplog.text


def test_the_ground_of_the_competitions_chips_is_the_default(tagger, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(300, 520))
    (first, second) = tagger.map(scene, settings=MapSettings(edges="drop"))
    assert (first.box, second.box) == ((0, 0, 256, 256), (256, 0, 512, 256))
    assert first.polygon[2] == (600_000 + 768, 9_700_000 - 768)


def test_the_map_of_the_command_is_that_of_the_tagger(tagger, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200))
    settings = MapSettings(pixels=64, overlap=0.5)
    mapped(scene, tmp_path / "tags.parquet", settings=settings)
    table = pq.read_table(tmp_path / "tags.parquet").to_pydict()
    windows = list(tagger.map(scene, settings=settings))
    assert table["window"] == [window.name for window in windows]
    assert table["tags"] == [" ".join(window.tags) for window in windows]
    for label in tagger.labels:
        assert table[f"score_{label}"] == [window.scores[label] for window in windows]


@pytest.mark.parametrize("suffix", [".parquet", ".geojson"])
def test_layout_and_jobs_change_no_byte(suffix, tmp_path):
    pixels = noise(150, 200)
    maps = {
        mapped(write_scene(tmp_path / "scene.tif", pixels, **options), tmp_path / f"tags{suffix}", jobs=jobs)
        for jobs, options in enumerate(LAYOUTS.values(), start=1)
    }
    assert len(maps) == 1


def test_a_checkpoint_resumes_with_the_same_bytes_and_refuses_another_scene(tmp_path):
    pixels = noise(150, 200)
    scene = write_scene(tmp_path / "scene.tif", pixels)
    expected = mapped(scene, tmp_path / "tags.parquet")
    folder = tmp_path / "checkpoint"
    assert mapped(scene, tmp_path / "tags.parquet", checkpoint=folder) == expected
    (shard,) = folder.glob("*.parquet")
    written = shard.stat().st_mtime_ns
    assert mapped(scene, tmp_path / "tags.parquet", checkpoint=folder) == expected
    assert shard.stat().st_mtime_ns == written

    write_scene(scene, pixels + np.uint8(1))
    with pytest.raises(ValueError, match="have changed since it was written"):
        mapped(scene, tmp_path / "tags.parquet", checkpoint=folder)
    with pytest.raises(ValueError, match="is for chips whose names have the hash"):
        mapped(scene, tmp_path / "tags.parquet", checkpoint=folder, settings=MapSettings(pixels=50))


@pytest.mark.slow
def test_a_killed_map_goes_on_to_the_same_bytes(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(1100, 1100), tiled=True)
    settings = ("--pixels", "32", "--precision", "int8", "-o", tmp_path / "tags.parquet")
    command = [sys.executable, "-m", "amazon_tags", "map", scene, *settings]
    subprocess.run(command, check=True, capture_output=True)
    expected = (tmp_path / "tags.parquet").read_bytes()
    (tmp_path / "tags.parquet").unlink()

    command += ["--checkpoint", tmp_path / "checkpoint"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list((tmp_path / "checkpoint").glob("*.parquet")):
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "tags.parquet").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "tags.parquet").read_bytes() == expected


def test_joined_scenes_are_mapped_as_the_whole(tmp_path):
    pixels = noise(150, 200)
    whole = write_scene(tmp_path / "whole.tif", pixels)
    halves = [
        write_scene(tmp_path / "left.tif", pixels[:, :90]),
        write_scene(tmp_path / "right.tif", pixels[:, 90:], transform=shifted(NORTH_UP, 90, 0)),
    ]
    assert mapped(halves, tmp_path / "tags.parquet") == mapped(whole, tmp_path / "tags.parquet")


def test_bands_are_chosen_by_number_as_by_name(tmp_path):
    pixels = noise(64, 64, 4)
    scene = write_scene(tmp_path / "scene.tif", pixels)
    by_name = mapped(scene, tmp_path / "tags.parquet", layout=Layout(("green", "other", "red", "blue")))
    assert mapped(scene, tmp_path / "tags.parquet", layout=Layout(("3", "1", "4"))) == by_name
    for numbers in [("3", "1"), ("1", "2", "5"), ("1", "1", "2"), ("0", "1", "2")]:
        with pytest.raises(ValueError, match="must be 3 different numbers from 1 to 4, for red, green, blue"):
            mapped(scene, tmp_path / "tags.parquet", layout=Layout(numbers))


def test_empty_windows_are_left_out_and_counted(tmp_path, caplog):
    pixels = noise(128, 192)
    pixels[:64, :64] = 0
    pixels[64:, 64:104] = 0  # 62 % of a window
    scene = write_scene(tmp_path / "scene.tif", pixels, nodata=0)
    mapped(scene, tmp_path / "tags.parquet")
    table = pq.read_table(tmp_path / "tags.parquet").to_pydict()
    assert table["window"] == ["r0_c64", "r0_c128", "r64_c0", "r64_c128"]
    mapped(scene, tmp_path / "tags.parquet", settings=MapSettings(pixels=64, min_valid=0))
    table = pq.read_table(tmp_path / "tags.parquet").to_pydict()
    assert dict(zip(table["window"], table["valid"], strict=True))["r64_c64"] == 0.375
    assert "r0_c0" not in table["window"]
    assert "2 of 6 windows are left out, because less than 50% of their pixels hold data" in caplog.text


REFUSED = {
    "all nodata": ({"pixels": np.zeros((80, 80, 3), np.uint8), "nodata": 0}, SMALL, "has no window with data in 50%"),
    "one value": ({"pixels": np.full((80, 80, 3), 9, np.uint8)}, SMALL, "the fullest of 4 has 0%"),
    "small": ({"pixels": noise(20, 30)}, SMALL, "no window with data in 50% of its pixels: the fullest of 1 has 15%"),
    "small, dropped": (
        {"pixels": noise(20, 30)},
        MapSettings(pixels=64, edges="drop"),
        "30 x 20 pixels are fewer than",
    ),
    "two bands": ({"pixels": noise(80, 80, 2)}, SMALL, "has 2 bands of uint8, but the model expects"),
    "no metres": ({"pixels": noise(80, 80), "crs": None}, MapSettings(ground=99), "pass --pixels in place of --ground"),
    "two sizes": ({"pixels": noise(80, 80)}, MapSettings(99, 99), "ground and pixels both state the side"),
    "huge windows": ({"pixels": noise(80, 80)}, MapSettings(1e6), "but must have 1 to 4096 a side"),
    "too many": ({"pixels": noise(2100, 2100)}, MapSettings(pixels=1), "4,410,000 windows of 1 x 1 pixels; at most"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_scene_that_gives_no_map_is_refused_with_the_reason_and_nothing_is_written(name, tmp_path):
    options, settings, reason = REFUSED[name]
    scene = write_scene(tmp_path / "scene.tif", **options)
    with pytest.raises(ValueError, match=reason):
        mapped(scene, tmp_path / "tags.parquet", settings=settings)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_a_model_of_another_label_space_asks_for_the_ground(tagger, tmp_path):
    manifest = tagger.model.manifest
    renamed = replace(manifest, space=replace(manifest.space, name="table"))
    other = replace(tagger, model=replace(tagger.model, manifest=renamed))
    scene = write_scene(tmp_path / "scene.tif", noise(80, 80))
    with pytest.raises(ValueError, match="does not state how much ground its chips show; pass the side of a chip by"):
        list(other.map(scene))
    assert len(list(other.map(scene, settings=MapSettings(ground=240)))) == 1


@pytest.mark.parametrize(
    ("ground", "settings", "message"),
    [
        (None, MapSettings(), "768 m of ground, as chips of the label space planet do,"),
        (192.0, MapSettings(), "192 m of ground, as the chips do that the model was trained on,"),
        (192.0, MapSettings(ground=240), "240 m of ground, as --ground states,"),
    ],
)
def test_the_ground_is_the_users_or_the_models_or_else_the_label_spaces(
    ground, settings, message, tagger, tmp_path, caplog
):
    manifest = replace(tagger.model.manifest, ground=ground)
    stated = replace(tagger, model=replace(tagger.model, manifest=Manifest.from_json(manifest.to_json())))
    scene = write_scene(tmp_path / "scene.tif", noise(256, 256))
    first = next(stated.map(scene, settings=settings))
    side = int(message.split()[0]) // 3
    assert first.box == (0, 0, side, side)
    assert message in caplog.text


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_window_that_cannot_be_used_stops_the_map_or_is_listed(on_error, run, tmp_path):
    pixels = noise(64, 192, 4, "uint16") + np.uint16(3000)
    pixels[:, 64:128] = np.random.default_rng(0).integers(0, 9, (64, 64, 4))  # no levels of a sensor
    scene = write_scene(tmp_path / "scene.tif", pixels)
    options = ("--pixels", 64, "--levels", "dn", "--on-error", on_error, "--errors", tmp_path / "errors.jsonl")
    done = run("map", scene, "-o", tmp_path / "tags.geojson", *options)
    if on_error == "fail":
        assert (done.returncode, (tmp_path / "tags.geojson").exists()) == (1, False)
        assert "scene.tif at row 0, column 64 has levels too low for analytic DN" in done.stderr
        return
    assert done.returncode == 3
    assert "1 of 3 chips could not be used and were skipped" in done.stderr
    (line,) = (tmp_path / "errors.jsonl").read_text().splitlines()
    assert json.loads(line)["file"] == f"{scene} at row 0, column 64"
    assert len(json.loads((tmp_path / "tags.geojson").read_text())["features"]) == 2


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_percentiles_are_printed_and_their_numbers_give_the_same_map(dtype, tmp_path, caplog):
    scene = write_scene(tmp_path / "scene.tif", (noise(150, 200, 3, "uint16") / np.float32(3)).astype(dtype))
    folder = tmp_path / "checkpoint"
    first = mapped(scene, tmp_path / "tags.geojson", layout=Layout(levels="2%:98%"), checkpoint=folder)
    assert mapped(scene, tmp_path / "tags.geojson", layout=Layout(levels="2%:98%"), checkpoint=folder) == first
    (numbers,) = set(re.findall(r"--levels (\S+) repeats this", caplog.text))
    assert re.fullmatch(r"\d+:\d+(,\d+:\d+){2}", numbers) or dtype == "float32"
    again = mapped(scene, tmp_path / "tags.geojson", layout=Layout(levels=numbers))
    assert again == first != mapped(scene, tmp_path / "tags.geojson", layout=Layout(levels="0:9000"))
    assert f"values from low to high of --levels {numbers} become 0 to 255" in caplog.text


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_window_of_a_stated_range_has_the_scores_of_its_chip(dtype, tmp_path):
    tagger = Tagger.load(precision="f32", device="cpu", levels="900:4000,1000:4500,800:5000", jobs=2)
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200, 3, "uint16").astype(dtype), nodata=1234)
    windows = list(tagger.map(scene, settings=MapSettings(pixels=64, edges="drop")))
    assert_scores_of_the_chips(windows, tagger, scene, tmp_path / "chips")


def test_refusals_of_the_command_are_one_line(run, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(300, 400), tiled=True, compress="deflate")
    content = scene.read_bytes()
    cases = {
        ("tags.shp",): (1, "has no suffix of a map; name a file that ends in .parquet"),
        ("scene.tif",): (1, "has no suffix of a map"),
        ("tags.geojson", "--html", "page.txt"): (1, "page.txt has no suffix of a page; name a file that ends in .html"),
        ("tags.geojson", "--html", "none/page.html"): (74, "cannot be written"),
        ("none/tags.geojson",): (74, "the folder"),
        ("tags.geojson", "--ground", 100, "--pixels", 100): (2, "both state the side of a window"),
        ("tags.geojson", "--overlap", 0.95): (2, "0.95 is not in the range"),
        ("tags.geojson", "--levels", "9:3"): (2, "two numbers of which the second is higher"),
        ("tags.geojson", "--levels", "2%:98%"): (1, "holds colours of 8 bits, which are read as they are"),
    }
    for (name, *options), (code, reason) in cases.items():
        done = run("map", scene, "-o", tmp_path / name, *options)
        assert (done.returncode, reason in done.stderr) == (code, True), done.stderr
        assert code == 2 or len(done.stderr.splitlines()) == 1
    scene.write_bytes(content[: len(content) // 2])
    done = run("map", scene, "-o", tmp_path / "tags.geojson", "--pixels", 64)
    assert done.returncode == 1
    assert "damaged TIF" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "tags.geojson").exists()


@pytest.mark.parametrize("suffix", [".parquet", ".geojson"])
def test_a_full_disk_leaves_no_part_of_a_map(suffix, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(300, 400))
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); import amazon_tags.cli; amazon_tags.cli.main()"
    command = [sys.executable, "-c", limit, "map", scene, "-o", tmp_path / f"tags{suffix}", "--pixels", "64"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 74, done.stderr
    assert f"tags{suffix} cannot be written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 2000


def test_the_tagger_refuses_what_is_no_scene(tagger, tmp_path):
    (tmp_path / "scene.tif").write_text("text")
    with pytest.raises(ChipError, match="is no GeoTIFF or JPG"):
        list(tagger.map(tmp_path / "scene.tif"))
    with pytest.raises(ValueError, match="there is no scene"):
        list(tagger.map([]))
