"""Read what was annotated in Label Studio as corrections.

Its export "JSON" is a list of tasks, each with `data` and `annotations`; a task of ours names its chip in `data`. A
submitted annotation says of every label whether it holds.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from amazon_tags.records import Json
from amazon_tags.review.exports import CONTROL
from amazon_tags.tables import corrections, labels
from amazon_tags.tables.corrections import Correction
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from features.images import naming

ADVICE = "export the project from Label Studio as JSON (not JSON-MIN), with the tasks that `review --export` wrote"


def import_review(export: Path, output: Path | None, *, space: str = "planet") -> int:
    """Write the annotations of an export as a corrections file, and return how many chips it corrects.

    Args:
        export: the JSON file of Label Studio.
        output: the corrections file; None is stdout.
        space: `planet`, or a TOML file.

    Raises:
        ValueError: the file is not such an export, names no chip, or has a tag that is not a label.
    """
    preflight.refuse_outputs([path for path in (output,) if path], [export])
    rows, skipped = read_export(export, labels.choose(space))
    with atomic.atomic_text(output) as stream:
        corrections.write(stream, rows)
    chips = len({row.chip for row in rows})
    left = f"; {skipped:,} tasks have no annotation" if skipped else ""
    progress.say(f"{chips:,} chips with {len(rows):,} answers{left}")
    return chips


def read_export(path: Path, space: LabelSpace) -> tuple[list[Correction], int]:
    """Return the corrections of an export, and how many of its tasks have no annotation; raises as `import_review`."""
    try:
        tasks = json.loads(path.read_bytes())
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not JSON ({error}); {ADVICE}.") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ValueError(f"{path} is not a list of tasks; {ADVICE}.")

    rows: list[Correction] = []
    skipped = 0
    for number, task in enumerate(tasks, 1):
        where = f"{path}, task {number}"
        chip = _chip(task, where)
        annotations = [one for one in _list_of(task, "annotations", where) if not one.get("was_cancelled")]
        skipped += not annotations
        for annotation in sorted(annotations, key=_time):
            chosen = set(_choices(annotation, space, where))
            who, when = _reviewer(annotation), _time(annotation)
            rows += [Correction(chip, name, name in chosen, who, when) for name in space.names]
    return rows, skipped


def _chip(task: Mapping[str, Any], where: str) -> str:
    data = task.get("data")
    name = data.get("image_name") if isinstance(data, dict) else None
    if not isinstance(name, str) or not naming.name(name) or not naming.writable(name):
        raise ValueError(f"{where}: data.image_name names no chip; {ADVICE}.")
    return naming.name(name)


def _list_of(values: Mapping[str, Any], key: str, where: str) -> list[Json]:
    found = values.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{where} has no list {key!r}; {ADVICE}.")
    return found


def _choices(annotation: Mapping[str, Any], space: LabelSpace, where: str) -> Iterator[str]:
    """Yield the tags that an annotation chose; those of other controls are ignored."""
    for result in _list_of(annotation, "result", where):
        if result.get("from_name") != CONTROL:
            continue
        value = result.get("value")
        chosen = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(chosen, list):
            raise ValueError(f"{where}: a result of {CONTROL!r} has no choices; {ADVICE}.")
        for name in chosen:
            if name not in space.names:
                near = did_you_mean(str(name), space.names)
                raise ValueError(f"{where}: {name!r} is not a label of {space.name!r}{near}; name its --labels.")
            yield name


def _reviewer(annotation: Mapping[str, Any]) -> str:
    """Return who annotated: the address of an account, or its number."""
    who = annotation.get("completed_by", "")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id", "")
    return str(who)


def _time(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")
