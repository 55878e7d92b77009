"""Compare `amazon_tags map` with a plain loop of rasterio and Keras, and measure a scene of 40,000 x 40,000 pixels.

    python -m tests.benchmarks.scene_map [SCENE.jpg] [--side 40000]

SCENE is by default a Planet scene in the folder that AMAZON_TAGS_DATA names. It is repeated over GeoTIFFs of pixels of
3 m, in tiles of JPEG: one of 6,144 x 2,048 for the comparison, and one of `--side`, which is also killed and resumed.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.windows import Window

from amazon_tags.model import bundle
from tests.benchmarks import tables
from tests.benchmarks.end_to_end import Cost, print_costs, run

MAP = (sys.executable, "-m", "amazon_tags", "map")
PLAIN = (sys.executable, "-m", "tests.benchmarks.plain_map")
RUNS = 3  # of each way, in turn
WIDTH, HEIGHT = 6144, 2048  # whole windows of a Planet scene
LAYOUT = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "jpeg", "photometric": "ycbcr"}


def write_scene(source: Path, path: Path, width: int, height: int) -> Path:
    """Write a scene that repeats a picture as a GeoTIFF."""
    pixels = np.moveaxis(np.asarray(Image.open(source).convert("RGB"))[:HEIGHT, :WIDTH], 2, 0)
    placed = {"crs": "EPSG:32721", "transform": rasterio.Affine(3, 0, 600_000, 0, -3, 9_700_000)}
    shape = {"width": width, "height": height, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", BIGTIFF="YES", **shape, **placed, **LAYOUT) as target:
        for row in range(0, height, HEIGHT):
            for column in range(0, width, WIDTH):
                part = pixels[:, : height - row, : width - column]
                target.write(part, window=Window(column, row, part.shape[2], part.shape[1]))
    return path


def compare(scene: Path, folder: Path) -> None:
    """Print the costs of both ways on one scene, and to how many windows they give the same tags."""
    ours, plain = folder / "ours.geojson", folder / "plain.geojson"
    pairs: list[tuple[Cost, Cost]] = []
    for _ in range(RUNS):
        own = run(*MAP, str(scene), "--edges", "drop", "-o", str(ours))
        pairs.append((own, run(*PLAIN, str(scene), str(bundle.DEFAULT), str(plain))))
    print_costs(pairs)
    tags = [
        [feature["properties"]["tags"] for feature in json.loads(path.read_text())["features"]]
        for path in (ours, plain)
    ]
    same = statistics.fmean(sorted(first) == sorted(second) for first, second in zip(*tags, strict=True))
    print(f"\n{len(tags[0])} windows, of which {same:.1%} have the same tags both ways.\n")


def measure_large(scene: Path, side: int, folder: Path) -> None:
    """Print what a large scene costs, and whether a run that was killed ends in the same bytes."""
    whole, resumed, checkpoint = folder / "whole.parquet", folder / "resumed.parquet", folder / "checkpoint"
    cost = run(*MAP, str(scene), "-o", str(whole))
    command = [*MAP, str(scene), "--checkpoint", str(checkpoint), "-o", str(resumed)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while len(list(checkpoint.glob("*.parquet"))) < 5:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    run(*command)
    windows = (-(-side // 256)) ** 2
    is_same = whole.read_bytes() == resumed.read_bytes()
    columns = ("scene", "windows", "seconds", "windows/s", "peak memory, MiB", "map, MB", "killed and resumed")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    print(
        f"| {side:,} x {side:,}, {scene.stat().st_size / 1e6:.0f} MB | {windows:,} | {cost.seconds:.0f} | "
        f"{windows / cost.seconds:.0f} | {cost.peak_mib:.0f} | {whole.stat().st_size / 1e6:.1f} | "
        f"{'the same bytes' if is_same else 'OTHER BYTES'} |"
    )


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(os.environ.get("AMAZON_TAGS_DATA", "."))
    parser.add_argument("scene", type=Path, nargs="?", default=root / "scenes/culltivation2.jpg")
    parser.add_argument("--side", type=int, default=40_000)
    tables.add_options(parser)
    options = parser.parse_args()

    with (
        tempfile.TemporaryDirectory() as scratch,
        tables.recorded(options, script="scene_map", data=f"{options.scene.name}, repeated"),
    ):
        folder = Path(scratch)
        compare(write_scene(options.scene, folder / "small.tif", WIDTH, HEIGHT), folder)
        large = write_scene(options.scene, folder / "large.tif", options.side, options.side)
        measure_large(large, options.side, folder)


if __name__ == "__main__":
    main()
