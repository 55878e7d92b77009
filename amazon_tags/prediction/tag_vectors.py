"""What `amazon_tags predict --vectors` does: read vectors, tag their chips with a model, and write the results."""

from pathlib import Path

import numpy as np

from amazon_tags.model import bundle, registry
from amazon_tags.model.vector_bundle import load_for_vectors
from amazon_tags.model.vector_origin import VectorInput, from_metadata
from amazon_tags.prediction.decide import tag_scores
from amazon_tags.prediction.submission import OutputPaths, spelled_like, write_submission
from amazon_tags.tables import label_tables
from amazon_tags.tables.image_names import select
from amazon_tags.tables.vector_tables import read_table
from features.images import naming


def tag_vectors(vectors: Path, outputs: OutputPaths, *, model: Path | None = None, like: Path | None = None) -> int:
    """Tag the chips of a file of vectors, and write tags and scores to the files that `outputs` names.

    Args:
        vectors: a Parquet file, as `amazon_tags embed` or another tool writes it.
        outputs: where to write.
        model: a bundle, or a registry, whose current model is used; None is the model inside the package.
        like: a sample submission, whose rows are written in its order and spelling; None: all chips in natural order.

    Returns:
        The number of chips.

    Raises:
        BundleError: the model is damaged or of another format.
        OSError: a file cannot be read or written.
        ValueError: the vectors cannot be used, or are not those that the model needs.
    """
    table = read_table(vectors)
    order = sorted(table.ids, key=naming.natural) if like is None else label_tables.read_ids(like)
    rows = select(table.ids, order)
    outputs.refuse([vectors], [like] if like else [])

    vector_input = VectorInput(table.width, from_metadata(vectors, table.metadata))
    with registry.hold_model(model or bundle.DEFAULT) as folder:
        loaded = load_for_vectors(folder, vector_input, vectors)
        parts = [loaded.scores([part[np.newaxis]] * len(loaded.members)) for part in table.parts()]
        tagged = iter([tag_scores(loaded.decision, order, np.concatenate(parts)[rows])])
        if like:
            tagged = spelled_like(tagged, label_tables.read_spellings(like))
        write_submission(tagged, loaded.space, outputs, total=len(order))
    return len(order)
