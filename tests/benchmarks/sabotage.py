"""Candidates that went wrong in ten ways, and one that did not, before the gate of `amazon_tags retrain`.

    python -m tests.benchmarks.sabotage CHIPS LABELS --weights BACKBONE=FILE [--recipe frozen] [--work FOLDER]

The champion is trained on three quarters of the chips that may be trained on, the sound candidate on all of them.
"""

import argparse
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle, training_record
from amazon_tags.retraining import answers, checks, job_data, model_checks
from amazon_tags.retraining.answers import ModelAnswers
from amazon_tags.retraining.checks import Check
from amazon_tags.retraining.job import Job, read_job
from amazon_tags.retraining.job_data import JobData
from amazon_tags.tables import labels
from amazon_tags.training.train import TrainOptions, train_on
from amazon_tags.training.training_data import TrainingData, data_fingerprint
from ensemble.decisions.decision import fit_decision, flat_decision
from features.networks import openvino_runtime

import openvino  # isort: skip  after runtime, which keeps its telemetry out
import openvino.opset13 as operations  # isort: skip

ROAD = labels.PLANET.names.index("road")


def resealed(source: Path, out: Path, change: Callable[[Path], None]) -> Path:
    """A copy of a bundle with a change, whose manifest and golden scores fit it."""
    if out.exists():
        shutil.rmtree(out)
    shutil.copytree(source, out)
    story = bundle.read_manifest(source)
    with np.load(io.BytesIO((out / "golden.npz").read_bytes())) as archive:
        golden = archive["chips"]
    (out / "manifest.json").unlink()
    (out / "golden.npz").unlink()
    change(out)
    loaded = bundle.load(source)
    rest = {"format", "version", "labels", "chips", "members", "files", "sha256"}
    told = {key: value for key, value in story.items() if key not in rest}
    told["precision"] = {**told["precision"], "prices": {"f32": told["precision"]["prices"]["f32"]}}
    bundle.seal(out, loaded.space, loaded.spec, golden, told)
    return out


def graph(change: Callable[[openvino.Output], openvino.Output], *, last: bool = False) -> Callable[[Path], None]:
    """Changes what a bundle's first network eats, or what it gives."""

    def apply(folder: Path) -> None:
        (member, *_) = sorted((folder / "members").iterdir())
        path = member / "network.xml"
        model = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
        if last:
            result = model.get_results()[0]
            result.input(0).replace_source_output(change(result.input_value(0)))
        else:
            eaten = model.get_parameters()[0].output(0)
            readers = eaten.get_target_inputs()
            changed = change(eaten)
            for reader in readers:
                reader.replace_source_output(changed)
        openvino_runtime.save(openvino.Model(model.get_results(), model.get_parameters()), path)

    return apply


def bgr(eaten: openvino.Output) -> openvino.Output:
    """The bands in the reverse order."""
    return operations.gather(eaten, np.array([2, 1, 0]), np.array(3)).output(0)


def dark(eaten: openvino.Output) -> openvino.Output:
    """As if the chips had been divided by 255 once more."""
    return operations.divide(eaten, np.array(255, np.uint8)).output(0)


def constant(given: openvino.Output) -> openvino.Output:
    """One answer for all chips."""
    return operations.multiply(given, np.array(0, np.float32)).output(0)


def broken(folder: Path) -> None:
    """NaN among the weights, which every hash then fits."""
    for path in (folder / "members").rglob("network.bin"):
        weights = np.frombuffer(path.read_bytes(), np.float32).copy()
        weights[len(weights) // 2 :] = np.nan
        path.write_bytes(weights.tobytes())


def swapped(folder: Path) -> None:
    """Each label gets the threshold of another."""
    known = training_record.unpack((folder / training_record.FILE).read_bytes())
    flat = flat_decision(known.scores.shape[1], rules=bundle.load(bundle.DEFAULT).decision.rules)
    made = fit_decision("cuts", flat.calibration, known.scores, known.truth, flat)
    turned = replace(made, thresholds=np.roll(made.thresholds, len(made.thresholds) // 2))
    bundle.write_decision(folder, labels.PLANET, turned, known.truth.mean(axis=0) > 0.2)


def leaked(folder: Path) -> None:
    """The out-of-fold scores and tags are as good as those of a network that has seen the chips."""
    known = training_record.unpack((folder / training_record.FILE).read_bytes())
    seen = np.where(known.truth, 0.9, 0.05) + np.random.default_rng(0).normal(0, 0.05, known.truth.shape)
    scores = np.clip(seen, 0, 1).astype(np.float32)
    (folder / training_record.FILE).write_bytes(training_record.pack(replace(known, scores=scores, tags=scores > 0.5)))


def judged(folder: Path, taken: JobData, champion: ModelAnswers, asked: Job) -> list[Check]:
    """What the gate says of a candidate."""
    results, model = model_checks.check_bundle(folder, taken.training())
    if model is None:
        return results
    candidate = answers.answer_chips(model, taken.data, 2)
    results += model_checks.check_packaged(taken.data, candidate, 2)
    return [*results, *model_checks.compare_models(taken.data, champion, candidate, asked.gate)]


def main() -> None:
    """Print a row for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--weights", required=True, metavar="BACKBONE=FILE")
    parser.add_argument("--recipe", default="frozen")
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = (chosen.work or Path(scratch)).resolve()
        home.mkdir(exist_ok=True)
        sys.stdout, out = sys.stderr, sys.stdout  # of what training says
        backbone, _, weights = chosen.weights.partition("=")
        (home / "job.toml").write_text(
            f'recipe = "{chosen.recipe}"\n[[data]]\nchips = "{chosen.chips.resolve()}"\n'
            f'table = "{chosen.table.resolve()}"\n[weights]\n{backbone} = "{Path(weights).resolve()}"\n'
        )
        asked = read_job(home / "job.toml")
        taken = job_data.gather(asked)
        trained = taken.training()
        rng = np.random.default_rng(0)
        order, count = rng.permutation(len(trained.paths)), len(trained.paths)

        def fitted(name: str, given: TrainingData) -> Path:
            if not (home / name).exists():
                train_on(given, home / name, recipe=asked.recipe, options=TrainOptions(asked.weights))
            return home / name

        def relabelled(truth: np.ndarray) -> TrainingData:
            made = replace(trained, truth=truth)
            mark = data_fingerprint(made.paths, made.hashes, made.truth, made.unknown)
            return replace(made, fingerprint=mark)

        champion = answers.answer_chips(
            bundle.verify(fitted("champion", job_data.take_chips(trained, np.sort(order[: 3 * count // 4])))),
            taken.data,
            2,
        )
        sound = fitted("sound", trained)
        gone = trained.truth.copy()
        gone[:, ROAD] = False
        candidates: dict[str, Callable[[], Path]] = {
            "sound": lambda: sound,
            "shuffled labels": lambda: fitted("shuffled", relabelled(trained.truth[order])),
            "labels off by one": lambda: fitted("shifted", relabelled(np.roll(trained.truth, 1, axis=1))),
            "a tag missing": lambda: fitted("missing", relabelled(gone)),
            "NaN weights": lambda: resealed(sound, home / "nan", broken),
            "thresholds swapped": lambda: resealed(sound, home / "swapped", swapped),
            "bands in the reverse order": lambda: resealed(sound, home / "bgr", graph(bgr)),
            "wrong scaling": lambda: resealed(sound, home / "dark", graph(dark)),
            "half the data": lambda: fitted("half", job_data.take_chips(trained, np.sort(order[: count // 2]))),
            "leaked folds": lambda: resealed(sound, home / "leaked", leaked),
            "constant answer": lambda: resealed(sound, home / "constant", graph(constant, last=True)),
        }
        print("| candidate | outcome | why |\n|---|---|---|", file=out)
        for name, made in candidates.items():
            why = checks.reasons(judged(made(), taken, champion, asked))
            print(f"| {name} | {'rejected' if why else 'promoted'} | {why} |", file=out, flush=True)


if __name__ == "__main__":
    main()
