"""The result of a retraining run: the line that `amazon_tags retrain` prints, and the record in the run's folder."""

from dataclasses import dataclass, field
from typing import Literal

from amazon_tags.records import Json

Outcome = Literal["promoted", "rejected", "no_change"]


@dataclass(frozen=True)
class RetrainingResult:
    """What a run decided, and what it compared.

    Attributes:
        outcome: `no_change` if chips, labels and settings are those of an earlier run.
        run: the run's number; of `no_change`, the earlier run's.
        why: the reasons of a rejection, or why nothing changed.
        model: the name of the current model after the run, if there is one.
        champion: the name of the model that was current before; None for `no_change`, as are the next ones.
        candidate: the name of the model that was trained, if it came to that.
        f2: of `champion` and `candidate`, as far as they were measured.
        chips: how many labelled chips the job has.
    """

    outcome: Outcome
    run: int
    why: str
    model: str | None
    champion: str | None = None
    candidate: str | None = None
    f2: dict[str, float] = field(default_factory=dict)
    chips: int = 0

    def to_json(self) -> Json:
        """Return the values that `amazon_tags retrain` prints; `no_change` compared nothing and has the first four."""
        values = {"outcome": self.outcome, "run": self.run, "why": self.why, "model": self.model}
        if self.outcome == "no_change":
            return values
        compared = {"champion": self.champion, "candidate": self.candidate, "f2": self.f2, "chips": self.chips}
        return values | compared


@dataclass(frozen=True)
class RunRecord:
    """What `run.json` holds: the result, the fingerprint of data and settings, the recipe, the start in UTC."""

    result: RetrainingResult
    fingerprint: str
    recipe: Json
    started: str

    def to_json(self) -> Json:
        """Return the values of `run.json`: those of the result, and the others beside them."""
        rest = {"fingerprint": self.fingerprint, "recipe": self.recipe, "started": self.started}
        return self.result.to_json() | rest

    @classmethod
    def from_json(cls, values: Json) -> "RunRecord":
        """Read the values of a run that ended with `promoted` or `rejected`."""
        rest = {name: values[name] for name in ("fingerprint", "recipe", "started")}
        return cls(RetrainingResult(**{name: value for name, value in values.items() if name not in rest}), **rest)
