"""Count the remarks on a run's chips, and report each kind once, with its count and its first chip."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from amazon_tags import progress
from features.images.remarks import Remark


@dataclass
class RemarkCounts:
    """The remarks of a run so far: how many chips have each, and the first such chip with what was found on it.

    `noun` is what the run calls its chips.
    """

    noun: str = "chips"
    chips: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, names: Iterable[str], remarks: Iterable[Sequence[Remark]]) -> None:
        """Count the remarks of the next chips."""
        for name, of_chip in zip(names, remarks, strict=True):
            for remark in of_chip:
                self.chips[remark.text] = self.chips.get(remark.text, 0) + 1
                self.first.setdefault(remark.text, f"{name}: {remark.detail}" if remark.detail else name)

    def say(self) -> None:
        """Report each kind of remark in a line."""
        for text, count in self.chips.items():
            progress.say(f"{count:,} {self.noun}: {text} (first: {self.first[text]})")
