"""Copies of a bundle with another manifest, which fits its own hash."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from amazon_tags.model import bundle


def copied(model: Path, tmp_path: Path, **changes: object) -> Path:
    """Return a copy of a bundle whose manifest has other values."""
    folder = tmp_path / "copy"
    shutil.copytree(model, folder)
    values = replace(bundle.read_manifest(model), **changes).to_json()
    values["sha256"] = bundle.digest(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder
