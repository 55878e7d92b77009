"""Measure the alerts of `amazon_tags change`: on rendered dates with planted roads, and on pairs of real chips.

    python -m tests.benchmarks.change

The rendered scenes have 20 x 20 windows of forest, a fifth of them with a river. In a fifth of the windows a road
appears or vanishes, and clouds hide a tenth at one date. The real pairs are training chips of the bundled model with
the scores that it gave without having seen them. A pair is two chips drawn at random, so its tags are independent, as
the probabilities assume. The last table shows which of these chips the limit of clouds lets through.
"""

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pyarrow import parquet as pq

from amazon_tags.datasets import sample
from amazon_tags.maps.alerts import Alert
from amazon_tags.maps.calibrated import choose_calibration
from amazon_tags.maps.change_scenes import ChangeOptions, change_scenes
from amazon_tags.maps.changed_cells import cloud_probability, is_alert
from amazon_tags.maps.compare_scenes import ChangeSettings
from amazon_tags.model import bundle, training_record
from amazon_tags.prediction.tag_chips import TagOptions
from amazon_tags.tables import labels
from ensemble.decisions import calibrate
from ensemble.decisions.change import change_probabilities
from ensemble.decisions.decision import decide_tags
from ensemble.metrics import score
from tests.benchmarks import tables
from tests.scene_files import write_scene

SIDE, ROWS = 256, 20  # of a window, in pixels, and of the scene, in windows
LIMITS = [(0.5, 0.5), (0.8, 0.5), (1.0, 0.5), (0.8, 0.3), (0.8, 0.8)]  # of clouds, and least probabilities
CLOUD_LIMITS = (0.3, 0.5, 0.8, 0.9, 1.0)
WEATHER = ("clear", "haze", "partly_cloudy", "cloudy")
DRAWS = 50  # random pairs of each real chip
BINS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

Found = set[tuple[str, str, str]]  # windows, tags, and whether they appeared or vanished


@dataclass(frozen=True)
class Pair:
    """Two rendered dates, and the roads that were planted in or removed from windows that no clouds hide."""

    before: Path
    after: Path
    roads: Found


def render_pair(folder: Path) -> Pair:
    """Render both dates and write them."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((2, ROWS * SIDE, ROWS * SIDE, 3), np.uint8)
    roads: Found = set()
    for top in range(0, ROWS * SIDE, SIDE):
        for left in range(0, ROWS * SIDE, SIDE):
            land = {"primary", "water"} if rng.random() < 0.2 else {"primary"}
            had_road, is_changed = rng.random() < 0.3, rng.random() < 0.2
            dates = [
                {"clear", *land, *(["road"] if has_road else [])} for has_road in (had_road, had_road ^ is_changed)
            ]
            is_hidden, seed = rng.random() < 0.1, int(rng.integers(1 << 30))
            if is_hidden:
                dates[int(rng.integers(2))] = {"cloudy"}
            elif is_changed:
                roads.add((f"r{top}_c{left}", "road", "vanished" if had_road else "appeared"))
            for date, tags in enumerate(dates):
                pixels[date, top : top + SIDE, left : left + SIDE] = sample.render(tags, seed=seed, side=SIDE)
    paths = [write_scene(folder / f"{name}.tif", pixels[date]) for date, name in enumerate(("before", "after"))]
    return Pair(paths[0], paths[1], roads)


def alerts_of(before: Path, after: Path, *, max_cloud: float, min_probability: float) -> tuple[Found, int]:
    """Return the alerts, and the number of windows compared."""
    settings = ChangeSettings(max_cloud=max_cloud, min_probability=min_probability)
    options = ChangeOptions(settings, TagOptions(precision="f32", device="cpu", jobs=2))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "change.parquet"
        summary = change_scenes(([before], [after]), output, options=options)
        return found(summary.alerts), pq.read_metadata(output).num_rows


def found(alerts: Iterable[Alert]) -> Found:
    """Return what alerts state, without their odds."""
    return {(alert.window, alert.tag, alert.change) for alert in alerts}


def measure_rendered(pair: Pair) -> None:
    """Print precision and recall of the alerts of planted roads, and the alerts of a scene against itself."""
    print(f"Rendered: {ROWS * ROWS} windows, {len(pair.roads)} roads appeared or vanished where no clouds are.\n")
    print(
        "| `--max-cloud` | `--min-probability` | windows compared | road alerts | precision | recall | other alerts |"
    )
    print("|---|---|---|---|---|---|---|")
    for max_cloud, least in LIMITS:
        alerts, windows = alerts_of(pair.before, pair.after, max_cloud=max_cloud, min_probability=least)
        roads = {alert for alert in alerts if alert[1] == "road"}
        hits = len(roads & pair.roads)
        print(
            f"| {max_cloud:g} | {least:g} | {windows} | {len(roads)} | {hits / len(roads):.3f} "
            f"| {hits / len(pair.roads):.3f} | {len(alerts - roads)} |",
            flush=True,
        )
    same = [alerts_of(path, path, max_cloud=1, min_probability=0.26)[0] for path in (pair.before, pair.after)]
    print(f"\nThe same scene twice, at a least probability of 0.26: {sum(map(len, same))} alerts.")


def measure_real() -> None:
    """Print how often changes of real pairs are true, by their probability."""
    record = training_record.read_required(bundle.DEFAULT)
    rng = np.random.default_rng(0)
    first = np.tile(np.arange(len(record.scores)), DRAWS)
    second = np.concatenate([rng.permutation(len(record.scores)) for _ in range(DRAWS)])
    changes = change_probabilities(record.scores[first], record.scores[second])
    before, after = record.truth[first], record.truth[second]

    probabilities = np.concatenate([changes.appeared, changes.vanished])
    is_true = np.concatenate([~before & after, before & ~after])
    of_ground = is_alert(np.ones((1, is_true.shape[1])), labels.PLANET, 0)[0]
    probabilities, is_true = probabilities[:, of_ground], is_true[:, of_ground]
    print(f"\n{DRAWS} random pairs of each of {len(record.scores)} real chips, tags of the weather left out:\n")
    print("| probability of a change | changes | mean probability | true |\n|---|---|---|---|")
    for low, high in pairwise(BINS):
        inside = (probabilities >= low) & (probabilities < high)
        values = probabilities[inside].mean(), is_true[inside].mean()
        print(f"| {low:g} to {high:g} | {inside.sum():,} | {values[0]:.3f} | {values[1]:.3f} |")
    alerts = probabilities >= 0.5
    hits = (alerts & is_true).sum()
    print(f"\nAt 0.5: precision {hits / alerts.sum():.3f}, recall {hits / is_true.sum():.3f}.")


def measure_clouds() -> None:
    """Print which real chips are compared at each limit of clouds, and how good their tags of the ground are."""
    model = bundle.load(bundle.DEFAULT)
    record = training_record.read_required(bundle.DEFAULT)
    names = labels.PLANET.names
    clouds = cloud_probability(calibrate.apply(choose_calibration(model), record.scores), labels.PLANET)
    of_ground = is_alert(np.ones((1, len(names))), labels.PLANET, 0)[0]
    tags = decide_tags(model.decision, record.scores)
    f2 = score.per_chip(record.truth[:, of_ground], tags[:, of_ground])
    print(f"\n| `--max-cloud` | {' | '.join(f'{name} compared' for name in WEATHER)} | F2 of their other tags |")
    print(f"|---|{'---|' * len(WEATHER)}---|")
    for limit in CLOUD_LIMITS:
        compared = clouds <= limit
        shares = [
            f"{compared[holds].mean():.1%} of {holds.sum()}"
            for holds in (record.truth[:, names.index(name)] for name in WEATHER)
        ]
        print(f"| {limit:g} | {' | '.join(shares)} | {f2[compared].mean():.3f} |")


def main() -> None:
    """Measure and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables.add_options(parser)
    options = parser.parse_args()
    data = "two rendered scenes; held-out scores of the 771 competition chips that the bundled model was trained on"
    with tempfile.TemporaryDirectory() as folder, tables.recorded(options, script="change", data=data):
        measure_rendered(render_pair(Path(folder)))
        measure_real()
        measure_clouds()


if __name__ == "__main__":
    main()
