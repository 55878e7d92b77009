"""The competition's files, downloaded with a substitute for its client."""

import shutil

import pytest

from tests import competition as competitions
from tests import world as worlds


@pytest.fixture
def competition(world, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    return competitions.build(world, store)


@pytest.mark.slow
def test_everything_is_fetched_unpacked_and_counted_once(competition, world, tmp_path):
    data = tmp_path / "data"
    done = competition.script("fetch", data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert f"{worlds.TRAIN} training chips and {worlds.TEST} test chips" in done.stderr
    chips = [path for path in (data / "unpacked").rglob("*.jpg") if path.name.startswith("train_")]
    assert {path.name: path.read_bytes() for path in chips} == {
        path.name: path.read_bytes() for path in world.train_jpg.iterdir()
    }
    first = competition.calls()
    assert {line[line.index("-f") + 1] for line in first} >= set(competitions.ARCHIVES)
    again = competition.script("fetch", data)
    assert (again.returncode, competition.calls()) == (0, first)
    assert not list(data.glob(".*"))


@pytest.mark.slow
def test_tables_may_have_other_names_and_chips_may_come_from_elsewhere(competition, world, tmp_path):
    for name in competitions.ARCHIVES:
        (competition.store / name).unlink()
    for path in (world.labels, world.sample):  # as the competition serves them since the end of 2019
        (competition.store / path.name).mkdir()
        shutil.copy(path, competition.store / path.name)
    data = tmp_path / "data"
    done = competition.script("fetch", data)
    assert done.returncode == 1
    assert "train-jpg, test-jpg, test-jpg-additional are not in" in done.stderr
    assert "download them at https://www.kaggle.com/competitions/" in done.stderr
    shutil.copytree(world.train_jpg, data / "planet" / "planet" / "train-jpg")  # as data sets have them
    shutil.copytree(world.test_jpg, data / "planet" / "planet" / "test-jpg-v2")
    done = competition.script("fetch", data)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("broken", "does not start (ModuleNotFoundError: No module named 'six'); run, in the checkout: pip install"),
        ("token", "download failed: there is no token, or it is not accepted; make one at"),
        ("old token", "download failed: there is no token"),
        ("rules", "the rules of the competition are not accepted; log in, open https://www.kaggle.com/competitions/"),
        ("old rules", "the rules of the competition are not accepted"),
        ("network", "kaggle.com cannot be reached; check the network, start again"),
        ("strange", "download failed: OSError: the moon is full."),
        ("old strange", "download failed: ValueError: the moon is full."),
        ("nothing", "The kaggle client downloaded 0 files instead of train_v2.csv.zip"),
    ],
)
def test_an_error_of_the_client_is_one_line_and_leaves_no_files(competition, tmp_path, failure, message):
    done = competition.script("fetch", tmp_path / "data", failure=failure)
    lines = [line for line in done.stderr.splitlines() if not line.endswith(": downloading")]
    assert (done.returncode, done.stdout, len(lines)) == (1, "", 1), done.stderr
    assert message in lines[0]
    assert sorted(path.name for path in (tmp_path / "data").rglob("*")) == ["lock", "unpacked"]


def test_a_missing_client_is_reported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(competitions.SCRIPTS)
    import client  # noqa: PLC0415  a script beside others

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(client.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(client.ClientError, match="The kaggle client is not installed; run, in the checkout: pip"):
        client.find()


@pytest.mark.slow
def test_the_real_client_is_found_and_has_the_options_that_are_used(monkeypatch):
    monkeypatch.syspath_prepend(competitions.SCRIPTS)
    import client  # noqa: PLC0415

    path = client.find()
    for verb, options in (("download", "-f -p -q"), ("submit", "-f -m -q")):
        command = [path, "competitions", verb, "--help"]
        text = client.subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
        assert all(f"{option}, " in text or f"{option} " in text for option in options.split()), text


def test_the_real_client_without_a_token_is_understood(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(competitions.SCRIPTS)
    import client  # noqa: PLC0415

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(client.ClientError, match="competitions download failed: there is no token"):
        client.call("download", client.COMPETITION, "-f", "train_v2.csv.zip", "-p", str(tmp_path), "-q")


@pytest.mark.slow
def test_missing_chips_are_reported(competition, tmp_path):
    data = tmp_path / "data"
    assert competition.script("fetch", data).returncode == 0
    (place,) = data.rglob("train_3.jpg")
    place.unlink()
    done = competition.script("fetch", data)
    assert done.returncode == 1
    assert f"1 of the {worlds.TRAIN} chips that" in done.stderr
    assert "(first: train_3)" in done.stderr


@pytest.mark.slow
def test_another_number_of_chips_than_the_competitions_is_reported(competition, tmp_path):
    data = tmp_path / "data"
    assert competition.script("fetch", data).returncode == 0
    command = [competitions.sys.executable, competitions.SCRIPTS / "fetch.py", data]
    done = competitions.subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1
    assert f"name {worlds.TRAIN} training and {worlds.TEST} test chips, but the competition has 40,479" in done.stderr


def test_archives_of_a_folder_are_used_without_a_download(competition, tmp_path):
    done = competition.script("fetch", tmp_path / "data", "--archives", competition.store, failure="token")
    assert done.returncode == 0, done.stderr
    assert competition.calls() == []
    (competition.store / "train-jpg.tar.7z").unlink()
    done = competition.script("fetch", tmp_path / "other", "--archives", competition.store)
    assert done.returncode == 1
    assert f"train-jpg are not in {competition.store}" in done.stderr


def test_the_word_accepting_alone_is_not_taken_for_unaccepted_rules(monkeypatch):
    monkeypatch.syspath_prepend(competitions.SCRIPTS)
    import client  # noqa: PLC0415

    output = "Could not find competition x, or it is not still accepting submissions. Error: 404 Client Error"
    done = client.subprocess.CompletedProcess([], 1, "", output)
    monkeypatch.setattr(client, "find", lambda: "kaggle")
    monkeypatch.setattr(client.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(client.NotThereError, match="submit failed: the competition has nothing of that name"):
        client.call("submit")


@pytest.mark.slow
def test_a_truncated_archive_is_reported_and_can_be_downloaded_again(competition, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    whole = (competition.store / "train-jpg.tar.7z").read_bytes()
    (data / "train-jpg.tar.7z").write_bytes(whole[: len(whole) // 2])
    done = competition.script("fetch", data)
    assert done.returncode == 1
    assert "train-jpg.tar.7z is damaged" in done.stderr
    assert "remove it and download it again" in done.stderr
    assert not (data / "unpacked" / "train-jpg").exists()
    (data / "train-jpg.tar.7z").unlink()
    assert competition.script("fetch", data).returncode == 0
