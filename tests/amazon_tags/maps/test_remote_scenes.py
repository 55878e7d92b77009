"""Maps of scenes on a server: the bytes of the local file's map, or one line and nothing written."""

import json

import numpy as np
import pytest

from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.maps.open_scenes import scene_source
from amazon_tags.maps.plan import MapSettings
from amazon_tags.prediction.tag_chips import TagOptions
from features.images.chips import ChipError
from features.images.window import Window
from features.scenes import remote
from features.scenes.remote import RemoteError, parse_url
from features.scenes.scene import open_scene
from tests.scene_files import LAYOUTS, NORTH_UP, noise, shifted, write_scene
from tests.scene_server import serve

PIXELS = noise(300, 400)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "2")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    (tmp_path / "served").mkdir()
    with serve(tmp_path / "served") as running:
        yield running


def mapped(sources, output, **tagging):
    options = MapOptions(MapSettings(pixels=64), TagOptions(precision="f32", device="cpu", **tagging))
    map_scenes([scene_source(str(source), is_remote_allowed=True) for source in sources], output, options=options)
    return output.read_bytes()


def refused(server, name, reason, tmp_path):
    with pytest.raises(RemoteError, match=reason):
        mapped([f"{server.url}/{name}"], tmp_path / "tags.geojson")
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def test_a_cog_on_a_server_has_the_map_of_the_local_file(server, tmp_path):
    scene = write_scene(server.folder / "scene.tif", PIXELS, **LAYOUTS["COG"])
    expected = mapped([scene], tmp_path / "tags.geojson")
    for name in ("scene.tif", "scene.tif?signature=a%2Fb"):
        assert mapped([f"{server.url}/{name}"], tmp_path / "tags.geojson") == expected
    assert {path for path, _ in server.asked} == {"/scene.tif"}


def test_a_window_takes_the_parts_that_it_needs_and_nothing_beside_the_file(server):
    scene = write_scene(server.folder / "scene.tif", noise(512, 512), tiled=True, blockxsize=64, blockysize=64)
    for name in ("scene.tfw", "scene.tif.aux.xml", "scene.tif.ovr", "scene.tif.msk"):
        (server.folder / name).write_text("no")
    with open_scene(scene) as local, open_scene(parse_url(f"{server.url}/scene.tif")) as distant:
        window = Window(distant, 64, 64, 64, 64)
        np.testing.assert_array_equal(distant.read(window).pixels, local.read(window).pixels)
    ranges = [range(*map(int, asked[6:].split("-"))) for _, asked in server.asked if asked]  # others ask for the size
    assert sum(map(len, ranges)) < scene.stat().st_size / 4
    assert {path for path, _ in server.asked} == {"/scene.tif"}


def test_two_files_on_a_server_or_one_here_are_one_scene(server, tmp_path):
    west = write_scene(server.folder / "west.tif", PIXELS[:, :192])
    east = write_scene(server.folder / "east.tif", PIXELS[:, 192:], transform=shifted(NORTH_UP, 192, 0))
    whole = write_scene(tmp_path / "whole.tif", PIXELS)
    expected = mapped([whole], tmp_path / "tags.geojson")
    assert mapped([west, f"{server.url}/east.tif"], tmp_path / "tags.geojson") == expected
    assert mapped([f"{server.url}/west.tif", f"{server.url}/east.tif"], tmp_path / "tags.geojson") == expected
    assert east.exists()


def test_bands_on_a_server_are_known_by_the_names_of_their_files():
    assert parse_url("https://host/a/S2_B04.tif?x=y.z").stem == "S2_B04"
    assert str(parse_url("https://host/a.tif?signature=secret")) == "https://host/a.tif"


def test_a_checkpoint_resumes_a_remote_scene_until_it_changes(server, tmp_path):
    write_scene(server.folder / "scene.tif", PIXELS)
    source, folder = f"{server.url}/scene.tif", tmp_path / "checkpoint"
    first = mapped([source], tmp_path / "tags.geojson", checkpoint=folder)
    (shard,) = folder.glob("*.parquet")
    written = shard.stat().st_mtime_ns
    assert mapped([f"{source}?signature=later"], tmp_path / "tags.geojson", checkpoint=folder) == first
    assert shard.stat().st_mtime_ns == written
    write_scene(server.folder / "scene.tif", PIXELS[::-1])
    with pytest.raises(ValueError, match="have changed since it was written"):
        mapped([source], tmp_path / "tags.geojson", checkpoint=folder)
    assert mapped([source], tmp_path / "tags.geojson") != first
    server.has_marks = False
    with pytest.raises(RemoteError, match="neither ETag nor date on its server"):
        mapped([source], tmp_path / "tags.geojson", checkpoint=folder)


def test_servers_without_the_file_or_ranges_or_with_another_file_are_refused(server, tmp_path):
    refused(server, "none.tif", r"http://127.0.0.1:\d+/none.tif cannot be read: its server answers 404", tmp_path)
    (server.folder / "scene.vrt").write_text("<VRTDataset/>")
    refused(server, "scene.vrt", "is no GeoTIFF .it starts with b'<VRTDat", tmp_path)
    write_scene(server.folder / "scene.tif", PIXELS)
    server.has_ranges = False
    refused(server, "scene.tif", "sends no parts of files", tmp_path)


def test_a_truncated_file_is_refused(server, tmp_path):
    path = write_scene(server.folder / "scene.tif", PIXELS, **LAYOUTS["COG"])
    path.write_bytes(path.read_bytes()[:-90_000])
    refused(server, "scene.tif", "or the file is damaged; try again, or download it", tmp_path)


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_a_server_that_stops_answering_ends_the_map_even_where_windows_may_be_skipped(answers, server, tmp_path):
    write_scene(server.folder / "scene.tif", PIXELS, tiled=True, blockxsize=64, blockysize=64)
    server.hangs_after = answers
    with pytest.raises(RemoteError, match="cannot be read"):
        mapped([f"{server.url}/scene.tif"], tmp_path / "tags.geojson", on_error="skip")
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def test_an_answer_that_fails_for_a_time_is_asked_for_again(server, monkeypatch):
    scene = write_scene(server.folder / "scene.tif", PIXELS)
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "2")
    server.failures = 2
    assert remote.check(parse_url(f"{server.url}/scene.tif")).version.startswith(f"{scene.stat().st_size} ")
    server.failures = 3
    with pytest.raises(RemoteError, match=r"its server fails .it answers 503"):
        remote.check(parse_url(f"{server.url}/scene.tif"))


def test_redirects_are_followed_to_allowed_schemes_alone(server, tmp_path):
    scene = write_scene(server.folder / "scene.tif", PIXELS)
    server.redirects = {
        "/moved.tif": "/scene.tif",
        "/file.tif": f"file://{scene}",
        "/ftp.tif": "ftp://127.0.0.1/scene.tif",
        "/http.tif": "http://example.org/scene.tif",
        "/loop.tif": "/loop.tif",
    }
    expected = mapped([scene], tmp_path / "tags.geojson")
    assert mapped([f"{server.url}/moved.tif"], tmp_path / "tags.geojson") == expected
    for name in ("file.tif", "ftp.tif", "http.tif"):
        with pytest.raises(ValueError, match="is no URL that is read; name one as https://HOST/FILE"):
            remote.check(parse_url(f"{server.url}/{name}"))
    with pytest.raises(RemoteError, match="its server answers 302"):
        remote.check(parse_url(f"{server.url}/loop.tif"))


def test_colours_that_gdal_does_not_convert_are_refused_on_a_server_too(server):
    write_scene(server.folder / "scene.tif", PIXELS, photometric="CIELAB")
    with (
        pytest.raises(ChipError, match=r"is a TIF of L.a.b. colours"),
        open_scene(parse_url(f"{server.url}/scene.tif")),
    ):
        pass


def test_s3_is_read_by_the_users_own_settings_of_gdal(server, monkeypatch, tmp_path):
    scene = write_scene(server.folder / "scene.tif", PIXELS)
    settings = {
        "AWS_S3_ENDPOINT": server.url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
    for name, value in {**settings, "AWS_NO_SIGN_REQUEST": "YES"}.items():
        monkeypatch.setenv(name, value)
    expected = mapped([scene], tmp_path / "tags.geojson")
    assert mapped(["s3://bucket/scene.tif"], tmp_path / "tags.geojson") == expected
    with pytest.raises(RemoteError, match=r"s3://bucket/none.tif cannot be read"):
        mapped(["s3://bucket/none.tif"], tmp_path / "none.geojson")
    with pytest.raises(RemoteError, match="leave out --checkpoint"):
        mapped(["s3://bucket/scene.tif"], tmp_path / "tags.geojson", checkpoint=tmp_path / "checkpoint")


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org/scene.tif",
        "ftp://example.org/scene.tif",
        "file:///scene.tif",
        "https://host",
        "https://[/scene.tif",
        "https://host/a b.tif",
        "HTTPS://host/\u202ex.tif",
        "/vsicurl/http://127.0.0.1/scene.tif",
        "/vsicurl?url=http://127.0.0.1/scene.tif",
        "/vsizip//vsicurl/https://host/a.zip/scene.tif",
        "https://user:word@host/scene.tif",
    ],
)
def test_other_urls_and_virtual_paths_are_refused_even_with_remote(text):
    with pytest.raises(ValueError, match=r"no URL that is read|virtual path of GDAL|holds a user's name") as caught:
        scene_source(text, is_remote_allowed=True)
    assert "word" not in str(caught.value)


@pytest.mark.slow
def test_the_command_reads_a_server_only_with_remote(server, run, tmp_path):
    write_scene(server.folder / "scene.tif", PIXELS)
    output = tmp_path / "tags.geojson"

    def refused_line(code, *words):
        done = run("map", *words, "-o", output, "--pixels", 64)
        assert (done.returncode, output.exists(), "Traceback" in done.stderr) == (code, False, False)
        return done.stderr

    url = f"{server.url}/scene.tif"
    assert "nothing is read over a network unless --remote is passed" in refused_line(2, url)
    assert "is a virtual path of GDAL, and none is read" in refused_line(2, f"/vsicurl/{url}")
    assert not server.asked
    assert "its server answers 404" in refused_line(74, f"{server.url}/none.tif", "--remote")
    assert "does not exist" in refused_line(2, tmp_path / "none.tif", "--remote")

    done = run("map", url, "-o", output, "--pixels", 64, "--remote")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(output.read_text())["features"]) == 30  # those with data in half of their pixels
