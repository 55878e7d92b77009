"""What the outputs of a notebook say, without what may differ between processors and versions of libraries."""

import html
import re
from pathlib import Path

import nbformat
import numpy as np

from tests.amazon_tags.review.page_data import page_data

MAX_NOISE = 0.02  # between the same decimals of two runs, which other processors round in another way
DECIMAL = re.compile(r"(?<![\w.])[-+]?\d+\.\d+(?:e-?\d+)?")
PICTURE = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+")
FRAME = re.compile(r'<iframe srcdoc="([^"]*)"')


def differences(before: nbformat.NotebookNode, after: nbformat.NotebookNode, folder: Path) -> list[str]:
    """Return how the outputs of two runs of a notebook differ; none if they say the same."""
    found = []
    for one, other in zip(before.cells, after.cells, strict=True):
        texts, others = _texts(one, folder), _texts(other, folder)
        if list(texts) != list(others):
            found.append(f"{one.id}: {list(texts)} became {list(others)}")
            continue
        found += [
            f"{one.id}, {name}: {texts[name]} became {others[name]}"
            for name in texts
            if not _same(texts[name], others[name])
        ]
    return found


def _texts(cell: nbformat.NotebookNode, folder: Path) -> dict[str, str]:
    """Return the texts of a cell's outputs by their kind."""
    texts = {}
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            texts[output.name] = output.text
            continue
        for kind, text in output.data.items():
            frame = FRAME.search(text)
            texts[kind] = _page_text(html.unescape(frame[1]), folder) if frame else PICTURE.sub("a picture", text)
    return texts


def _page_text(page: str, folder: Path) -> str:
    """Return what a gallery shows: each chip with its scores and tags."""
    (folder / "page.html").write_text(page)
    data = page_data(folder / "page.html")
    chips = zip(data["names"], data["scores"].tolist(), data["tags"].tolist(), data["expected"].tolist(), strict=True)
    return f"{data['labels']} {data['errors']} {len(data['thumbnails']['files'])} {list(chips)}"


def _same(one: str, other: str) -> bool:
    words = [DECIMAL.sub("", text).split() for text in (one, other)]
    numbers = [np.array(DECIMAL.findall(text), np.float64) for text in (one, other)]
    return words[0] == words[1] and np.allclose(*numbers, rtol=0, atol=MAX_NOISE)
