"""What `amazon_tags predict` does: read chips, tag them with a model, and write the results."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from amazon_tags.datasets.date_pairs import DatePairs
from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.checkpoint import predict_with_checkpoint
from amazon_tags.prediction.fill import fill_scores, find_named_chips, with_absent_chips
from amazon_tags.prediction.monitor import RunStatistics, append_line, monitor_line, watch_run
from amazon_tags.prediction.predict import TaggedChips, find_chips, find_pairs, predict_chips
from amazon_tags.prediction.submission import OutputPaths, spelled_like, write_submission
from amazon_tags.prediction.unusual import mark_unusual
from amazon_tags.tables import label_tables
from features.images.layout import AS_STATED, Layout
from features.images.listing import Listing

Watch = Callable[[Iterable[TaggedChips], Bundle], Iterator[TaggedChips]]


@dataclass(frozen=True)
class TagOptions:
    """How to tag chips; the values are those of the options of `amazon_tags predict`.

    Attributes:
        like: a sample submission, whose rows are written in its order and spelling.
        views: dihedral views, 1 to 8, whose scores are averaged.
        precision: `auto`, `f32`, `bf16` or `int8`.
        device: `auto`, `cpu` or `gpu`.
        on_error: `fail`, `skip` or `fill`, for chips that cannot be used.
        checkpoint: a folder for finished scores, from which an interrupted run resumes.
        jobs: threads.
        layout: what the files do not state of their bands and levels; what it leaves open is as in the bundle.
        pairs: a table `image_name,before,after` of pairs of the chips, which are tagged in place of chips.
    """

    like: Path | None = None
    views: int = 1
    precision: str = "auto"
    device: str = "auto"
    on_error: str = "fail"
    checkpoint: Path | None = None
    jobs: int = 1
    layout: Layout = AS_STATED
    pairs: Path | None = None


@dataclass(frozen=True)
class TagSummary:
    """The number of chips of a run, and how many of them could not be used."""

    chips: int
    unusable: int


def tag_chips(
    inputs: Sequence[Path],
    outputs: OutputPaths,
    *,
    model: Path | None = None,
    options: TagOptions | None = None,
    watch: Watch | None = None,
) -> TagSummary:
    """Tag chips and write tags, scores, errors and the monitor's line to the files that `outputs` names.

    Rows are written as soon as they are decided. The output files are checked before any chip is read.

    Args:
        inputs: folders, files, zip or tar archives.
        outputs: where to write.
        model: a bundle, or a registry, whose current model is used; None is the model inside the package.
        options: how to tag.
        watch: takes the parts and the model, and yields the same parts.

    Raises:
        BundleError: the model is damaged or of another format.
        ChipError: a chip cannot be used and `on_error` is `fail`.
        OSError: a file cannot be read or written.
        ValueError: there are no chips, or an output would replace an input.
    """
    options = options or TagOptions()
    paths, names = find_wanted_chips(inputs, options)
    outputs.refuse(paths.files(), [table for table in (options.like, options.pairs) if table])

    with registry.hold_model(model or bundle.DEFAULT) as folder:
        loaded = open_model(folder, options)
        predict = partial(predict_with_checkpoint, options.checkpoint) if options.checkpoint else predict_chips
        tagged = predict(paths, loaded, views=options.views, tolerant=options.on_error != "fail", jobs=options.jobs)
        if names and options.like:
            tagged = with_absent_chips(tagged, names, paths.names(), options.like, loaded)
        return write_tagged(tagged, loaded, outputs, options, count=len(names or paths), watch=watch)


def find_wanted_chips(inputs: Sequence[Path], options: TagOptions) -> tuple[Listing | DatePairs, list[str]]:
    """Return the chips or pairs to tag; and the names of all rows, if those without a chip are filled."""
    if options.on_error == "fill" and options.like:
        return find_named_chips(inputs, options.like, options.pairs)
    if options.pairs:
        return find_pairs(inputs, options.pairs, options.like), []
    return find_chips(inputs, options.like), []


def open_model(folder: Path, options: TagOptions) -> Bundle:
    """Return the bundle in a folder, ready to score chips as the options say."""
    loaded = bundle.load(folder, jobs=options.jobs, precision=options.precision, device=options.device)
    return loaded.reading(options.layout, paired=options.pairs is not None)


def write_tagged(
    tagged: Iterable[TaggedChips],
    model: Bundle,
    outputs: OutputPaths,
    options: TagOptions,
    *,
    count: int,
    watch: Watch | None = None,
) -> TagSummary:
    """Write the results of tagged chips; `like` and `on_error` of the options say which rows, and by which names."""
    tagged = mark_unusual(tagged, training_record.read(model.folder))
    if watch:
        tagged = watch(tagged, model)
    if options.like:
        tagged = spelled_like(tagged, label_tables.read_spellings(options.like))
    fill = fill_scores(model) if options.on_error == "fill" else None

    if outputs.log is None:
        return TagSummary(count, write_submission(tagged, model.space, outputs, fill=fill, total=count))
    training, statistics = training_record.read_required(model.folder), RunStatistics()
    unusable = write_submission(watch_run(tagged, statistics), model.space, outputs, fill=fill, total=count)
    append_line(outputs.log, monitor_line(statistics, model, training))
    return TagSummary(count, unusable)
