"""What `amazon_tags train` does: labelled chips and a recipe in, a bundle out."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags import bank, bundle, card, decision, files, fitting, labels, progress, recipe, sample, tables
from ensemble import blend, decide, decoders, folds, heads, member, tuning
from features import backbones, chips, naming

GOLDEN = ("clear primary", "agriculture clear primary road", "haze primary water", "cloudy")  # rendered, so anybody's


@dataclass(frozen=True)
class Source:
    """Where labelled chips come from.

    `space` is `planet`, `table` (the labels are whatever the table holds) or a TOML file. `skip_missing` leaves out
    chips that the table names and the folder lacks. `note` goes onto the card: where the chips are from and on which
    terms.
    """

    chips: Path
    table: Path
    space: str = "planet"
    skip_missing: bool = False
    note: str = ""


@dataclass(frozen=True)
class Labelled:
    """The chips that have labels, in natural order of their names."""

    paths: list[Path]
    truth: NDArray[np.bool_]
    space: labels.LabelSpace
    fingerprint: str


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
    _check(plan, weights or {})
    source.note.encode()  # what no card can hold is refused before the work
    labelled = _gather(source, jobs)
    fold = folds.stratify(labelled.truth, folds=plan.folds, seed=plan.seed)
    spec = chips.ChipSpec(side=plan.side)
    starts = {name: files.sha256(path) for name, path in (weights or {}).items()}
    work = out.with_name(f"{out.name}.work")
    unit = work / _key(plan, labelled, starts, views)
    unit.mkdir(parents=True, exist_ok=True)
    with files.lock(work / "lock"):
        files.refuse_existing(out)  # by a run that has ended since
        examples = fitting.Examples(labelled.paths, labelled.truth, spec, fold, views, plan.seed, jobs)
        fitted = [fitting.fit(_started(entry, weights or {}), examples, unit) for entry in plan.members]
        single = blend.mean([entry.scores[0] for entry in fitted])
        turned = blend.mean([entry.scores.mean(axis=0, dtype=np.float32) for entry in fitted])
        for path in score_tables:
            tables.write_scores(path, [naming.name(path.name) for path in labelled.paths], single, labelled.space)
        made, tags = _decide(plan, labelled, single, fold)
        measured = card.measure(labelled.truth, single, turned, fold, labelled.space, tags)
        story = {
            "recipe": recipe.to_values(plan),
            "started_from": starts,
            "data": {"chips": len(labelled.paths), "fingerprint": labelled.fingerprint, "note": source.note},
            "views": views,
            "decoder": made.decoder,
            "scores": measured,
        }
        with files.atomic_folder(out) as part:
            for number, entry in enumerate(fitted):
                shutil.copytree(entry.folder, part / "members" / f"{number:02}-{entry.settings.name}")
            bundle.write_decision(part, labelled.space, made, decide.common(labelled.truth))
            files.write_text(part / "card.md", card.text(labelled.space, story))
            pixels = [sample.render(tags.split(), seed=seed, side=spec.side) for seed, tags in enumerate(GOLDEN)]
            bundle.seal(part, labelled.space, spec, np.stack(pixels), story)
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


def _check(plan: recipe.Recipe, weights: dict[str, Path]) -> None:
    """Refuse names that stand in no table, before any work."""
    for settings in plan.members:
        _known("backbone", settings.backbone, backbones.BACKBONES)
        _known(f"cut of {settings.backbone}", settings.cut, ["top", *backbones.BACKBONES[settings.backbone].cuts])
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
    table = tables.read_labels(source.table, labels.choose(source.space, source.table))
    for remark in table.remarks:
        progress.say(f"{source.table}: {remark}")
    named = {naming.name(path.name): path for path in chips.list_chips([source.chips])}
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
    truth = table.truth[tables.select(table.ids, [naming.name(path.name) for path in paths])]
    pixels = bank.combine(bank.fingerprints(paths, jobs=jobs))
    fingerprint = hashlib.sha256(pixels.encode() + np.packbits(truth).tobytes()).hexdigest()
    return Labelled(paths, truth, table.space, fingerprint)


def _started(settings: recipe.Member, weights: dict[str, Path]) -> recipe.Member:
    return replace(settings, weights=str(weights.get(settings.backbone, settings.weights)))


def _key(plan: recipe.Recipe, labelled: Labelled, starts: dict[str, str], views: int) -> str:
    """Unfinished work is taken up again only by a run that would do the same."""
    values = [recipe.to_values(plan), labels.to_json(labelled.space), labelled.fingerprint, starts, views]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
