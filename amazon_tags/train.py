"""What `amazon_tags train` does: labelled chips and a recipe in, a bundle out."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from amazon_tags import (
    bank,
    bundle,
    card,
    decision,
    files,
    fitting,
    labels,
    precision,
    progress,
    recipe,
    sample,
    tables,
)
from ensemble import blend, budget, decide, decoders, folds, heads, joined, member, second, tuning
from features import backbones, chips, inputs, listing, runtime

Scores = NDArray[np.float32]  # (chips, labels)

GOLDEN = ("clear primary", "agriculture clear primary road", "haze primary water", "cloudy")  # rendered, so anybody's


@dataclass(frozen=True)
class Source:
    """Where labelled chips come from.

    `space` is `planet`, `table` (the labels are whatever the table holds) or a TOML file. `skip_missing` leaves out
    chips that the table names and the folder lacks. `note` goes onto the card: where the chips are from and on which
    terms. `unlabelled` are folders of chips for members that have teachers.
    """

    chips: Path
    table: Path
    space: str = "planet"
    skip_missing: bool = False
    note: str = ""
    unlabelled: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """The chips that have labels, in natural order of their names, and the others; `doubts` are unknown tags."""

    paths: list[listing.Place]
    truth: NDArray[np.bool_]
    doubts: NDArray[np.bool_]
    space: labels.LabelSpace
    fingerprint: str
    others: list[listing.Place]


def run(
    source: Source,
    out: Path,
    *,
    plan: recipe.Recipe,
    weights: dict[str, Path] | None = None,
    views: int = 1,
    jobs: int = 2,
) -> dict[str, Any]:
    """Train every member of a recipe on folds and on all chips, and write the bundle `out`.

    Out-of-fold scores go beside it, as `<out>.scores.csv` and `<out>.scores.parquet`. What is finished is kept in
    `<out>.work`, so that a killed run goes on where it was; that folder goes when the bundle stands.

    Args:
        source: a folder of chips and a table `image_name,tags`.
        out: the bundle's folder, which must not exist.
        plan: the recipe.
        weights: files to start a backbone from, by its name, instead of what the recipe says.
        views: dihedral views to report held-out scores of, beside a single one.
        jobs: threads.

    Returns:
        The manifest of the bundle.
    """
    files.refuse_existing(out)
    score_tables = [out.with_name(f"{out.name}.scores{suffix}") for suffix in (".csv", ".parquet")]
    for path in score_tables:
        files.refuse_unwritable(path)
    _check(plan, weights or {}, source)
    source.note.encode()  # what no card can hold is refused before the work
    labelled = _gather(source, jobs)
    fold = folds.stratify(labelled.truth, folds=plan.folds, seed=plan.seed)
    spec = chips.ChipSpec(plan.bands, "uint8" if len(plan.bands) == 3 else "uint16", plan.side)
    starts = {name: files.sha256(path) for name, path in (weights or {}).items()}
    work = out.with_name(f"{out.name}.work")
    unit = work / _key(plan, labelled, starts, views)
    unit.mkdir(parents=True, exist_ok=True)
    with files.lock(work / "lock"):
        files.refuse_existing(out)  # by a run that has ended since
        groups = decision.rules(labelled.space).groups
        examples = fitting.Examples(
            labelled.paths,
            labelled.truth,
            spec,
            fold,
            views=views,
            seed=plan.seed,
            jobs=jobs,
            groups=groups,
            others=labelled.others,
            doubts=labelled.doubts,
        )
        fitted: list[fitting.Fitted] = []
        for settings in plan.members:
            started = _started(settings, weights or {})
            fitted.append(fitting.out_of_fold(started, examples, unit, _teachers(started, fitted)))
        shipped, front = _shipped(plan, labelled.truth, fitted)
        single, made_of, trials = _join(plan, labelled.truth, [entry.scores[0] for entry in shipped], fold)
        averaged = [blend.equal(list(entry.scores), plan.view_mean).scores(list(entry.scores)) for entry in shipped]
        name = made_of.name  # chosen on single views, and not anew on these
        turned = second.compare(averaged, labelled.truth, fold, names=[name], seed=plan.seed)[name].scores
        for path in score_tables:
            tables.write_scores(path, [listing.name(path) for path in labelled.paths], single, labelled.space)
        made, tags = _decide(plan, labelled, single, fold)
        prices = precision.measure(
            shipped, examples, lambda matrices: decoders.tags(made, made_of.second.scores(matrices))
        )
        measured = card.measure(labelled.truth, single, turned, fold, labelled.space, tags)
        story = {
            "recipe": recipe.to_values(plan),
            "started_from": starts,
            "data": {
                "chips": len(labelled.paths),
                "unlabelled": len(labelled.others),
                "fingerprint": labelled.fingerprint,
                "note": source.note,
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
                shutil.copytree(fitting.whole(entry, examples), inside)
                precision.add_int8(entry, examples, inside)
            bundle.write_second(part, made_of.second)
            bundle.write_decision(part, labelled.space, made, decide.common(labelled.truth))
            files.write_text(part / "card.md", card.text(labelled.space, story))
            bundle.seal(part, labelled.space, spec, _golden(spec), story)
    shutil.rmtree(work)
    progress.say(f"{out}: F2 {measured['f2']:.4f} out of fold")
    return bundle.read_manifest(out)


def _decide(
    plan: recipe.Recipe, labelled: Labelled, scores: NDArray[np.float32], fold: NDArray[np.int64]
) -> tuple[decoders.Decision, NDArray[np.bool_]]:
    """The recipe's decision, and the tags that it gives chips which its fit has not seen."""
    flat = decoders.plain(scores.shape[1], rules=decision.rules(labelled.space))
    if plan.decision == "flat":
        return flat, decoders.tags(flat, scores)
    if plan.decision == "cuts":
        made = decoders.fit("cuts", flat.calibration, scores, labelled.truth, flat)
        return made, decide.nested(scores, labelled.truth, fold)
    tuned = tuning.tune(tuning.Problem(scores, labelled.truth, flat, {}, seed=plan.seed))
    return tuned.decision, tuned.choice.tags


def _golden(spec: chips.ChipSpec) -> runtime.Batch:
    """Rendered chips of the spec; to a 16-bit sensor plants are as bright in near infrared as they are green."""
    pixels = np.stack([sample.render(tags.split(), seed=seed, side=spec.side) for seed, tags in enumerate(GOLDEN)])
    if spec.dtype == "uint8":
        return pixels
    shown = {"red": 0, "green": 1, "blue": 2, "nir": 1}
    return (2000 + 30 * pixels[..., [shown[band] for band in spec.bands]].astype(np.uint16)).astype(np.uint16)


def _check(plan: recipe.Recipe, weights: dict[str, Path], source: Source) -> None:
    """Refuse names that stand in no table, and chips that nobody asked for, before any work."""
    taught = [entry.name for entry in plan.members if isinstance(entry, member.Tuned) and entry.teachers]
    if source.unlabelled and not taught:
        raise ValueError("chips without labels teach nothing by themselves; give a member of the recipe teachers.")
    for settings in plan.members:
        _known("backbone", settings.backbone, backbones.BACKBONES)
        _known(f"cut of {settings.backbone}", settings.cut, ["top", *backbones.BACKBONES[settings.backbone].cuts])
        missing = [band for band in inputs.NEEDED[settings.sees] if band not in plan.bands]
        least = settings.shrink * (2 if isinstance(settings, member.Tuned) and settings.progressive else 1)
        if missing or plan.side % least:
            raise ValueError(
                f"{settings.name} sees {settings.sees} shrunk {least} times, but the recipe's chips have the "
                f"bands {', '.join(plan.bands)} and side {plan.side}; give it the bands that it lacks ({missing}), or "
                "another shrink."
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


def _gather(source: Source, jobs: int) -> Labelled:
    table = tables.read_labels(source.table, labels.choose(source.space, source.table), doubting=True)
    if table.doubts.any():
        progress.say(f"{source.table}: {table.doubts.sum()} tags are in doubt (tag?): no fine-tuned member learns them")
    for remark in table.remarks:
        progress.say(f"{source.table}: {remark}")
    named = {listing.name(path): path for path in listing.chips([source.chips])}
    missing = [name for name in table.ids if name not in named]
    if missing and not source.skip_missing:
        raise ValueError(
            f"{len(missing)} of {len(table.ids)} chips named in {source.table} are missing from {source.chips} "
            f"(first: {missing[0]}); pass --skip-missing to train without them."
        )
    wanted = set(table.ids)
    paths = [path for name, path in named.items() if name in wanted]
    if len(paths) < len(named):
        progress.say(f"{source.chips}: {len(named) - len(paths)} of {len(named)} chips have no labels and are left out")
    if len(paths) < 2:
        raise ValueError(f"{len(paths)} chips of {source.chips} are named in {source.table}; training needs more.")
    rows = tables.select(table.ids, [listing.name(path) for path in paths])
    truth, doubts = table.truth[rows], table.doubts[rows]
    others = [path for folder in source.unlabelled for path in listing.chips([folder])]  # whose names are no matter
    hashes = bank.fingerprints([*paths, *others], jobs=jobs)
    seen = {hashes[path] for path in paths}
    apart = [path for path in others if hashes[path] not in seen]
    if len(apart) < len(others):
        progress.say(f"{len(others) - len(apart)} of {len(others)} chips without labels have some, and are left out")
    pixels = bank.combine({path: hashes[path] for path in [*paths, *apart]})
    tags = np.packbits(truth).tobytes() + (np.packbits(doubts).tobytes() if doubts.any() else b"")
    fingerprint = hashlib.sha256(pixels.encode() + tags).hexdigest()
    return Labelled(paths, truth, doubts, table.space, fingerprint, apart)


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


def _started(settings: recipe.Member, weights: dict[str, Path]) -> recipe.Member:
    return replace(settings, weights=str(weights.get(settings.backbone, settings.weights)))


def _key(plan: recipe.Recipe, labelled: Labelled, starts: dict[str, str], views: int) -> str:
    """Unfinished work is taken up again only by a run that would do the same."""
    backend = keras.backend.backend()
    values = [recipe.to_values(plan), labels.to_json(labelled.space), labelled.fingerprint, starts, views, backend]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
