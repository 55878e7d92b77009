"""One member fitted: its out-of-fold scores and its files, in units that are done once.

A unit is one fold's network, or the network that saw all chips. A finished unit stays in the work folder; an
unfinished one goes on from the last epoch that it saved.
"""

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from amazon_tags import files, progress
from ensemble import heads, member, nets
from features import backbones, chips, extract, runtime

Values = NDArray[np.float32]  # (views, chips, labels or dim)


@dataclass(frozen=True)
class Examples:
    """Labelled chips as training needs them: files, tags, spec, each chip's fold, and the views of held-out scores."""

    paths: Sequence[Path]
    truth: NDArray[np.bool_]
    spec: chips.ChipSpec
    fold: NDArray[np.int64]
    views: int
    seed: int
    jobs: int


@dataclass(frozen=True)
class Fitted:
    """A member's files for the bundle, in `folder`, and its out-of-fold scores (views, chips, labels)."""

    settings: member.Frozen | member.Tuned
    folder: Path
    scores: Values


def fit(settings: member.Frozen | member.Tuned, examples: Examples, work: Path) -> Fitted:
    """Fit a member on each fold's complement and on all chips, inside the work folder."""
    folder = work / settings.name
    folder.mkdir(exist_ok=True)
    if isinstance(settings, member.Tuned):
        return _fit_tuned(settings, examples, folder)
    return _fit_frozen(settings, examples, folder)


def _fit_tuned(settings: member.Tuned, examples: Examples, folder: Path) -> Fitted:
    everything = np.arange(len(examples.paths))
    scores = np.zeros((examples.views, *examples.truth.shape), np.float32)
    for number in range(int(examples.fold.max()) + 1):
        held = np.flatnonzero(examples.fold == number)
        unit = _tuned_unit(settings, examples, folder / f"fold_{number}", np.setdiff1d(everything, held))
        scores[:, held] = _held_out(unit, examples, held)
    return Fitted(settings, _tuned_unit(settings, examples, folder / "all", everything), scores)


def _tuned_unit(settings: member.Tuned, examples: Examples, unit: Path, rows: NDArray[np.intp]) -> Path:
    """The folder of the network trained on `rows`, finished in this run or a former one."""
    if unit.exists():
        return unit
    truth = examples.truth[rows]
    title = f"{settings.name} {unit.name}"
    kept = unit.with_suffix(".npz")
    state = None
    if kept.exists():
        with np.load(kept, allow_pickle=False) as archive:
            state = dict(archive)
        progress.say(f"{title}: going on after epoch {int(state['epochs'])}")

    def after_epoch(epochs: int, loss: float, state: nets.State) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **state)  # type: ignore[arg-type]
        files.write_bytes(kept, buffer.getvalue())
        progress.say(f"{title}: epoch {epochs} of {settings.epochs}, loss {loss:.4f}")

    rates = (truth.sum(axis=0) + 0.5) / (len(truth) + 1)
    keras.utils.set_random_seed(examples.seed)
    model = nets.build(settings, examples.spec, rates)
    chosen = ([examples.paths[row] for row in rows], truth, examples.spec)
    nets.fit(model, settings, chosen, seed=examples.seed, state=state, after_epoch=after_epoch)
    nets.absorb_statistics(model)
    with files.atomic_folder(unit) as part:
        _write_network(model, part)
    kept.unlink(missing_ok=True)
    keras.utils.clear_session()
    return unit


def _held_out(unit: Path, examples: Examples, held: NDArray[np.intp]) -> Values:
    kept = unit / "scores.npy"
    if kept.exists():
        known: Values = np.load(kept, allow_pickle=False)
        return known
    scores = _outputs(unit, examples, [examples.paths[row] for row in held])
    buffer = io.BytesIO()
    np.save(buffer, scores)
    files.write_bytes(kept, buffer.getvalue())
    return scores


def _fit_frozen(settings: member.Frozen, examples: Examples, folder: Path) -> Fitted:
    network = folder / "network"
    if not network.exists():
        keras.utils.set_random_seed(examples.seed)
        model = backbones.build(settings.backbone, examples.spec, cut=settings.cut, weights=settings.weights)
        with files.atomic_folder(network) as part:
            _write_network(model, part)
    progress.say(f"{settings.name}: vectors of {len(examples.paths)} chips")
    vectors = _outputs(network, examples, examples.paths)
    train = heads.HEADS[settings.head]
    scores = np.zeros((examples.views, *examples.truth.shape), np.float32)
    for number in range(int(examples.fold.max()) + 1):
        held = examples.fold == number
        head = train(vectors[0, ~held], examples.truth[~held], examples.seed)
        for view in range(examples.views):
            scores[view, held] = head.scores(vectors[view, held])
        progress.say(f"{settings.name}: {settings.head} head, fold {number + 1} of {int(examples.fold.max()) + 1}")
    final = folder / "all"
    if final.exists():
        shutil.rmtree(final)  # a head is fitted in seconds; its network is kept
    with files.atomic_folder(final) as part:
        shutil.copytree(network, part, dirs_exist_ok=True)
        heads.save(train(vectors[0], examples.truth, examples.seed), part)
    return Fitted(settings, final, scores)


def _write_network(model: keras.Model, folder: Path) -> None:
    runtime.export(model, folder)
    bare = keras.Model(model.inputs, model.outputs)  # without the optimizer, which is twice as large as the weights
    bare.save_weights(folder / "network.weights.h5")


def _outputs(folder: Path, examples: Examples, paths: Sequence[Path]) -> Values:
    """What the exported network, not the one in memory, says of the chips: that is what users will run."""
    xml, weights = ((folder / name).read_bytes() for name in ("network.xml", "network.bin"))
    network = runtime.load(xml, weights, jobs=examples.jobs)
    values = np.zeros((examples.views, len(paths), network.dim), np.float32)
    with progress.bar(folder.parent.name, len(paths)) as advance:
        for outputs in extract.stream(paths, [network], examples.spec, turns=examples.views, jobs=examples.jobs):
            values[:, outputs.rows] = outputs.values[0]
            advance(len(outputs.rows))
    return values
