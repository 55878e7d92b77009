"""Test that features/README.md describes the code as it is."""

import re
from pathlib import Path

import features
from features.networks.backbone_table import BACKBONES

FOLDER = Path(features.__file__).parent
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_table_of_backbones_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (.*) \|$", TEXT, re.MULTILINE)
    documented = {
        name: (int(side), int(dim), {layer: int(width) for layer, width in re.findall(r"`(\w+)` (\d+)", layers)})
        for name, side, dim, layers in rows
    }
    assert documented == {name: (row.side, row.dim, row.truncations) for name, row in BACKBONES.items()}


def test_the_map_names_every_file():
    documented = set(re.findall(r"^\| `([\w/]+\.py)` \|", TEXT, re.MULTILINE))
    assert documented == {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py") if path.name != "__init__.py"
    }
