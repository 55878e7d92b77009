"""The history of a model: registry, ledger of retraining, and drift of the chips that it tagged."""

import json

import pytest

from amazon_tags.model import bundle, registry
from amazon_tags.model.registry import RegistryError
from amazon_tags.prediction.monitor import MonitorLine
from amazon_tags.retraining import ledger
from amazon_tags.retraining.ledger import LedgerEntry
from amazon_tags.review.history import MAX_ROWS, history


def ledger_entry(number: int) -> LedgerEntry:
    f2 = 0.9 + number / 1000
    times = (f"2026-11-{number:02}T10:00:00+00:00", f"2026-11-{number:02}T10:30:59+00:00")
    return LedgerEntry(number, *times, "f" * 64, "promoted", "", None, "b" * 12, None, f2, 700 + number)


def monitor_line(day: int, *, chips: int, discrepancy: float) -> str:
    line = MonitorLine(
        when=f"2026-11-{day:02}T08:00:00+00:00",
        model="a" * 12,
        chips=chips,
        training_chips=702,
        expected_f=0.8,
        rates={"clear": 0.5},
        band_means={"red mean": 80.0},
        stability={"clear": 0.01},
        band_shifts={"red mean": 0.1},
        discrepancy=discrepancy,
        p=0.001,
    )
    return json.dumps(line.to_json())


def test_a_bundle_alone_has_no_history():
    assert history(bundle.DEFAULT, None, None) == []


def test_a_registry_shows_its_models_its_moves_and_the_runs_beside_it(tmp_path):
    models = tmp_path / "models"
    name = registry.add(models, bundle.DEFAULT, verified=True)
    registry.promote(models, name, why="because", verified=True)
    (tmp_path / "runs").mkdir()
    for number in (1, 2):
        ledger.write(tmp_path / "runs", ledger_entry(number))
    listed, moves, runs = history(models, None, None)
    assert listed.rows == [(name, f"{bundle.read_manifest(bundle.DEFAULT).scores.f2:.4f}", "771", "current")]
    assert [row[1:] for row in moves.rows] == [("promote", "-", name, "because")]
    assert runs.rows[1] == ("2", "2026-11-02 10:30", "promoted", "-", "0.9020", "702", "-")
    assert "candidate" in runs.chart
    assert "champion 0" not in runs.chart


def test_a_damaged_registry_is_refused(tmp_path):
    (tmp_path / registry.POINTERS).write_text("no")
    with pytest.raises(RegistryError, match="damaged"):
        history(tmp_path, None, None)


def test_a_log_shows_what_moved_in_each_run(tmp_path):
    log = tmp_path / "monitor.jsonl"
    lines = [
        monitor_line(1, chips=20, discrepancy=0.9),
        "{",
        monitor_line(2, chips=400, discrepancy=0.1),
        monitor_line(3, chips=400, discrepancy=0.4),
    ]
    log.write_text("\n".join(lines) + "\n")
    (drift,) = history(bundle.DEFAULT, None, log)
    assert [row[0] for row in drift.rows] == [f"2026-11-{day:02} 08:00" for day in (1, 2, 3)]
    few, nothing, moved = (row[-1] for row in drift.rows)
    assert (few, nothing) == ("too few chips to compare", "nothing")
    assert "discrepancy 0.40, limit 0.3" in moved
    assert drift.remarks == ["Damaged lines of the log that were left out: 1."]


def test_a_long_log_shows_its_latest_runs_in_the_table(tmp_path):
    log = tmp_path / "monitor.jsonl"
    log.write_text("\n".join(monitor_line(1, chips=n, discrepancy=0.1) for n in range(1, MAX_ROWS + 11)))
    (drift,) = history(bundle.DEFAULT, None, log)
    assert [row[2] for row in drift.rows] == [str(n) for n in range(11, MAX_ROWS + 11)]
    assert str(MAX_ROWS + 10) in drift.remarks[0]


@pytest.mark.parametrize("content", ["", "\n", "no log\n", '{"when": 1}\n'])
def test_another_file_is_no_log(tmp_path, content):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(ValueError, match=r"a\.jsonl"):
        history(bundle.DEFAULT, None, tmp_path / "a.jsonl")


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(ValueError, match="retraining job"):
        history(bundle.DEFAULT, tmp_path, None)
