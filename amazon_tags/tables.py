"""Label tables, submissions and score tables, in and out, checked.

`image_name` is what `features.naming` calls a chip; image suffixes that stand in a table are dropped.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from amazon_tags import files, labels, parquet, rows
from amazon_tags.labels import LabelSpace
from features import naming

Scores = NDArray[np.float32]  # (chips, labels), in [0, 1]
Tags = NDArray[np.bool_]  # (chips, labels)


@dataclass(frozen=True)
class LabelTable:
    """A label table as people left it; `remarks` says how often its rows break a rule.

    `doubts` (chips, labels) are tags of which somebody wrote `tag?`: nobody knows, and `truth` does not hold.
    """

    ids: list[str]
    truth: Tags
    space: LabelSpace
    remarks: tuple[str, ...]
    doubts: Tags


def read_labels(path: Path, space: LabelSpace, *, doubting: bool = False) -> LabelTable:
    """Reads `image_name,tags`, tags separated by spaces; where `doubting` is allowed, `tag?` is one nobody knows.

    Repeated tags, rows without tags and rows that break the space's rules are kept and counted in the remarks: the
    competition's own table has them.

    Raises:
        ValueError: An unknown tag, a repeated image, or whatever `rows.read` refuses.
    """
    table = rows.read(path, ("image_name", "tags"))
    ids = _ids(table)
    places = {name: place for place, name in enumerate(space.names)}
    truth, doubts = np.zeros((2, len(ids), len(places)), dtype=np.bool_)
    repeating: list[int] = []
    unknown: list[tuple[int, str]] = []
    for row, cell in enumerate(rows.column(table, "tags")):
        tags = cell.split()
        if len(set(tags)) < len(tags):
            repeating.append(row)
        for tag in tags:
            if tag in places:
                truth[row, places[tag]] = True
            elif doubting and tag[-1] == "?" and tag[:-1] in places:
                doubts[row, places[tag[:-1]]] = True
            else:
                unknown.append((row, tag))
    if unknown:
        row, tag = unknown[0]
        separated = any(mark in tag for mark in ",;|/")
        raise ValueError(
            f"{path} line {table.lines[row]}: {tag!r} is no label of {space.name!r}"
            f"{labels.did_you_mean(tag, space.names)}; "
            f"{len({row for row, _ in unknown})} of {len(ids)} rows have such tags. "
            + ("Separate tags by spaces." if separated else "For other labels pass --labels table, or a TOML file.")
        )
    cases = {"a tag repeated": repeating, **breaches(space, truth)}
    remarks = tuple(
        f"{len(found)} of {len(ids)} rows: {what} (first: {ids[found[0]]}, line {table.lines[found[0]]})"
        for what, found in cases.items()
        if found
    )
    return LabelTable(ids, truth, space, remarks, doubts & ~truth)


def read_truth(path: Path, space: LabelSpace) -> LabelTable:
    """Reads a label table or, where it has no column `tags`, a one-hot CSV: `image_name`, and 0 or 1 a label."""
    table = rows.read(path, ("image_name",))
    if "tags" in table.columns:
        return read_labels(path, space)
    ids, matrix, columns = _from_csv(path, path.read_bytes())
    _refuse_columns(path, columns, space)
    wrong = np.argwhere((matrix != 0) & (matrix != 1))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{path} line {table.lines[row]}: {columns[column]} is {matrix[row, column]:g} ({len(wrong)} such cells); "
            "needed 0 or 1, or a table with the column tags."
        )
    truth = matrix[:, select(columns, space.names)] == 1
    return LabelTable(ids, truth, space, (), np.zeros_like(truth))


def read_ids(path: Path) -> list[str]:
    """The `image_name` column of any table, such as the sample submission, in its order."""
    return _ids(rows.read(path, ("image_name",)))


def read_groups(path: Path, ids: Sequence[str]) -> NDArray[np.str_]:
    """The group (chips,) of each of the chips, from a table `image_name,group`, which may hold others too.

    Raises:
        ValueError: A chip has no group there, or two.
    """
    table = rows.read(path, ("image_name", "group"))
    known = dict(zip(_ids(table), rows.column(table, "group"), strict=True))
    missing = [name for name in ids if name not in known]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(ids)} chips have no group in {path} (first: {missing[0]}); give each a row."
        )
    return np.array([known[name] for name in ids])


def write_tags(stream: TextIO, ids: Sequence[str], tags: Tags, space: LabelSpace, *, header: bool = True) -> None:
    """Writes a submission, or more rows of one: `image_name,tags`, tags in the space's order, separated by a space."""
    if np.asarray(tags).dtype != np.bool_:
        raise ValueError(f"Got tags of {np.asarray(tags).dtype}, needed bool; decide on the scores first.")
    _refuse_shape("tags", tags, ids, space)
    _refuse_repeats("The chips to write", ids)
    names = np.array(space.names, dtype=object)
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(("image_name", "tags"))
    writer.writerows((name, " ".join(names[row])) for name, row in zip(ids, tags, strict=True))


def select(ids: Sequence[str], wanted: Sequence[str]) -> NDArray[np.intp]:
    """Positions in `ids` of what is `wanted`, in the order of `wanted`.

    Example:
        >>> select(["a", "b", "c"], ["c", "a"]).tolist()
        [2, 0]
    """
    _refuse_repeats("The chips to select from", ids)
    places = {name: place for place, name in enumerate(ids)}
    missing = [name for name in wanted if name not in places]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} wanted chips are missing from the {len(ids)} given "
            f"(first: {missing[0]!r}); give these chips too, or leave them out of the table that asks for them."
        )
    return np.array([places[name] for name in wanted], dtype=np.intp)


def refuse_score_path(path: Path) -> None:
    """Raises ValueError where the suffix is neither `.csv` nor `.parquet`; none at all (`/dev/stdout`) means CSV."""
    if path.suffix.lower() not in (".csv", ".parquet", ""):
        raise ValueError(f"Scores cannot be written to {path}: got {path.suffix!r}, needed .csv or .parquet.")


def write_scores(path: Path, ids: Sequence[str], scores: Scores, space: LabelSpace) -> None:
    """Writes `image_name` and one column for each label, as CSV or Parquet by the suffix; no bit is lost in either."""
    with score_writer(path, space) as write:
        write(ids, scores)


@contextmanager
def score_writer(path: Path, space: LabelSpace) -> Iterator[parquet.Write]:
    """As `write_scores`, a part of the chips at a time; the file stands once the block ends well."""
    refuse_score_path(path)
    header = ("image_name", *space.names)
    packed = path.suffix.lower() == ".parquet"
    with files.atomic(path) as stream, (parquet.writer if packed else _csv_writer)(stream, header) as put:

        def write(ids: Sequence[str], scores: Scores) -> None:
            matrix = np.asarray(scores, dtype=np.float32)
            _refuse_shape("scores", matrix, ids, space)
            _refuse_repeats("The chips to write", ids)
            _refuse_range("The scores to write", ids, matrix, space.names)
            put(ids, matrix)

        yield write


@contextmanager
def _csv_writer(stream: BinaryIO, header: Sequence[str]) -> Iterator[parquet.Write]:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    yield lambda ids, scores: table.writerows((name, *row) for name, row in zip(ids, _decimals(scores), strict=True))
    text.flush()
    text.detach()


def read_scores(path: Path, space: LabelSpace | None = None) -> tuple[list[str], Scores, tuple[str, ...]]:
    """Reads a score table, CSV or Parquet by its content.

    Args:
        path: The table; its label columns may stand in any order.
        space: The labels that it must have, no more and no fewer; None takes what the table has.

    Returns:
        ids, scores and label names, in the order of `space`, or of the table without one.

    Raises:
        ValueError: A label column is missing or too many, an image is repeated, a score is not in [0, 1].
    """
    parts = list(_parts(path, space))
    ids = [name for part in parts for name in part[0]]
    _refuse_repeats(str(path), ids)
    return ids, np.concatenate([part[1] for part in parts]), parts[0][2]


def stream_scores(path: Path, space: LabelSpace) -> Iterator[tuple[list[str], Scores]]:
    """As `read_scores`, but a part at a time where the file is Parquet; that images are repeated is told at the end."""
    seen: list[NDArray[np.int64]] = []
    for ids, matrix, _ in _parts(path, space):
        seen.append(np.array([hash(name) for name in ids], np.int64))  # 8 bytes of each; names may be millions
        yield ids, matrix
    rows_read = sum(map(len, seen))
    repeated = rows_read - len(np.unique(np.concatenate(seen)))
    if repeated:
        raise ValueError(f"{path}: {repeated} of {rows_read} images are repeated; keep one row of each.")


def _parts(path: Path, space: LabelSpace | None) -> Iterator[tuple[list[str], Scores, tuple[str, ...]]]:
    is_parquet = False
    if path.is_file():  # a pipe can be read only once, and Parquet needs to be read from its end
        with path.open("rb") as stream:
            is_parquet = stream.read(4) == b"PAR1"
    empty = True
    for ids, matrix, columns in parquet.parts(path) if is_parquet else iter([_from_csv(path, path.read_bytes())]):
        if space is None:
            try:
                space = LabelSpace(path.stem, columns)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        _refuse_columns(path, columns, space)
        _refuse_range(str(path), ids, matrix, columns)
        empty = False
        yield ids, np.ascontiguousarray(matrix[:, select(columns, space.names)]), space.names
    if empty:
        raise ValueError(f"{path} has no rows; a row for each image is needed.")


def _ids(table: rows.Rows) -> list[str]:
    ids = [naming.name(cell) for cell in rows.column(table, "image_name")]
    empty = [row for row, name in enumerate(ids) if not name.strip()]
    if empty:
        raise ValueError(
            f"{table.path} line {table.lines[empty[0]]}: image_name is empty ({len(empty)} such rows); name the chip."
        )
    _refuse_repeats(str(table.path), ids, table.lines)
    return ids


def breaches(space: LabelSpace, truth: Tags) -> dict[str, list[int]]:
    """Rows that break a rule, by rule; a row without tags breaks that one only."""
    count = truth.sum(axis=1)
    breach = {"no tags": count == 0}
    for group in space.groups:
        held = truth[:, select(space.names, group)].sum(axis=1)
        breach[f"none of {', '.join(group)}"] = (held == 0) & (count > 0)
        breach[f"more than one of {', '.join(group)}"] = held > 1
    for name in space.alone:
        breach[f"{name} together with other tags"] = truth[:, space.names.index(name)] & (count > 1)
    return {what: np.flatnonzero(broken).tolist() for what, broken in breach.items()}


def _refuse_repeats(where: str, ids: Sequence[str], lines: Sequence[int] | None = None) -> None:
    if len(set(ids)) == len(ids):
        return
    first: dict[str, int] = {}
    again: list[int] = []
    for row, name in enumerate(ids):
        if name in first:
            again.append(row)
        else:
            first[name] = row
    name = ids[again[0]]
    pair = [row if lines is None else lines[row] for row in (first[name], again[0])]
    raise ValueError(
        f"{where}: {len(again)} images are repeated (first: {name!r} in {'rows' if lines is None else 'lines'} "
        f"{pair[0]} and {pair[1]}); keep one of each."
    )


def _refuse_columns(path: Path, columns: Sequence[str], space: LabelSpace) -> None:
    missing = [name for name in space.names if name not in columns]
    extra = [name for name in columns if name not in space.names]
    if missing or extra:
        parts = [
            f"{len(names)} label columns are {what} (first: {names[0]!r}{labels.did_you_mean(names[0], others)})"
            for names, what, others in ((missing, "missing", extra), (extra, "unknown", missing))
            if names
        ]
        raise ValueError(
            f"{path}: {' and '.join(parts)}; needed image_name and the {len(space.names)} labels of {space.name!r}."
        )


def _refuse_shape(what: str, matrix: NDArray[Any], ids: Sequence[str], space: LabelSpace) -> None:
    needed = (len(ids), len(space.names))
    if np.shape(matrix) != needed:
        raise ValueError(
            f"{what} have shape {np.shape(matrix)}, needed {needed}: one row for each chip and one column for each "
            f"label of {space.name!r}."
        )


def _refuse_range(where: str, ids: Sequence[str], scores: Scores, columns: Sequence[str]) -> None:
    with np.errstate(invalid="ignore"):
        wrong = np.argwhere(~((scores >= 0) & (scores <= 1)))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{where}: {len(wrong)} scores are not in [0, 1] (first: {scores[row, column]} for {columns[column]} of "
            f"{ids[row]!r}); needed probabilities, not logits or missing values."
        )


def _decimals(scores: Scores) -> NDArray[Any]:
    """Shortest decimals that read back, by way of a double, as the same float32."""
    texts = scores.astype(object)
    short = scores.astype(np.str_)
    # Rounded twice, decimal to double to float32, a few shortest decimals arrive one unit off; those get the double's.
    lost = short.astype(np.float64).astype(np.float32).view(np.uint32) != scores.view(np.uint32)
    texts[:] = short
    texts[lost] = [repr(float(score)) for score in scores[lost]]
    return texts


def _from_csv(path: Path, content: bytes) -> tuple[list[str], Scores, tuple[str, ...]]:
    table = rows.parse(path, content, ("image_name",))
    ids = _ids(table)
    place = table.columns.index("image_name")
    columns = table.columns[:place] + table.columns[place + 1 :]
    matrix = np.empty((len(ids), len(columns)), dtype=np.float32)
    for row, cells in enumerate(table.cells):
        try:
            matrix[row] = [float(cell) for cell in cells[:place] + cells[place + 1 :]]
        except ValueError as error:
            raise ValueError(f"{path} line {table.lines[row]}: {error}; needed a score in [0, 1].") from error
    return ids, matrix, columns
