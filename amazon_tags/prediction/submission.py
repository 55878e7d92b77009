"""Tags as they come, written down: the submission, the score table, the list of chips that could not be used."""

import errno
import json
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.tables import label_tables, score_tables
from amazon_tags.tables.labels import LabelSpace
from features.images import naming


@dataclass(frozen=True)
class OutputPaths:
    """Where to write: tags to stdout unless `tags` names a file; the rest only where named."""

    tags: Path | None = None
    scores: Path | None = None
    errors: Path | None = None
    log: Path | None = None

    def refuse(self, *inputs: Iterable[Path]) -> None:
        """Raise what writing would end in, before any chip is read.

        Raises:
            OSError: a place cannot be written.
            ValueError: a place is one of the `inputs`, or stands for two outputs.
        """
        if not self.tags and not sys.stdout:
            raise OSError(errno.EBADF, "stdout is closed; open it, or name a file by -o")
        if self.scores:
            score_tables.refuse_score_path(self.scores)
        places = [self.tags or Path("/dev/stdout"), self.scores, self.errors, self.log]
        preflight.refuse_outputs([path for path in places if path], chain(*inputs))


def write_submission(
    tagged: Iterable[TaggedChips], space: LabelSpace, places: OutputPaths, *, total: int | None = None
) -> int:
    """Write every row as soon as it is known; returns how many of the `total` chips could not be used.

    Says at the end what the tags may be expected to be worth.
    """
    failures: list[dict[str, str]] = []
    count, worth = 0, 0.0
    table = score_tables.score_writer(places.scores, space) if places.scores else nullcontext(lambda ids, scores: None)
    with atomic.atomic_text(places.tags) as stream, table as write_scores, progress.bar("tagging", total) as advance:
        for number, part in enumerate(tagged):
            label_tables.write_tags(stream, part.ids, part.tags, space, header=number == 0)
            stream.flush()
            write_scores(part.ids, part.scores)
            count, worth = count + len(part.ids), worth + float(part.expected.sum())
            failures += [{"file": str(path), "error": error} for path, error in part.failures]
            advance(len({*part.ids, *(naming.name(path.name) for path, _ in part.failures)}))
    if places.errors:  # an empty list too, or that of a former run would stand
        atomic.write_text(places.errors, "".join(json.dumps(entry) + "\n" for entry in failures))
    if count:
        progress.say(f"{count:,} chips; expected F {worth / count:.3f}, as far as the scores are probabilities")
    return len(failures)
