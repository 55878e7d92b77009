"""What a page of a gallery carries."""

import base64
import json
import re
from pathlib import Path

import numpy as np


def page_data(page: Path) -> dict:
    """Return the data of a page, with its arrays (chips, labels) and (chips,)."""
    text = re.search(r'id="page-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1]
    data = json.loads(text)
    shape = len(data["names"]), len(data["labels"])
    data["scores"] = np.frombuffer(base64.b64decode(data["scores"]), "<f4").reshape(shape)
    data["tags"] = np.frombuffer(base64.b64decode(data["tags"]), np.uint8).reshape(shape).astype(bool)
    data["expected"] = np.frombuffer(base64.b64decode(data["expected"]), "<f4")
    return data
