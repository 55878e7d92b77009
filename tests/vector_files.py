"""Files of planted vectors for labelled chips, which stand in for backbones."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amazon_tags.training.training_data import TrainingData
from features.images import listing


def write(path: Path, data: TrainingData, vectors: np.ndarray) -> str:
    """Write vectors (chips, dim) of the chips; return the path as `--backbones` takes it."""
    rows = [row.tolist() for row in np.asarray(vectors, np.float32)]
    column = pa.array(rows, pa.list_(pa.float32(), len(rows[0])))
    pq.write_table(pa.table({"image_name": [listing.name(chip) for chip in data.paths], "vector": column}), path)
    return str(path)
