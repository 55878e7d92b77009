"""A queue as a folder that another program imports: FiftyOne, Label Studio or Lightly.

The pictures lie in `data/` as JPEG that every browser shows, since the competition's own files have four components.

    fiftyone      labels.json, data/: the format FiftyOneImageClassificationDataset, with several tags a chip
    label-studio  tasks.json, config.xml, data/: tasks with the present tags as predictions, and the labelling interface
    lightly       .lightly/predictions/, data/: for each label a classification into absent and present
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from amazon_tags.files import folders
from amazon_tags.records import Json
from amazon_tags.review.queue import Queue, QueuedChip

ExportFormat = Literal["fiftyone", "label-studio", "lightly"]

LOCAL_FILES = "/data/local-files/?d="  # what Label Studio serves of the folder LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT
NOT_IN_TASKS = re.compile(r"[^a-zA-Z0-9_+,.@-]|^\.")  # Lightly refuses others in the name of a task, which is a folder
CONTROL, IMAGE = "tags", "image"  # names in the labelling interface


def write_export(folder: Path, queue: Queue, export_format: ExportFormat) -> None:
    """Write a queue into a new folder.

    Raises:
        FileExistsError: the folder exists and is not empty.
    """
    with folders.filled_folder(folder) as part:
        (part / "data").mkdir()
        for chip in queue.chips:
            (part / _picture(chip)).write_bytes(chip.picture)
        FORMATS[export_format](part, queue, folder.resolve().name)


def write_fiftyone(part: Path, queue: Queue, _name: str) -> None:
    """Write the tags of each chip with their scores; the attribute `queue` is the chip's place."""
    names = queue.space.names

    def label(chip: QueuedChip, column: int, place: int) -> Json:
        return {"label": names[column], "confidence": chip.scores[column], "attributes": {"queue": place}}

    labels = {
        chip.name: [label(chip, column, place) for column in chip.tags] for place, chip in enumerate(queue.chips, 1)
    }
    _write(part / "labels.json", {"classes": list(names), "labels": labels})


def write_label_studio(part: Path, queue: Queue, name: str) -> None:
    """Write tasks in the order of the queue, and the labelling interface; pictures are found by the folder's name."""
    tasks = [_task(queue, chip, name, place) for place, chip in enumerate(queue.chips, 1)]
    _write(part / "tasks.json", tasks)
    (part / "config.xml").write_text(labelling_interface(queue.space.names), encoding="utf-8")


def write_lightly(part: Path, queue: Queue, _name: str) -> None:
    """Write a task for each label, since a classification of Lightly has one category a picture."""
    root = part / ".lightly" / "predictions"
    tasks = [lightly_task(name) for name in queue.space.names]
    categories = [{"id": 0, "name": "absent"}, {"id": 1, "name": "present"}]
    for column, task in enumerate(tasks):
        (root / task / "data").mkdir(parents=True)
        _write(root / task / "schema.json", {"task_type": "classification", "categories": categories})
        for chip in queue.chips:
            score = chip.scores[column]
            prediction = {"category_id": int(column in chip.tags), "probabilities": [round(1 - score, 4), score]}
            content = {"file_name": _picture(chip), "predictions": [prediction]}
            _write((root / task / _picture(chip)).with_suffix(".json"), content)
    _write(root / "tasks.json", tasks)


def lightly_task(label: str) -> str:
    """Return the name of a label's task, with other characters than Lightly takes as `=` and their bytes.

    Example:
        >>> lightly_task("wet/land")
        'wet=2Fland'
    """
    return NOT_IN_TASKS.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), label)


FORMATS: dict[ExportFormat, Callable[[Path, Queue, str], None]] = {
    "fiftyone": write_fiftyone,
    "label-studio": write_label_studio,
    "lightly": write_lightly,
}


def labelling_interface(names: Sequence[str]) -> str:
    """Return Label Studio's labelling interface: a picture, and a choice of several tags."""
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in names)
    return (
        f'<View>\n  <Image name="{IMAGE}" value="${IMAGE}"/>\n'
        f'  <Choices name="{CONTROL}" toName="{IMAGE}" choice="multiple" showInline="true">\n{choices}\n'
        "  </Choices>\n</View>\n"
    )


def _task(queue: Queue, chip: QueuedChip, folder: str, place: int) -> Json:
    tags = [queue.space.names[column] for column in chip.tags]
    choice = {"from_name": CONTROL, "to_name": IMAGE, "type": "choices", "value": {"choices": tags}}
    path = quote(f"{folder}/{_picture(chip)}")
    return {
        "data": {IMAGE: LOCAL_FILES + path, "image_name": chip.name, "queue": place},
        "predictions": [
            {"model_version": "amazon_tags", "score": chip.confidence, "result": [choice] if tags else []},
        ],
    }


def _picture(chip: QueuedChip) -> str:
    """Return the path of a chip's picture in the folder."""
    return f"data/{chip.name}.jpg"


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
