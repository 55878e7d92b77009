"""Jobs from their TOML files."""

import json

import pytest

from amazon_tags.retraining.job import DataSource, GateLimits, read_job


@pytest.fixture
def write(world, tmp_path):
    """Writes a job with one source and further lines before it."""

    def write(*lines, source=None):
        data = source or f"chips = {json.dumps(str(world.train_jpg))}\ntable = {json.dumps(str(world.labels))}"
        path = tmp_path / "job.toml"
        path.write_text("\n".join([*lines, "[[data]]", data]) + "\n")
        return path

    return write


def test_paths_count_from_the_files_folder(write, world, tmp_path):
    (tmp_path / "fixed.csv").write_text("image_name,tag,holds\n")
    job = read_job(write('registry = "there"', 'corrections = "fixed.csv"', "keep = 3"))
    assert job.registry == tmp_path / "there"
    assert job.runs == tmp_path / "runs"
    assert job.corrections == tmp_path / "fixed.csv"
    assert job.data == (DataSource(world.train_jpg, world.labels),)
    assert (job.settings.keep, job.settings.recipe, job.gate) == (3, "default", GateLimits())
    assert job.threads >= 1


def test_byte_order_marks_and_links_do_not_change_a_job(write, tmp_path):
    (tmp_path / "TWO.TOML").write_text('name = "two"\nlabels = ["a", "b"]\n')
    (tmp_path / "runs").symlink_to(tmp_path / "disk" / "runs")  # which is not there yet
    path = write('labels = "TWO.TOML"')
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    job = read_job(path)
    assert job.space.names == ("a", "b")
    assert job.runs == tmp_path / "disk" / "runs"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["keeps = 3"], "no key keeps .did you mean keep"),
        (["keep = 1"], "keep is 1, but must lie in 2"),
        (["holdout = 0.9"], "holdout is 0.9"),
        (['views = "2"'], "views of .* must be int"),
        (["join_rows = 1"], "join_rows of .* must be bool"),
        (["keep = true"], "keep of .* must be int"),
        (['labels = "folders"'], "labels is folders, but labels that change"),
        (['labels = "table"'], "labels that change with the tables cannot be compared"),
        (['recipe = "quik"'], "recipe.* does not exist"),
        (['corrections = "none.csv"'], "corrections.* does not exist"),
        (["[gate]", "marjin = 0.1"], "no key marjin .did you mean margin"),
        (["[gate]", "worse = 2"], "worse of .gate. is 2"),
        (["[weights]", 'toy = "none.h5"'], "weights of toy.* does not exist"),
        (["keep = "], "Invalid value"),
        (['registry = "runs"'], "registry and runs are one folder"),
        (["weights = 3"], "weights is 3, but must be a table"),
        (["gate = 3"], "gate is 3, but must be a table"),
        (['corrections = "."'], "corrections is '.', a folder, but must be a file"),
    ],
)
def test_what_is_wrong_is_named(write, lines, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_job(write(*lines))


@pytest.mark.parametrize("source", ['chips = "x"', 'chips = "x"\ntable = "y"\nmore = 1', 'chips = 3\ntable = "y"'])
def test_a_source_has_chips_and_a_table(write, source):
    with pytest.raises((ValueError, FileNotFoundError), match=r"\[\[data\]\]"):
        read_job(write(source=source))


def test_a_job_needs_data(tmp_path):
    (tmp_path / "job.toml").write_text("keep = 3\n")
    with pytest.raises(ValueError, match=r"there is no \[\[data\]\]"):
        read_job(tmp_path / "job.toml")
