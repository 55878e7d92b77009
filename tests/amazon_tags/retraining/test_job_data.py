"""The labelled chips of a job: repeats, corrections, tables that do not fit."""

import pytest

from amazon_tags.retraining import data_checks, job_data
from amazon_tags.retraining.job import read_job
from amazon_tags.tables import labels
from features.images import listing
from tests import world as worlds


def test_repeats_are_left_out_and_contradictions_are_counted(home):
    chips = home / "chips"
    (chips / "same.jpg").write_bytes((chips / "chip_1.jpg").read_bytes())
    (chips / "other.jpg").write_bytes((chips / "chip_2.jpg").read_bytes())
    with (home / "labels.csv").open("a") as stream:
        stream.write(f"same,{' '.join(worlds.tags(1))}\nother,cloudy\n")
    chips = job_data.gather(read_job(home / "job.toml"))
    assert (chips.summary.repeats, chips.summary.contradictions, len(chips.data.paths)) == (2, 1, 60)
    assert [check.name for check in data_checks.check_rules(chips) if not check.passed] == ["contradictions"]


def test_corrections_count_and_change_the_fingerprint(home):
    before = job_data.gather(read_job(home / "job.toml"))
    (home / "fix.csv").write_text("image_name,tag,holds\nchip_4,conventional_mine,yes\nelsewhere,road,no\n")
    config = home / "job.toml"
    config.write_text('corrections = "fix.csv"\n' + config.read_text())
    after = job_data.gather(read_job(config))
    row = [listing.name(path) for path in after.data.paths].index("chip_4")
    assert after.data.truth[row, labels.PLANET.names.index("conventional_mine")]
    assert after.summary.corrections.elsewhere == 1
    assert after.data.fingerprint != before.data.fingerprint


@pytest.mark.parametrize(
    ("rows", "message"),
    [("chip_0,road\n", "are in another table too"), ("nowhere,road\n", "are missing from")],
)
def test_tables_that_do_not_fit_the_chips_are_refused(home, rows, message):
    (home / "more.csv").write_text("image_name,tags\n" + rows)
    config = home / "job.toml"
    config.write_text(config.read_text() + '\n[[data]]\nchips = "chips"\ntable = "more.csv"\n')
    with pytest.raises(ValueError, match=message):
        job_data.gather(read_job(config))


def test_a_table_with_a_row_for_each_tag_is_joined_if_the_job_says_so(home):
    config = home / "job.toml"
    expected = job_data.gather(read_job(config)).data.fingerprint
    rows = [row.split(",") for row in (home / "labels.csv").read_text().splitlines()[1:]]
    long = [f"{name},{tag}" for name, cell in rows for tag in cell.split()]
    (home / "labels.csv").write_text("\n".join(["image_name,tags", *long]) + "\n")
    with pytest.raises(ValueError, match="join_rows = true"):
        job_data.gather(read_job(config))
    config.write_text("join_rows = true\n" + config.read_text())
    assert job_data.gather(read_job(config)).data.fingerprint == expected


def test_too_few_chips_to_train_on_are_refused(home):
    rows = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join(rows[:2]) + "\n")
    with pytest.raises(ValueError, match=r"1 chips have labels, and . of them are withheld; training needs at least 2"):
        job_data.gather(read_job(home / "job.toml"))


def test_the_summary_has_the_keys_of_data_json(home):
    chips = job_data.gather(read_job(home / "job.toml"))
    withheld = int(chips.withheld.sum())
    assert chips.summary.to_json() == {
        "tables": ({"table": "labels.csv", "chips": 60},),
        "repeats": 0,
        "contradictions": 0,
        "breaches": 0,
        "chips": 60,
        "withheld": withheld,
        "fingerprint": chips.data.fingerprint,
    }
    (home / "fix.csv").write_text("image_name,tag,holds\nchip_0,clear,no\n")
    config = home / "job.toml"
    config.write_text('corrections = "fix.csv"\n' + config.read_text())
    values = job_data.gather(read_job(config)).summary.to_json()
    assert list(values)[:3] == ["tables", "corrections", "repeats"]
    assert list(values["corrections"]) == ["file", "sha256", "changed", "agreed", "elsewhere"]
