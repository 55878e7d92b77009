"""Compare hypercomplex networks with real ones of like size, on rendered chips and on the real 4-band TIFs.

    python -m tests.benchmarks.hypercomplex --work DIR [--seeds N] [--no-write]

The networks have four convolutions with batch norms, of widths w, 2 w, 4 w and 4 w, and differ in the components n and
in w alone. The rendered chips have blue, green, red and near infrared, and patches of random colours. Two of three
labels are the ratio of a patch's near infrared to its red, which no single band shows; the third is a red patch. The
test chips are the same for each seed; the seed draws the training chips and the first weights.

AMAZON_TAGS_DATA names the folder of real chips. Of the 20 TIFs with tags, each is scored by networks that were trained
on those of the other folds, for the tags that 5 to 15 of them carry. Finished trainings stay in the work folder, so
that a killed run resumes.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import select
from ensemble.arrays import Fold, Rows, Scores, Tags
from ensemble.metrics import folds, seeded_scores
from ensemble.metrics.seeded_scores import SeededScores
from features.arrays import Floats
from features.images import chips, listing, sensor_colours
from features.images.spec import ChipSpec
from features.networks.band_lines import band_lines
from features.networks.hypercomplex import PHConv2D, starting_algebra
from tests.benchmarks import tables

NETWORKS = {"real": (1, 32), "hypercomplex, n = 4": (4, 32), "real, half width": (1, 16)}  # n and w
BASE = "real, half width"  # that gains are against
TRAIN_CHIPS, TEST_CHIPS, SIDE, BATCH = (128, 512), 400, 32, 32
STEPS, RATE = 240, 2e-3
BANDS = sensor_colours.BANDS
RENDERED_LABELS = ("bright near infrared", "dark near infrared", "red")
HIGH, EQUAL, LOW = 2.0, 1.0, 0.4  # near infrared of a patch, of its red
TIF_SIDE, TIF_STEPS, TIF_FOLDS, TIF_SEEDS = 64, 32, 5, 2
FEWEST, MOST = 5, 15  # TIFs that carry a tag


@dataclass(frozen=True)
class Data:
    """Images (chips, side, side, 4) about mean 0, and their truth (chips, labels)."""

    images: Floats
    truth: Tags

    def take(self, rows: Rows) -> "Data":
        """Return the chips of these rows."""
        return Data(self.images[rows], self.truth[rows])


def render(count: int, seed: int) -> Data:
    """Render chips of which each label is on about a half."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, SIDE, SIDE, len(BANDS)))
    truth = np.zeros((count, len(RENDERED_LABELS)), np.bool_)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    for number in range(count):
        images[number] = rng.uniform(0.3, 0.5) * rng.uniform(0.8, 1.2, len(BANDS))
        for _ in range(4):
            row, column = rng.uniform(4, SIDE - 4, 2)
            patch = np.hypot(rows - row, (columns - column) * rng.uniform(0.7, 1.4)) < rng.uniform(4, 8)
            colour = rng.uniform(0.2, 0.6, 3)
            is_red = rng.random() < 0.16
            colour[2] = colour[2] if not is_red else 0.9
            ratio = rng.choice([HIGH, EQUAL, LOW], p=[0.16, 0.68, 0.16]) if not is_red else EQUAL
            images[number][patch] = [*colour, ratio * colour[2]]
            truth[number] |= [ratio == HIGH, ratio == LOW, is_red]
    images += rng.normal(0, 0.03, images.shape)
    return Data(((images - 0.45) / 0.2).astype(np.float32), truth)


def network(components: int, width: int, side: int, outputs: int, steps: int) -> keras.Model:
    """Return a network with its first weights, compiled; those of a seed are set by `train`."""
    image = keras.Input((side, side, len(BANDS)))
    maps = image
    for factor in (1, 2, 4, 4):
        maps = PHConv2D(width * factor, 3, components=components, strides=2, padding="same", use_bias=False)(maps)
        maps = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(maps))
    scores = layers.Dense(outputs, "sigmoid")(layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(image, scores)
    rate = keras.optimizers.schedules.PolynomialDecay(RATE, steps, 0.0)
    model.compile(keras.optimizers.Adam(rate), loss="binary_crossentropy", steps_per_execution=steps)
    return model


def train(model: keras.Model, data: Data, seed: int, steps: int) -> None:
    """Draw new weights by He's rule, and train."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        values = [_start(rng, layer, variable) for variable in layer.weights]
        layer.set_weights(values)
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape))
    size = min(BATCH, len(data.images))
    rows = np.concatenate([rng.choice(len(data.images), size, replace=False) for _ in range(steps)])
    images = np.where(rng.random((len(rows), 1, 1, 1)) < 0.5, data.images[rows], data.images[rows, ::-1])
    model.fit(images, data.truth[rows].astype(np.float32), batch_size=size, shuffle=False, verbose=0)


def _start(rng: np.random.Generator, layer: keras.Layer, variable: keras.Variable) -> Floats:
    role, shape = variable.name, tuple(variable.shape)
    if role == "kernel":
        return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
    if role == "algebra":
        return starting_algebra(layer.components).astype(np.float64)
    return np.ones(shape) if role in ("gamma", "moving_variance") else np.zeros(shape)


def kept_scores(path: Path, model: keras.Model, parts: tuple[Data, Data], seed: int, steps: int) -> Scores:
    """Return the scores (chips, labels) of the second part by a network that is trained on the first, from a file."""
    if not path.exists():
        learnt, shown = parts
        train(model, learnt, seed, steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, model.predict_on_batch(shown.images))
        part.replace(path)
    scores: Scores = np.load(path)
    return scores


def measure_rendered(work: Path, seeds: int) -> Iterator[tuple[str, int, int, SeededScores]]:
    """Yield each network with its weights, the number of training chips, and what was measured."""
    test = render(TEST_CHIPS, 0)
    for name, (components, width) in NETWORKS.items():
        model = network(components, width, SIDE, len(RENDERED_LABELS), STEPS)
        for count in TRAIN_CHIPS:
            scores = []
            for seed in range(1, seeds + 1):
                path = work / f"rendered_{components}_{width}_{count}_{seed}.npy"
                scores.append(kept_scores(path, model, (render(count, seed), test), seed, STEPS))
            yield name, weights_of(model), count, measure(test.truth, np.stack(scores))
        keras.utils.clear_session()


def measure_tifs(work: Path, data: Data, seeds: int) -> Iterator[tuple[str, int, int, SeededScores]]:
    """Yield the same for the real TIFs, out of fold."""
    for name, (components, width) in NETWORKS.items():
        model = network(components, width, TIF_SIDE, data.truth.shape[1], TIF_STEPS)
        scores = np.zeros((seeds, *data.truth.shape), np.float32)
        for seed in range(seeds):
            fold: Fold = folds.stratify(data.truth, folds=TIF_FOLDS, seed=seed)
            for number in range(TIF_FOLDS):
                parts = data.take(np.flatnonzero(fold != number)), data.take(np.flatnonzero(fold == number))
                path = work / f"tifs_{components}_{width}_{seed}_{number}.npy"
                scores[seed, fold == number] = kept_scores(path, model, parts, seed, TIF_STEPS)
        yield name, weights_of(model), len(data.truth), measure(data.truth, scores)
        keras.utils.clear_session()


def weights_of(model: keras.Model) -> int:
    """Return the number of trained weights."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def measure(truth: Tags, scores: Scores) -> SeededScores:
    """Measure trainings (trainings, chips, labels) with tags at 0.5."""
    return seeded_scores.measure_seeds(truth, scores, scores > 0.5)


def read_tifs(planet: Path) -> tuple[Data, list[str]]:
    """Return the TIFs with tags as small images, and the tags that neither few nor nearly all of them carry."""
    paths = listing.chips([planet / "train-tif-v2"])
    table = truth_tables.read_truth(planet / "train_v2.csv", labels.PLANET)
    truth = table.truth[select(table.ids, paths.names())]
    chosen = [place for place, count in enumerate(truth.sum(axis=0)) if FEWEST <= count <= MOST]
    spec = ChipSpec(BANDS, "uint16", TIF_SIDE)
    gains, offsets = (np.array(values) for values in band_lines(BANDS))
    levels = np.stack([chips.load(path, spec) for path in paths]) * gains + offsets
    images = (levels.clip(0, 255) / 127.5 - 1).astype(np.float32)
    return Data(images, truth[:, chosen]), [labels.PLANET.names[place] for place in chosen]


def print_table(measured: Iterator[tuple[str, int, int, SeededScores]]) -> None:
    """Print a row for each network and number of training chips, with the gain over `BASE`."""
    rows = list(measured)
    bases = {count: result for name, _, count, result in rows if name == BASE}
    print(f"| network | weights | chips | mAP | gain over {BASE} |\n|---|---|---|---|---|")
    for name, weights, count, result in sorted(rows, key=lambda row: (row[2], list(NETWORKS).index(row[0]))):
        draws = result.mean_average_precision_draws
        gain = "-"
        if name != BASE:
            difference = result.mean_average_precision - bases[count].mean_average_precision
            gain = f"{difference:+.3f} {interval(draws - bases[count].mean_average_precision_draws)}"
        precision = f"{result.mean_average_precision:.3f} {interval(draws)}"
        print(f"| {name} | {weights:,} | {count} | {precision} | {gain} |", flush=True)


def interval(draws: Floats) -> str:
    """Return the 95 % interval of bootstrap draws."""
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return f"({low:.3f} to {high:.3f})"


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for finished trainings")
    parser.add_argument("--seeds", type=int, default=5, help="of the rendered chips")
    tables.add_options(parser)
    options = parser.parse_args()
    planet = Path(os.environ["AMAZON_TAGS_DATA"]) / "planet"
    data = f"rendered 4-band chips of {SIDE} pixels, {TEST_CHIPS} to test; the 20 real TIFs with tags, out of fold"
    with tables.recorded(options, script="hypercomplex", data=data):
        print(f"**Rendered chips**, {options.seeds} seeds, labels {', '.join(RENDERED_LABELS)}; mean over seeds:\n")
        print_table(measure_rendered(options.work, options.seeds))
        tifs, names = read_tifs(planet)
        print(f"\n**The 20 real TIFs**, {TIF_SEEDS} seeds of folds and weights, tags {', '.join(names)}:\n")
        print_table(measure_tifs(options.work, tifs, TIF_SEEDS))


if __name__ == "__main__":
    main()
