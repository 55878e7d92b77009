"""Test the checks of `amazon_tags retrain` with ten candidates that are wrong and one that is sound.

    python -m tests.benchmarks.sabotage CHIPS LABELS --weights BACKBONE=FILE [--recipe frozen] [--work FOLDER]

The current model (the champion) is trained on three quarters of the chips outside the hold-out, the sound candidate on
all of them.
"""

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from amazon_tags.model import bundle, bundle_writer, training_record
from amazon_tags.retraining import answers, checks, job_data, model_checks
from amazon_tags.retraining.answers import ModelAnswers
from amazon_tags.retraining.checks import Check
from amazon_tags.retraining.job import Job, read_job
from amazon_tags.retraining.job_data import JobData
from amazon_tags.tables import labels
from amazon_tags.training.preparation import TrainOptions
from amazon_tags.training.train import train_on
from amazon_tags.training.training_data import TrainingData, data_fingerprint
from ensemble.arrays import Tags
from ensemble.decisions.decision import fit_decision, flat_decision
from features.networks import openvino_runtime
from tests.benchmarks import tables

import openvino  # isort: skip  after openvino_runtime, which turns its telemetry off
import openvino.opset13 as operations  # isort: skip

ROAD = labels.PLANET.names.index("road")


def reseal(source: Path, output: Path, change: Callable[[Path], None]) -> Path:
    """Copy a bundle, change the copy, and write a manifest and golden scores that match the change."""
    if output.exists():
        shutil.rmtree(output)
    shutil.copytree(source, output)
    manifest = bundle.read_manifest(source)
    with np.load(io.BytesIO((output / "golden.npz").read_bytes())) as archive:
        golden = archive["chips"]

    (output / "manifest.json").unlink()
    (output / "golden.npz").unlink()
    change(output)

    precision = replace(manifest.precision, costs={"f32": manifest.precision.costs["f32"]})
    bundle_writer.seal(output, replace(manifest, precision=precision), golden)
    return output


def change_graph(change: Callable[[Any], Any], *, at_output: bool = False) -> Callable[[Path], None]:
    """Return a function that changes the input, or the output, of a bundle's first network."""

    def apply(folder: Path) -> None:
        (member, *_) = sorted((folder / "members").iterdir())
        path = member / "network.xml"
        model = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
        if at_output:
            result = model.get_results()[0]
            result.input(0).replace_source_output(change(result.input_value(0)))
        else:
            pixels = model.get_parameters()[0].output(0)
            readers = pixels.get_target_inputs()
            changed = change(pixels)
            for reader in readers:
                reader.replace_source_output(changed)
        openvino_runtime.save(openvino.Model(model.get_results(), model.get_parameters()), path)

    return apply


def reverse_bands(pixels: Any) -> Any:
    """Return the bands in the reverse order."""
    return operations.gather(pixels, np.array([2, 1, 0]), np.array(3)).output(0)


def scale_twice(pixels: Any) -> Any:
    """Return the pixels divided by 255, which the network does once more."""
    return operations.divide(pixels, np.array(255, np.uint8)).output(0)


def zero_scores(scores: Any) -> Any:
    """Return the same answer for all chips."""
    return operations.multiply(scores, np.array(0, np.float32)).output(0)


def write_nan_weights(folder: Path) -> None:
    """Replace half of the weights by NaN."""
    for path in (folder / "members").rglob("network.bin"):
        weights = np.frombuffer(path.read_bytes(), np.float32).copy()
        weights[len(weights) // 2 :] = np.nan
        path.write_bytes(weights.tobytes())


def swap_thresholds(folder: Path) -> None:
    """Give each label the threshold of another label."""
    record = training_record.unpack((folder / training_record.FILE).read_bytes())
    flat = flat_decision(record.scores.shape[1], rules=bundle.load(bundle.DEFAULT).decision.rules)
    decision = fit_decision("cuts", flat.calibration, record.scores, record.truth, flat)
    swapped = replace(decision, thresholds=np.roll(decision.thresholds, len(decision.thresholds) // 2))
    bundle_writer.write_decision(folder, labels.PLANET, swapped, record.truth.mean(axis=0) > 0.2)


def leak_folds(folder: Path) -> None:
    """Replace the out-of-fold scores by those of a network that was trained on the same chips."""
    record = training_record.unpack((folder / training_record.FILE).read_bytes())
    leaked = np.where(record.truth, 0.9, 0.05) + np.random.default_rng(0).normal(0, 0.05, record.truth.shape)
    scores = np.clip(leaked, 0, 1).astype(np.float32)
    changed = replace(record, scores=scores, tags=scores > 0.5)
    (folder / training_record.FILE).write_bytes(training_record.pack(changed))


def check_candidate(folder: Path, data: JobData, champion: ModelAnswers, job: Job) -> list[Check]:
    """Return the results of all checks of a candidate."""
    results, model = model_checks.check_bundle(folder, data.training())
    if model is None:
        return results
    candidate = answers.answer_chips(model, data.data, 2)
    results += model_checks.check_packaged(data.data, candidate, 2)
    return [*results, *model_checks.compare_models(data.data, champion, candidate, job.gate)]


def write_job(home: Path, options: argparse.Namespace) -> Job:
    """Write the job of `retrain` and return it."""
    backbone, _, weights = options.weights.partition("=")
    (home / "job.toml").write_text(
        f'recipe = "{options.recipe}"\n[[data]]\nchips = "{options.chips.resolve()}"\n'
        f'table = "{options.table.resolve()}"\n[weights]\n{backbone} = "{Path(weights).resolve()}"\n',
        encoding="utf-8",
    )
    return read_job(home / "job.toml")


def relabel(data: TrainingData, truth: Tags) -> TrainingData:
    """Return the chips with other labels, and the fingerprint that belongs to them."""
    changed = replace(data, truth=truth)
    fingerprint = data_fingerprint(changed.paths, changed.hashes, changed.truth, changed.unknown)
    return replace(changed, fingerprint=fingerprint)


def measure(home: Path, options: argparse.Namespace) -> None:
    """Print a row for each candidate."""
    job = write_job(home, options)
    data = job_data.gather(job)
    training = data.training()
    count = len(training.paths)
    order = np.random.default_rng(0).permutation(count)
    without_road = training.truth.copy()
    without_road[:, ROAD] = False

    def fit(name: str, examples: TrainingData) -> Path:
        if not (home / name).exists():
            with contextlib.redirect_stdout(sys.stderr):
                train_on(examples, home / name, recipe=job.recipe, options=TrainOptions(job.weights))
        return home / name

    def first_chips(share: float) -> TrainingData:
        return job_data.take_chips(training, np.sort(order[: int(share * count)]))

    champion = answers.answer_chips(bundle.verify(fit("champion", first_chips(0.75))), data.data, 2)
    sound = fit("sound", training)
    candidates: dict[str, Callable[[], Path]] = {
        "sound": lambda: sound,
        "shuffled labels": lambda: fit("shuffled", relabel(training, training.truth[order])),
        "label columns shifted by one": lambda: fit("shifted", relabel(training, np.roll(training.truth, 1, axis=1))),
        "no chip with the tag road": lambda: fit("missing", relabel(training, without_road)),
        "NaN weights": lambda: reseal(sound, home / "nan", write_nan_weights),
        "thresholds swapped": lambda: reseal(sound, home / "swapped", swap_thresholds),
        "bands in the reverse order": lambda: reseal(sound, home / "bgr", change_graph(reverse_bands)),
        "pixels scaled twice": lambda: reseal(sound, home / "dark", change_graph(scale_twice)),
        "half of the data": lambda: fit("half", first_chips(0.5)),
        "leaked folds": lambda: reseal(sound, home / "leaked", leak_folds),
        "the same answer for all chips": lambda: reseal(
            sound, home / "constant", change_graph(zero_scores, at_output=True)
        ),
    }

    print("| candidate | outcome | reasons |\n|---|---|---|")
    for name, build in candidates.items():
        reasons = checks.reasons(check_candidate(build(), data, champion, job))
        print(f"| {name} | {'rejected' if reasons else 'promoted'} | {reasons} |", flush=True)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--weights", required=True, metavar="BACKBONE=FILE")
    parser.add_argument("--recipe", default="frozen")
    parser.add_argument("--work", type=Path)
    tables.add_options(parser)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        home = (options.work or Path(scratch)).resolve()
        home.mkdir(exist_ok=True)
        with tables.recorded(options, script="sabotage", data=f"labelled chips of {options.chips.name}"):
            measure(home, options)


if __name__ == "__main__":
    main()
