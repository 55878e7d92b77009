"""What `amazon_tags train` does: labelled chips and a recipe in, a bundle out."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from amazon_tags import (
    bundle,
    card,
    decision,
    files,
    fitting,
    heldout,
    labelled,
    labels,
    precision,
    progress,
    recipe,
    sample,
    tables,
)
from ensemble import blend, budget, decide, decoders, folds, heads, joined, member, second, tuning
from features import backbones, chips, extract, inputs, listing, runtime

Scores = NDArray[np.float32]  # (chips, labels)

GOLDEN = ("clear primary", "agriculture clear primary road", "haze primary water", "cloudy")  # rendered, so anybody's


@dataclass(frozen=True)
class Means:
    """What a training works with, beside a recipe.

    `weights` are files to start a backbone from, by its name, instead of what the recipe says; `views` dihedral views
    to report held-out scores of, beside a single one; `jobs` threads; `bank` a folder where vectors of frozen members
    are kept for other runs.
    """

    weights: dict[str, Path] = field(default_factory=dict)
    views: int = 1
    jobs: int = 2
    bank: Path | None = None


def run(source: labelled.Source, out: Path, *, plan: recipe.Recipe, means: Means | None = None) -> dict[str, Any]:
    """Train on the chips and the table of a source; otherwise as `fit`."""
    means = means or Means()
    files.refuse_existing(out)
    check(plan, means.weights, untold=bool(source.unlabelled))
    source.note.encode()  # what no card can hold is refused before the work
    return fit(labelled.gather(source, means.jobs), out, plan=plan, means=means)


def fit(given: labelled.Labelled, out: Path, *, plan: recipe.Recipe, means: Means) -> dict[str, Any]:
    """Train every member of a recipe on folds and on all chips, and write the bundle `out`.

    Out-of-fold scores go beside it, as `<out>.scores.csv` and `<out>.scores.parquet`. What is finished is kept in
    `<out>.work`, so that a killed run goes on where it was; that folder goes when the bundle stands.

    Args:
        given: labelled chips.
        out: the bundle's folder, which must not exist.
        plan: the recipe.
        means: weights, views, threads.

    Returns:
        The manifest of the bundle.
    """
    weights, views, jobs = means.weights, means.views, means.jobs
    files.refuse_existing(out)
    score_tables = [out.with_name(f"{out.name}.scores{suffix}") for suffix in (".csv", ".parquet")]
    for path in score_tables:
        files.refuse_unwritable(path)
    fold = folds.stratify(given.truth, folds=plan.folds, seed=plan.seed, groups=given.groups)
    spec = chips.ChipSpec(plan.bands, "uint8" if len(plan.bands) == 3 else "uint16", plan.side)
    starts = {name: files.sha256(path) for name, path in weights.items()}
    work = out.with_name(f"{out.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with files.lock(work / "lock"):
        files.refuse_existing(out)  # by a run that has ended since
        groups = decision.rules(given.space).groups
        examples = fitting.Examples(
            given.paths,
            given.truth,
            spec,
            fold,
            views=views,
            seed=plan.seed,
            jobs=jobs,
            groups=groups,
            others=given.others,
            doubts=given.doubts,
            bank=means.bank,
            hashes=given.hashes,
        )
        fitted: list[fitting.Fitted] = []
        for settings in plan.members:
            teachers = _teachers(settings, fitted)
            origin = starts.get(settings.backbone, settings.weights)
            taught_by = [entry.folder.parent.name for entry in teachers]
            key = _key(plan, given, settings, origin, [views, hashlib.sha256(fold.tobytes()).hexdigest(), *taught_by])
            (work / key).mkdir(exist_ok=True)
            started = replace(settings, weights=str(weights.get(settings.backbone, settings.weights)))
            fitted.append(fitting.out_of_fold(started, examples, work / key, teachers))
        shipped, front = _shipped(plan, given.truth, fitted)
        single, made_of, trials = _join(plan, given.truth, [entry.scores[0] for entry in shipped], fold)
        averaged = [blend.equal(list(entry.scores), plan.view_mean).scores(list(entry.scores)) for entry in shipped]
        name = made_of.name  # chosen on single views, and not anew on these
        turned = second.compare(averaged, given.truth, fold, names=[name], seed=plan.seed)[name].scores
        for path in score_tables:
            tables.write_scores(path, [listing.name(path) for path in given.paths], single, given.space)
        made, tags = _decide(plan, given, single, fold)
        prices = precision.measure(
            shipped, examples, lambda matrices: decoders.tags(made, made_of.second.scores(matrices))
        )
        measured = card.measure(given.truth, single, turned, fold, given.space, tags)
        story = {
            "recipe": recipe.to_values(plan),
            "started_from": starts,
            "data": {
                "chips": len(given.paths),
                "unlabelled": len(given.others),
                "fingerprint": given.fingerprint,
                "groups": 0 if given.groups is None else len(np.unique(given.groups)),
                "note": given.note,
            },
            "views": views,
            "view_mean": plan.view_mean,
            "decoder": made.decoder,
            "second": {"chosen": made_of.name, "trials": trials},
            "shipped": [entry.settings.name for entry in shipped],
            "front": front,
            "precision": prices,
            "scores": measured,
        }
        with files.atomic_folder(out) as part:
            for number, entry in enumerate(shipped):
                inside = part / "members" / f"{number:02}-{entry.settings.name}"
                files.copy_folder(fitting.whole(entry, examples), inside)
                precision.add_int8(entry, examples, inside)
            bundle.write_second(part, made_of.second)
            bundle.write_decision(part, given.space, made, decide.common(given.truth))
            files.write_text(part / "card.md", card.text(given.space, story))
            looks = np.concatenate([seen.looks for seen in extract.stream(given.paths, [], spec, jobs=jobs)])
            made_blind = heldout.HeldOut(given.hashes, single, given.truth, looks, tags)
            files.write_bytes(part / heldout.FILE, heldout.pack(made_blind))
            bundle.seal(part, given.space, spec, _golden(spec), story)
    shutil.rmtree(work)
    progress.say(f"{out}: F2 {measured['f2']:.4f} out of fold")
    return bundle.read_manifest(out)


def _decide(
    plan: recipe.Recipe, given: labelled.Labelled, scores: NDArray[np.float32], fold: NDArray[np.int64]
) -> tuple[decoders.Decision, NDArray[np.bool_]]:
    """The recipe's decision, and the tags that it gives chips which its fit has not seen."""
    flat = decoders.plain(scores.shape[1], rules=decision.rules(given.space))
    if plan.decision == "flat":
        return flat, decoders.tags(flat, scores)
    if plan.decision == "cuts":
        made = decoders.fit("cuts", flat.calibration, scores, given.truth, flat)
        return made, decide.nested(scores, given.truth, fold)
    tuned = tuning.tune(tuning.Problem(scores, given.truth, flat, {}, seed=plan.seed, groups=given.groups))
    return tuned.decision, tuned.choice.tags


def _golden(spec: chips.ChipSpec) -> runtime.Batch:
    """Rendered chips of the spec; to a 16-bit sensor plants are as bright in near infrared as they are green."""
    pixels = np.stack([sample.render(tags.split(), seed=seed, side=spec.side) for seed, tags in enumerate(GOLDEN)])
    if spec.dtype == "uint8":
        return pixels
    shown = {"red": 0, "green": 1, "blue": 2, "nir": 1}
    return (2000 + 30 * pixels[..., [shown[band] for band in spec.bands]].astype(np.uint16)).astype(np.uint16)


def check(plan: recipe.Recipe, weights: dict[str, Path], *, untold: bool = False) -> None:
    """Refuse names that stand in no table, and chips without labels that nobody asked for, before any work."""
    taught = [entry.name for entry in plan.members if isinstance(entry, member.Tuned) and entry.teachers]
    if untold and not taught:
        raise ValueError("chips without labels teach nothing by themselves; give a member of the recipe teachers.")
    for settings in plan.members:
        _known("backbone", settings.backbone, backbones.BACKBONES)
        _known(f"cut of {settings.backbone}", settings.cut, ["top", *backbones.BACKBONES[settings.backbone].cuts])
        missing = [band for band in inputs.NEEDED[settings.sees] if band not in plan.bands]
        least = settings.shrink * (2 if isinstance(settings, member.Tuned) and settings.progressive else 1)
        if not missing and plan.side % least:
            raise ValueError(f"side {plan.side} cannot be shrunk {least} times for {settings.name}; choose a multiple.")
        if missing:
            raise ValueError(
                f"{settings.name} sees {settings.sees}, but the recipe's chips have the bands {', '.join(plan.bands)}; "
                f"give it the bands that it lacks, {', '.join(missing)}."
            )
        if isinstance(settings, member.Frozen):
            _known("head", settings.head, heads.HEADS)
    for name in weights:
        _known("backbone in the recipe", name, [settings.backbone for settings in plan.members])


def _known(what: str, name: str, names: Iterable[str]) -> None:
    known = list(dict.fromkeys(names))
    if name not in known:
        near = labels.did_you_mean(name, known)
        raise ValueError(f"there is no {what} named {name}{near}; choose from {', '.join(known)}.")


@dataclass(frozen=True)
class _Second:
    """A second level that was fitted, and its name."""

    second: joined.Second
    name: str


def _join(
    plan: recipe.Recipe, truth: NDArray[np.bool_], matrices: list[Scores], fold: NDArray[np.int64]
) -> tuple[Scores, _Second, dict[str, Any]]:
    """Scores that the recipe's second level gives chips which its fit has not seen, itself, and what it was held to."""
    if plan.second == "chosen" and len(matrices) > 1:
        chosen = second.choose(matrices, truth, fold, seed=plan.seed)
        trials = {**chosen.trials, "the choice itself": chosen.choice}
        return chosen.choice.scores, _Second(chosen.second, chosen.name), {n: _told(t) for n, t in trials.items()}
    name = plan.second if len(matrices) > 1 else second.KEEP
    trials = second.compare(matrices, truth, fold, names=[name], seed=plan.seed)
    made = second.SECONDS[name](matrices, truth, plan.seed)
    return trials[name].scores, _Second(made, name), {n: _told(t) for n, t in trials.items()}


def _told(trial: second.Trial) -> dict[str, Any]:
    return {"f2": float(trial.worth.mean()), "gain": trial.gain, "interval": list(trial.interval)}


def _shipped(
    plan: recipe.Recipe, truth: NDArray[np.bool_], fitted: list[fitting.Fitted]
) -> tuple[list[fitting.Fitted], list[dict[str, Any]]]:
    """The members that go into the bundle, and the front that a budget was held against."""
    pool = [entry for entry in fitted if not plan.ship or entry.settings.name in plan.ship]
    if not plan.budget_ms and not plan.budget_mb:
        return pool, []
    costs = [fitting.cost(entry) for entry in pool]
    front = budget.front([entry.scores[0] for entry in pool], truth, costs)
    best = budget.within(
        front, milliseconds=plan.budget_ms or np.inf, size=plan.budget_mb * 2**20 if plan.budget_mb else np.inf
    )
    told = [
        {
            "members": [pool[place].settings.name for place in choice.places],
            "ms": choice.cost.milliseconds,
            "mb": choice.cost.size / 2**20,
            "f2": choice.f2,
            "taken": choice == best,
        }
        for choice in front
    ]
    return [pool[place] for place in best.places], told


def _teachers(settings: recipe.Member, fitted: list[fitting.Fitted]) -> list[fitting.Fitted]:
    names = settings.teachers if isinstance(settings, member.Tuned) else ()
    return [entry for entry in fitted if entry.settings.name in names]


def _key(
    plan: recipe.Recipe, given: labelled.Labelled, settings: recipe.Member, origin: str, rest: Sequence[Any]
) -> str:
    """What a member's fit depends on: unfinished work is taken up again only by a run that would do the same."""
    chosen = [asdict(replace(settings, weights=origin)), plan.seed, plan.folds, plan.side, plan.bands]
    data = [labels.to_json(given.space), given.fingerprint]
    values = [chosen, data, keras.backend.backend(), version("amazon-tags"), *rest]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
