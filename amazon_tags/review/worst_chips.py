"""The training chips that a bundle tagged worst out of fold: their names, tags and small pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.model.manifest import Manifest
from amazon_tags.review.out_of_fold import OutOfFold
from amazon_tags.tables import labels, score_tables
from amazon_tags.training.fingerprints import hash_chips
from ensemble.metrics import score
from features.images import chips, listing
from features.images.listing import ChipPath
from features.images.overlays import data_uri
from features.images.visible import visible

WORST = 24  # chips on the page: some 10 kB each with a picture
THUMBNAIL_PIXELS = 160
HASH_DIGITS = 12  # that name a chip whose name is not known


@dataclass(frozen=True)
class WorstChip:
    """A chip with its F-beta, its tags by how they were predicted, and a picture as a data URI, empty without one."""

    name: str
    f: float
    right: list[str]
    missed: list[str]
    false: list[str]
    picture: str


@dataclass(frozen=True)
class WorstChips:
    """The chips, the lowest F-beta first, and where their names are from."""

    chips: list[WorstChip]
    note: str


def find_worst(
    folder: Path, manifest: Manifest, out_of_fold: OutOfFold, chip_folder: Path | None, *, jobs: int = 1
) -> WorstChips:
    """Return the chips of lowest F-beta, in the order of training where it is equal.

    Args:
        folder: the bundle, beside which `train` wrote the chips' scores.
        manifest: that of the bundle.
        out_of_fold: its answers.
        chip_folder: the training chips, whose files give names and pictures; others in it are left out.
        jobs: threads.

    Raises:
        ChipError: a chip cannot be used.
        ValueError: the folder has none of the training chips.
    """
    f_beta = score.per_chip(out_of_fold.truth, out_of_fold.tags, beta=out_of_fold.decision.beta)
    rows = np.argsort(f_beta, kind="stable")[:WORST].tolist()
    paths: dict[str, ChipPath] = {}
    if chip_folder and manifest.spec.dates > 1:
        raise ValueError(
            f"{folder} was trained on pairs of chips, which have no pictures on the page; leave --chips out."
        )
    if chip_folder:
        paths = _paths(chip_folder, out_of_fold.hashes, jobs=jobs)
        note = "Names and pictures are those of the files with the same content in the folder of --chips."
        names = [
            listing.name(paths[digest]) if digest in paths else digest[:HASH_DIGITS] for digest in out_of_fold.hashes
        ]
    elif table_names := _table_names(folder, out_of_fold):
        names, note = table_names, "Name the folder of the training chips with --chips to see their pictures."
    else:
        names = [digest[:HASH_DIGITS] for digest in out_of_fold.hashes]
        note = (
            f"A bundle keeps no names of chips: a name here is the first {HASH_DIGITS} digits of the SHA-256 of the "
            "chip's file. Name the folder of the training chips with --chips to see their names and pictures."
        )

    worst = []
    for row in rows:
        true, predicted = out_of_fold.truth[row], out_of_fold.tags[row]
        path = paths.get(out_of_fold.hashes[row])
        worst.append(
            WorstChip(
                name=names[row],
                f=float(f_beta[row]),
                right=labels.decode(manifest.space, true & predicted),
                missed=labels.decode(manifest.space, true & ~predicted),
                false=labels.decode(manifest.space, predicted & ~true),
                picture=_picture(path, manifest) if path else "",
            )
        )
    return WorstChips(worst, note)


def _paths(folder: Path, hashes: Sequence[str], *, jobs: int) -> dict[str, ChipPath]:
    """Return the chips of a folder, an archive or the subfolders of classes that have these hashes, by hash."""
    folders = listing.class_folders(folder) if folder.is_dir() else []
    paths = list_chips(folders or [folder])
    wanted = set(hashes)
    found = {digest: path for path, digest in hash_chips(paths, jobs=jobs).items() if digest in wanted}
    if not found:
        raise ValueError(
            f"{folder} holds {len(paths)} chips, but none of the {len(hashes)} that the bundle was trained on (first: "
            f"{listing.name(paths[0])}); name the folder of its training chips, with unchanged files."
        )
    return found


def _table_names(folder: Path, out_of_fold: OutOfFold) -> list[str]:
    """Return the names in the score table that `train` wrote beside the bundle; none if it has other scores."""
    path = folder.with_name(f"{folder.name}.scores.csv")
    if not path.is_file():
        return []
    names, scores, _ = score_tables.read_scores(path, out_of_fold.space)
    return names if np.array_equal(scores, out_of_fold.scores) else []


def _picture(path: ChipPath, manifest: Manifest) -> str:
    spec = manifest.spec
    picture = Image.fromarray(visible(chips.load(path, spec), spec))
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    return data_uri(picture)
