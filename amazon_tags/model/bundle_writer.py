"""Write the files of a bundle, and last its manifest, which names and hashes all of them."""

import io
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256
from amazon_tags.model import decision_file
from amazon_tags.model.bundle import load_member, load_second, member_scores
from amazon_tags.model.engine import Engine
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.model.manifest import FORMAT, PAIR_FORMAT, VECTOR_FORMAT, Manifest, digest
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores
from ensemble.decisions.decision import Decision
from ensemble.second_level.models import SecondLevel, pack_second_level


def write_decision(folder: Path, space: LabelSpace, decision: Decision, common: NDArray[np.bool_]) -> None:
    """Write `decision.json`; `common` (labels,) are the tags of chips that cannot be used."""
    values = {**decision_file.to_json(space, decision), "common": labels.decode(space, common)}
    atomic.write_json(folder / "decision.json", values)


def write_second(folder: Path, second: SecondLevel) -> None:
    """Write `second.npz` or `second.json`."""
    name, content = pack_second_level(second)
    atomic.write_bytes(folder / name, content)


def seal(folder: Path, manifest: Manifest, golden: NDArray[Any]) -> Manifest:
    """Finish a folder that holds members, second level, decision and card; return the manifest that was written.

    Args:
        folder: the bundle to finish.
        manifest: what it says of itself; format, version, members, files and digest are filled in here.
        golden: (chips, side, side, bands) chips, or (chips, width) vectors for a bundle that takes these, whose scores
            are stored, in every measured precision.
    """
    names = tuple(sorted(path.name for path in (folder / "members").iterdir() if path.is_dir()))
    number = VECTOR_FORMAT if manifest.vectors else PAIR_FORMAT if manifest.spec.dates > 1 else FORMAT
    manifest = replace(manifest, format=number, version=version("amazon-tags"), members=names)
    manifest = replace(manifest, files=_file_entries(folder))

    scores: dict[str, Any] = {
        "scores" if name == "f32" else name: _golden_scores(folder, manifest, golden, name)
        for name in manifest.precision.costs
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, chips=golden, **scores)
    atomic.write_bytes(folder / "golden.npz", buffer.getvalue())

    manifest = replace(manifest, files=_file_entries(folder))
    return write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write `manifest.json` with its digest; return the manifest that was written."""
    manifest = replace(manifest, sha256=digest(manifest.to_json()))
    atomic.write_json(folder / "manifest.json", manifest.to_json())
    return manifest


def _golden_scores(folder: Path, manifest: Manifest, golden: NDArray[Any], precision: str) -> Scores:
    members = [load_member(folder, manifest, name, Engine("cpu", precision)) for name in manifest.members]
    matrices = [member_scores(member, member.network(golden)[np.newaxis], "mean") for member in members]
    return load_second(folder, manifest).scores(matrices)


def _file_entries(folder: Path) -> dict[str, FileEntry]:
    return {
        path.relative_to(folder).as_posix(): FileEntry(path.stat().st_size, sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not folders.is_litter(path)
    }
