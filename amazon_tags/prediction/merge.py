"""What `amazon_tags merge` does: write the tags of all chips from the shards that filled a checkpoint."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from amazon_tags.model import bundle, registry
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.fill import with_absent_chips
from amazon_tags.prediction.part_files import CHIPS_A_PART, list_parts, part_count, read_named_part, read_names
from amazon_tags.prediction.predict import ScoredChips, decide_chips
from amazon_tags.prediction.run_key import RUN_FILE, RunKey, read_key, refuse_other_run, run_key
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, TagSummary, write_tagged
from amazon_tags.tables import label_tables
from features.images.listing import Listing


def merge_shards(
    checkpoint: Path, outputs: OutputPaths, *, model: Path | None = None, options: TagOptions | None = None
) -> TagSummary:
    """Write what one run of `tag_chips` would have written, from the parts of a checkpoint; chips are not read.

    Args:
        checkpoint: the folder that all shards wrote to.
        outputs: where to write.
        model: the bundle, or registry, that the shards scored with; None is the model inside the package.
        options: `like` and `on_error`, which must be those of the shards, are used.

    Raises:
        BundleError: the model is damaged or of another format.
        OSError: a file cannot be read or written.
        ValueError: the checkpoint lacks a part, or holds one that is damaged, doubled or of another run or model,
            or the chips are not those that `like` names.
    """
    options = options or TagOptions()
    key = read_run(checkpoint)
    parts = _single_parts(checkpoint, key)
    outputs.refuse([path for path in checkpoint.iterdir() if path.is_file()], [options.like] if options.like else [])

    with registry.hold_model(model or bundle.DEFAULT) as folder:
        loaded = bundle.load(folder)
        _refuse_other_model(checkpoint, key, loaded)
        names = _checked_names(checkpoint, key, parts)
        tagged = decide_chips(_scored_parts(parts, loaded), loaded)
        if options.like is None:
            for _ in names:  # millions of names are too many to keep
                pass
            return write_tagged(tagged, loaded, outputs, options, count=key.count)

        there, rows = list(names), label_tables.read_ids(options.like)
        _refuse_other_rows(there, rows, options)
        if options.on_error == "fill":
            tagged = with_absent_chips(tagged, rows, there, options.like, loaded)
        return write_tagged(tagged, loaded, outputs, options, count=len(rows))


def read_run(checkpoint: Path) -> RunKey:
    """Return which run a checkpoint belongs to.

    Raises:
        ValueError: the folder is no checkpoint, or one that cannot be merged.
    """
    path = checkpoint / RUN_FILE
    if not path.is_file():
        raise ValueError(f"{checkpoint} is not a checkpoint: it holds no {RUN_FILE}; name the folder of the shards.")
    key = read_key(path)
    if key.kind == "windows":
        raise ValueError(
            f"{checkpoint} holds windows of a scene; run the `amazon_tags map` of the shards again without --shard, "
            "which reads it and writes the map."
        )
    if not key.count:
        raise ValueError(
            f"{checkpoint} was written by an earlier version, without the chips' names; run `amazon_tags predict "
            "--checkpoint` again, which reads it and writes the tags."
        )
    return key


def _single_parts(checkpoint: Path, key: RunKey) -> list[Path]:
    """Return the files of all parts in order, or raise ValueError for what is missing or there twice."""
    files = defaultdict(list)
    for number, path in list_parts(checkpoint):
        files[number].append(path)

    doubled = [paths for paths in files.values() if len(paths) > 1]
    if doubled:
        raise ValueError(
            f"{checkpoint} holds {len(doubled)} parts twice, from chips that differ (first: {doubled[0][0].name} and "
            f"{doubled[0][1].name}); delete those of the wrong chips."
        )
    numbers = range(part_count(key.count))
    if foreign := sorted(files.keys() - set(numbers)):
        raise ValueError(f"{files[foreign[0]][0]} is no part of {key.count:,} chips; delete it.")
    if missing := [number for number in numbers if number not in files]:
        first = missing[0] * CHIPS_A_PART
        raise ValueError(
            f"{checkpoint} lacks {len(missing)} of {len(numbers)} parts (first: that of the chips {first + 1:,} to "
            f"{min(first + CHIPS_A_PART, key.count):,} of {key.count:,}); run the shards again that did not finish."
        )
    return [files[number][0] for number in numbers]


def _refuse_other_model(checkpoint: Path, key: RunKey, model: Bundle) -> None:
    current = run_key(Listing([], []), model, views=key.views, tolerant=key.tolerant)
    refuse_other_run(f"the checkpoint {checkpoint}", key, current, "version", "model")


def _checked_names(checkpoint: Path, key: RunKey, parts: list[Path]) -> Iterator[str]:
    """Yield the names of all chips, and raise ValueError for a part of another run, or at the end for other chips."""
    digest, is_first = hashlib.sha256(), True
    for path in parts:
        run, names = read_names(path)
        refuse_other_run(str(path), run, key)
        digest.update(("" if is_first else "\n").encode() + "\n".join(names).encode())
        is_first = False
        yield from names
    if digest.hexdigest() != key.chips:
        raise ValueError(
            f"the names in {checkpoint} are not those of the {key.count:,} chips that its {RUN_FILE} stands for; "
            "delete the folder, and run all shards again."
        )


def _scored_parts(parts: list[Path], model: Bundle) -> Iterator[ScoredChips]:
    return (read_named_part(path, model.space.names, len(model.spec.channels)) for path in parts)


def _refuse_other_rows(names: list[str], rows: list[str], options: TagOptions) -> None:
    """Raise ValueError if the chips are not those that a sample submission names, in its order."""
    if options.on_error == "fill":
        there = set(names)
        rows = [name for name in rows if name in there]
    if names != rows:
        raise ValueError(
            f"the shards hold {len(names):,} chips, which are not the {len(rows):,} of {options.like} in its order; "
            "run the shards with the same --like and --on-error."
        )
