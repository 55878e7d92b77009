"""The gate: what a candidate must keep to before it takes the champion's place, check by check, in words."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model import bundle, engine, training_record
from amazon_tags.model.bundle import Bundle, BundleError
from amazon_tags.prediction.predict import score_chips
from amazon_tags.retraining.job import GateLimits
from amazon_tags.training.training_data import TrainingData
from ensemble.metrics import score, shift
from features.arrays import ChipBatch
from features.images import chips
from features.networks import openvino_runtime

GOLDEN = 1e-5  # of a golden chip's score in f32, on the machine that made it
ENOUGH = 30  # chips that must be withheld before folds are held against them
SURE = 3.0  # standard errors
SURELY = 0.95
TURNED = 200  # chips that are looked at with their bands in the reverse order
SHOWN = 500  # chips, at least, that a packaged model is asked about once more
TIMED, TRIES = 15, 3


@dataclass(frozen=True)
class Check:
    """One question: what the champion had, what the candidate has, what was allowed, and the answer in words."""

    name: str
    champion: str
    candidate: str
    limit: str
    passed: bool
    why: str = ""


@dataclass(frozen=True)
class ModelAnswers:
    """A model and its answers to the labelled chips: (chips, labels), each from what had not learnt from the chip.

    `blind` (chips,) are those whose answer is out of fold, score and decision; the others' is the packaged model's.
    `looks` are those of `extract.Outputs`, of all chips.
    """

    folder: Path
    scores: NDArray[np.float32]
    tags: NDArray[np.bool_]
    blind: NDArray[np.bool_]
    band_statistics: NDArray[np.float32]


def answer_chips(folder: Path, given: TrainingData, jobs: int) -> ModelAnswers:
    """Answers by a bundle's out-of-fold scores where it learnt from a chip, else by itself, in f32.

    Raises:
        BundleError: the bundle is damaged, or does not reproduce its golden scores.
        ValueError: it has other labels, or does not say what it learnt from.
    """
    model = bundle.load(folder, jobs=jobs)
    if model.space.names != given.space.names:
        raise ValueError(
            f"{folder} has {len(model.space.names)} labels ({', '.join(model.space.names)}), and the job has "
            f"{len(given.space.names)} ({', '.join(given.space.names)}); a job of other labels needs another registry."
        )
    known = training_record.read_required(folder)
    places = known.places()
    blind = np.array([digest in places for digest in given.hashes], np.bool_)
    scores = np.zeros(given.truth.shape, np.float32)
    band_statistics = np.zeros((len(scores), 2 * len(model.spec.bands)), np.float32)
    rows = [places[digest] for digest in given.hashes if digest in places]
    scores[blind], band_statistics[blind] = known.scores[rows], known.band_statistics[rows]
    new = np.flatnonzero(~blind)
    if len(new):
        parts = list(score_chips([given.paths[row] for row in new], model, jobs=jobs))
        scores[new] = np.concatenate([part.scores for part in parts])
        band_statistics[new] = np.concatenate([part.band_statistics for part in parts])
    tags = model.decide(scores)
    if known.tags is not None:
        tags[blind] = known.tags[rows]
    return ModelAnswers(folder, scores, tags, blind, band_statistics)


def check_bundle(folder: Path, trained: TrainingData) -> list[Check]:
    """Whether a candidate is sound by itself: its files, its golden chips, the data that it says it was trained on."""
    try:
        worst = bundle.verify(folder).bundle.golden_distance
    except BundleError as error:
        return [Check("bundle", "", "", "verified", False, str(error))]
    data = bundle.read_manifest(folder).data
    same = data is not None and data.fingerprint == trained.fingerprint
    count = f"{data.chips if data else 0} chips"
    known = training_record.read(folder)
    agrees = known is not None and known.hashes == trained.hashes and bool((known.truth == trained.truth).all())
    return [
        Check(
            "golden chips",
            "",
            f"{worst:.1e}",
            f"{GOLDEN:.0e}",
            worst <= GOLDEN,
            f"the packaged model scores its golden chips {worst:.1e} away from what it did when it was trained",
        ),
        Check(
            "data",
            f"{len(trained.paths)} chips",
            count,
            "this run's",
            same and agrees,
            f"it was trained on other chips or labels ({count}) than this run's ({len(trained.paths)})",
        ),
    ]


def check_packaged(given: TrainingData, candidate: ModelAnswers, jobs: int) -> list[Check]:
    """Whether the packaged model does on chips that it learnt from at least what its folds did without: it must.

    Where it does worse, it eats other bands or another scale than its folds did, or they had seen the chips; and where
    its decision does worse on the scores of the folds than theirs, it was put together wrong. All precisions that users
    may get without asking are looked at.
    """
    learnt = np.flatnonzero(candidate.blind)
    rows = learnt[:: max(1, len(learnt) // SHOWN)]
    model = bundle.load(candidate.folder)
    seen = [
        _seen(given, candidate, rows, precision, jobs) for precision in engine.affordable_precisions(model.manifest)
    ]
    as_is, turned, swapped = exchanged(given, candidate.folder, rows[:TURNED])
    bands = Check(
        "bands",
        f"in reverse {turned:.4f}",
        f"as they are {as_is:.4f}",
        "better as they are",
        not swapped,
        f"it seems to exchange red and blue: on chips with their bands in the reverse order the packaged model reaches "
        f"F2 {turned:.4f}, as they are {as_is:.4f}",
    )
    return [*seen, bands, _decision(given, model, candidate)]


def _seen(given: TrainingData, candidate: ModelAnswers, rows: NDArray[np.intp], precision: str, jobs: int) -> Check:
    """The folds are the measure in fewer bits too: these lose some of what was learnt by heart, which is no loss."""
    model = bundle.load(candidate.folder, jobs=jobs, precision=precision)
    parts = score_chips([given.paths[row] for row in rows], model, jobs=jobs)
    tags = model.decide(np.concatenate([part.scores for part in parts]))
    seen, blind = (score.per_chip(given.truth[rows], answers) for answers in (tags, candidate.tags[rows]))
    worse = score.probability_below(seen - blind)
    return Check(
        f"packaged in {precision}",
        f"folds {blind.mean():.4f}",
        f"packaged {seen.mean():.4f}",
        f"worse < {SURELY}",
        worse < SURELY,
        f"on chips that it learnt from the packaged model reaches F2 {seen.mean():.4f} in {precision}, but its folds, "
        f"which had not seen them, {blind.mean():.4f}: it eats other bands or another scale, or they had",
    )


def _decision(given: TrainingData, model: Bundle, candidate: ModelAnswers) -> Check:
    truth, scores = given.truth[candidate.blind], candidate.scores[candidate.blind]
    theirs, packaged = (score.per_chip(truth, tags) for tags in (candidate.tags[candidate.blind], model.decide(scores)))
    worse = score.probability_below(packaged - theirs)
    return Check(
        "decision",
        f"folds {theirs.mean():.4f}",
        f"packaged {packaged.mean():.4f}",
        f"worse < {SURELY}",
        worse < SURELY,
        f"on the scores of its folds the packaged decision, which has seen them, reaches F2 {packaged.mean():.4f}, and "
        f"theirs, which had not, {theirs.mean():.4f}: it is not the one that was fitted",
    )


def exchanged(given: TrainingData, folder: Path, rows: NDArray[np.intp]) -> tuple[float, float, bool]:
    """A packaged model's F2 on chips as they are, and with their bands in the reverse order; whether this is better."""
    model = bundle.load(folder)
    pixels: ChipBatch = np.array([chips.load(given.paths[row], model.spec) for row in rows], model.spec.dtype)
    as_is, turned = (
        score.per_chip(
            given.truth[rows], model.decide(model.scores([network(shown)[np.newaxis] for network in model.networks]))
        )
        for shown in (pixels, pixels[..., ::-1])
    )
    return float(as_is.mean()), float(turned.mean()), score.probability_below(as_is - turned) > SURELY


def compare_models(
    given: TrainingData, champion: ModelAnswers | None, candidate: ModelAnswers, limits: GateLimits
) -> list[Check]:
    """A candidate against the champion or, without one, against the tags that most chips carry."""
    truth = given.truth
    checks = [_folds(truth, candidate)]
    ours = score.per_chip(truth, candidate.tags)
    if champion is None:
        constant = np.tile(truth.mean(axis=0) > 0.2, (len(truth), 1))
        base = score.per_chip(truth, constant)
        gain = f"it reaches F2 {ours.mean():.4f}, and one answer for all chips {base.mean():.4f}"
        sure = score.probability_below(base - ours) > SURELY
        return [*checks, Check("F2", f"{base.mean():.4f}", f"{ours.mean():.4f}", "over one answer for all", sure, gain)]
    base = score.per_chip(truth, champion.tags)
    worse, gap = score.probability_below(ours - base), float((ours - base).mean())
    checks.append(
        Check(
            "F2",
            f"{base.mean():.4f}",
            f"{ours.mean():.4f}",
            f"-{limits.margin}, worse < {limits.worse}",
            gap >= -limits.margin and worse < limits.worse,
            f"its F2 is {gap:+.4f} from the champion's, and it is worse with a probability of {worse:.2f}",
        )
    )
    return [
        *checks,
        _withheld(ours - base, candidate, limits),
        *_recalls(given, champion, candidate, limits),
        _rates(given, champion, candidate, limits),
        *_costs(champion.folder, candidate.folder, limits),
    ]


def reasons(checks: Sequence[Check]) -> str:
    """Why a candidate was rejected; empty if it was not."""
    return "; ".join(check.why for check in checks if not check.passed)


def table(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """The checks as values for JSON."""
    return [asdict(check) for check in checks]


def _folds(truth: NDArray[np.bool_], judged: ModelAnswers) -> Check:
    """Whether the packaged model does on withheld chips what its folds promise: leaked folds promise more."""
    f2 = score.per_chip(truth, judged.tags)
    promised, done = f2[judged.blind], f2[~judged.blind]
    if min(len(promised), len(done)) < ENOUGH:
        return Check("folds", "", "", f"{ENOUGH} chips withheld", True)
    error = math.sqrt(promised.var() / len(promised) + done.var() / len(done))
    return Check(
        "folds",
        f"promised {promised.mean():.4f}",
        f"done {done.mean():.4f}",
        f"{SURE * error:.4f} apart",
        bool(promised.mean() - done.mean() <= SURE * error),
        f"its folds promise F2 {promised.mean():.4f}, but on chips that it never saw the packaged model reaches "
        f"{done.mean():.4f}",
    )


def _withheld(gaps: NDArray[np.float64], candidate: ModelAnswers, limits: GateLimits) -> Check:
    """The packaged models on the same withheld chips: what went wrong after the folds shows here."""
    some = gaps[~candidate.blind]
    if len(some) < ENOUGH:
        return Check("withheld", "", "", f"{ENOUGH} chips withheld", True)
    worse = score.probability_below(some, -limits.margin)
    return Check(
        "withheld",
        "",
        f"{some.mean():+.4f}",
        f"worse < {SURELY}",
        worse < SURELY,
        f"on {len(some)} chips that no model ever saw, its F2 as packaged is {some.mean():+.4f} from the champion's",
    )


def _recalls(given: TrainingData, champion: ModelAnswers, candidate: ModelAnswers, limits: GateLimits) -> list[Check]:
    drops, sure = score.recall_drops(given.truth, champion.tags, candidate.tags)
    before, after = (score.per_label(given.truth, judged.tags).recall for judged in (champion, candidate))
    worst = int(np.argmax(drops))
    lost = [place for place in range(len(drops)) if drops[place] > limits.recall and sure[place] > 0]
    shown = lost or [worst]
    return [
        Check(
            f"recall of {given.space.names[place]}",
            f"{before[place]:.3f}",
            f"{after[place]:.3f}",
            f"-{limits.recall}",
            not lost,
            f"the recall of {given.space.names[place]} falls from {before[place]:.3f} to {after[place]:.3f}",
        )
        for place in shown
    ]


def _rates(given: TrainingData, champion: ModelAnswers, candidate: ModelAnswers, limits: GateLimits) -> Check:
    index = shift.stability_index(champion.tags, candidate.tags)
    worst = int(np.argmax(index))
    before, after = (judged.tags[:, worst].mean() for judged in (champion, candidate))
    name = given.space.names[worst]
    return Check(
        f"rate of {name}",
        f"{before:.3f}",
        f"{after:.3f}",
        f"index {limits.stability}",
        bool(index[worst] <= limits.stability),
        f"it gives {name} to {after:.1%} of the chips, the champion to {before:.1%} (index {index[worst]:.2f})",
    )


def _costs(champion: Path, candidate: Path, limits: GateLimits) -> list[Check]:
    members = [(folder / "members").rglob("*") for folder in (champion, candidate)]  # the rest grows with the data
    sizes = [sum(path.stat().st_size for path in held if path.is_file()) for held in members]
    models = [bundle.load(folder) for folder in (champion, candidate)]
    for _ in range(TRIES):  # something else may run beside it; what is really slower is so each time
        times = np.array([[_milliseconds(model) for model in models] for _ in range(TIMED)])
        ratio = float(np.median(times[:, 1] / times[:, 0]))
        if ratio <= limits.growth:
            break
    usual = float(times[:, 0].min())
    pairs = (("size", [size / 2**20 for size in sizes], "MiB"), ("time a chip", [usual, ratio * usual], "ms"))
    return [
        Check(
            name,
            f"{before:.2f} {unit}",
            f"{after:.2f} {unit}",
            f"x {limits.growth}",
            after <= limits.growth * before,
            f"its {name} is {after:.2f} {unit}, {after / before:.2f} times the champion's",
        )
        for name, (before, after), unit in pairs
    ]


def _milliseconds(model: Bundle) -> float:
    start = time.perf_counter()
    for network in model.networks:
        network(np.zeros((openvino_runtime.BATCH, *network.chip_shape), network.dtype))
    return 1000 * (time.perf_counter() - start) / openvino_runtime.BATCH
