"""What `amazon_tags predict --shard` does: score one share of the chips into a checkpoint that machines share."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from amazon_tags import progress
from amazon_tags.model import bundle, registry
from amazon_tags.prediction.checkpoint import score_shard
from amazon_tags.prediction.part_files import CHIPS_A_PART, part_count
from amazon_tags.prediction.predict import ScoredChips
from amazon_tags.prediction.run_key import run_key
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.tag_chips import TagOptions, find_wanted_chips, open_model


def predict_shard(
    inputs: Sequence[Path], shard: Shard, checkpoint: Path, *, model: Path | None = None, options: TagOptions
) -> None:
    """Score the chips of a shard, and keep the scores in a checkpoint, from which `merge` writes the tags.

    Reports how many of the chips could not be used; `merge` lists them.

    Args:
        inputs: all chips, as of `tag_chips`, not those of the shard alone.
        shard: which of them to score.
        checkpoint: the folder that all shards write to.
        model: as of `tag_chips`.
        options: as of `tag_chips`; its `checkpoint` is not used.

    Raises:
        BlockingIOError: a run that is not a shard uses the checkpoint.
        BundleError: the model is damaged or of another format.
        ChipError: a chip cannot be used and `on_error` is `fail`.
        OSError: a file cannot be read or written.
        ValueError: there are no chips, or the checkpoint belongs to another run.
    """
    paths, _ = find_wanted_chips(inputs, options)
    with registry.hold_model(model or bundle.DEFAULT) as folder:
        loaded = open_model(folder, options)
        key = run_key(paths, loaded, views=options.views, tolerant=options.on_error != "fail")
        parts = score_shard(checkpoint, paths, loaded, key, shard, jobs=options.jobs)
        report_shard(parts, shard, checkpoint, len(paths))


def report_shard(
    parts: Iterable[ScoredChips], shard: Shard, checkpoint: Path, total: int, *, of: str = "chips"
) -> None:
    """Run through the parts of a shard of `total` chips or windows, with a progress bar, and report what was done."""
    own = shard.of(part_count(total))
    first, last = own.start * CHIPS_A_PART, min(own.stop * CHIPS_A_PART, total)
    unusable = 0
    with progress.bar(f"shard {shard}", last - first) as advance:
        for part in parts:
            unusable += sum(error is not None for error in part.errors)
            advance(len(part.ids))
    if not own:
        progress.say(f"shard {shard} is empty: {total:,} {of} are {part_count(total)} parts of {CHIPS_A_PART:,}")
        return
    failed = f", {unusable:,} of which could not be used," if unusable else ""
    progress.say(f"shard {shard}: {of} {first + 1:,} to {last:,} of {total:,}{failed} are scored in {checkpoint}")
