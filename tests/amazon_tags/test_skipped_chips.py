"""`--on-error skip` of the commands that read chips without tagging them."""

import json
import re
import shutil

import numpy as np
import pytest

from amazon_tags.model import bundle
from amazon_tags.training.feature_bank import read_bank

NAMES = [f"train_{number}" for number in range(12)]


@pytest.fixture
def folder(world, tmp_path):
    """Twelve chips, of which one is cut off, and one is no picture."""
    chips = tmp_path / "chips"
    chips.mkdir()
    for name in NAMES:
        shutil.copy(world.train_jpg / f"{name}.jpg", chips)
    (chips / "train_1.jpg").write_bytes((chips / "train_1.jpg").read_bytes()[:300])
    (chips / "train_5.jpg").write_bytes(b"no picture")
    return tmp_path


def refuse_then_skip(run, folder, *words):
    """Run a command that fails at the first unusable chip, and again with skip; return the second run."""
    failed = run(*words, cwd=folder)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert re.search(r"chips/train_[15]\.jpg is", failed.stderr.splitlines()[-1])  # whichever is read first
    assert not (folder / "errors.jsonl").exists()

    done = run(*words, "--on-error", "skip", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1] == "2 of 12 chips could not be used and were skipped; see errors.jsonl."
    listed = [json.loads(line) for line in (folder / "errors.jsonl").read_text().splitlines()]
    assert [entry["file"] for entry in listed] == ["chips/train_1.jpg", "chips/train_5.jpg"]
    return done


def test_leaks_skips_unusable_chips(run, folder):
    rows = refuse_then_skip(run, folder, "leaks", "chips").stdout.splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [name for name in NAMES if name not in ("train_1", "train_5")]


def test_embed_skips_unusable_chips(run, folder):
    refuse_then_skip(run, folder, "embed", "chips", "--backbone", "toy", "--weights", "none", "-o", "bank")
    bank = read_bank(folder / "bank")
    assert bank.ids == [name for name in NAMES if name not in ("train_1", "train_5")]
    assert np.isfinite(bank.vectors).all()


@pytest.mark.slow
def test_train_skips_unusable_chips(run, folder, world, frozen_recipe_file):
    rows = [row for row in world.labels.read_text().splitlines() if row.split(",")[0] in ("image_name", *NAMES)]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    refuse_then_skip(run, folder, "train", "chips", "labels.csv", "-o", "model", "--recipe", frozen_recipe_file)
    assert bundle.read_manifest(folder / "model").data.chips == 10


@pytest.mark.parametrize("words", [("leaks", "chips"), ("embed", "chips", "--backbone", "toy", "-o", "bank")])
def test_the_list_of_unusable_chips_never_replaces_a_chip(run, folder, words):
    done = run(*words, "--on-error", "skip", "--errors", "chips/train_2.jpg", cwd=folder)
    assert done.returncode == 1
    assert "is one of the inputs and would be lost" in done.stderr
