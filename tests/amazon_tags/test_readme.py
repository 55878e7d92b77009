"""The READMEs are true: their commands run, their Python examples print what they say, their links lead somewhere."""

import doctest
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_tags.datasets import sample
from tests.scene_files import noise, write_scene

ROOT = Path(__file__).parents[2]
README, COMMANDS = (ROOT / name for name in ("README.md", "amazon_tags/README.md"))
MAX_README_LINES = 180  # what a newcomer reads in five minutes
JOB = """
registry = "kept"
recipe = "{recipe}"
[[data]]
chips = "train-jpg"
table = "train_v2.csv"
"""
SMALL = {  # appended to a command, so that it takes seconds; of an option given twice the last value counts
    "sample": "-n 4",
    "train": "--recipe {recipe}",
    "train -o ensemble": "--recipe {pair}",
    "train -o my-model": "--recipe {frozen}",
    "train -o heads": "",  # of vectors, on which no small recipe can be trained
    "pretrain": "--backbone toy --side 48 --epochs 1 --batch 16",
    "embed": "--backbone toy --weights none",
    "inspect": "--backbones toy",
    "inspect members": "--jobs 1",
    "inspect explain": "--jobs 1",
    "inspect signal": "--jobs 1",
    "inspect locality": "--jobs 1",
    "inspect reuse": "--jobs 1",
    "rank": "--backbones toy,toy@edges",
    "compress": "--seeds 1 --epochs 0",
    "curve": "--recipe {frozen} --shots 1,full --seeds 1",
    "search-layer": "--backbone toy --weights none --probe-only",
    "sources": "--backbone toy --weights none",
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def command_lines(page: Path) -> list[str]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("amazon_tags ")]


def small_options(words: list[str]) -> str:
    """Return the entry of `SMALL` for a command: of its output, its subcommand or its name."""
    output = words[words.index("-o") + 1] if "-o" in words else ""
    keys = (f"{words[1]} -o {output}", " ".join(words[1:3]), words[1])
    return next((SMALL[key] for key in keys if key in SMALL), "")


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= MAX_README_LINES


@pytest.mark.slow
def test_every_command_of_the_readmes_runs_in_its_order(world, run, recipe_file, frozen_recipe_file, tmp_path):
    links = {
        "train-jpg": world.train_jpg,
        "train-tif-v2": world.train_tif,
        "test-jpg": world.test_jpg,
        "train_v2.csv": world.labels,
        "sample_submission_v2.csv": world.sample,
        "my-chips": world.train_jpg,
        "new-chips": world.test_jpg,
    }
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    (tmp_path / "labels.csv").write_text(world.labels.read_text().replace("primary", "tree"))
    (tmp_path / "job.toml").write_text(JOB.format(recipe=frozen_recipe_file))
    recipe = frozen_recipe_file.read_text()
    second = recipe[recipe.index("[[members]]") :].replace("vectors", "edges") + 'layer = "edges"\n'
    (tmp_path / "pair.toml").write_text(recipe + second)
    run("sample", tmp_path / "chips", "-n", 3)
    write_scene(tmp_path / "scene.tif", noise(300, 520))
    for name in ("before.tif", "after.tif"):
        write_scene(tmp_path / name, sample.render({"primary", "clear"}, seed=0))

    lines = [*command_lines(COMMANDS), *command_lines(README)]
    assert len(lines) >= 30
    for line in lines:
        words = shlex.split(line)
        recipes = {"recipe": recipe_file, "frozen": frozen_recipe_file, "pair": tmp_path / "pair.toml"}
        small = small_options(words).format(**recipes).split()
        done = run(*words[1:], *small, cwd=tmp_path, timeout=600)
        assert done.returncode == 0, (line, done.stderr)

    for name in ("submission.csv", "tuned-tags.csv"):
        assert (tmp_path / name).read_text().startswith("image_name,tags\n")
    assert "tree" in json.loads((tmp_path / "my-model" / "manifest.json").read_text())["labels"]["labels"]


@pytest.mark.slow
def test_the_first_command_of_the_readme_tags_rendered_chips(tmp_path):
    (whole,) = re.findall(r"^python3 -m venv .*$", README.read_text(), re.MULTILINE)
    after_installing = whole.split("pip install . && ")[1]
    script = f'amazon_tags() {{ "{sys.executable}" -m amazon_tags "$@"; }}\n{after_installing}'
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, check=True, timeout=600)
    rows = (tmp_path / "submission.csv").read_text().splitlines()
    assert len(rows) == 13
    assert all(row.split(",")[1] for row in rows[1:])


@pytest.mark.slow
def test_the_python_examples_of_the_readme_print_what_they_say(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("sample", "chips", timeout=600).returncode == 0
    example = doctest.DocTestParser().get_doctest("\n".join(blocks(README, "python")), {}, "README.md", None, None)
    assert len(example.examples) >= 4
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("page", [README, COMMANDS], ids=["README.md", "amazon_tags/README.md"])
def test_every_link_to_a_file_leads_to_one(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert targets
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_every_file_that_the_readme_names_exists():
    names = re.findall(r"`((?:amazon_tags|ensemble|features|tests)/[\w./-]+)`", README.read_text())
    assert "ensemble/heads/table.py" in names
    assert not [name for name in names if not (ROOT / name).exists()]
