"""Map a scene the plain way, as tutorials do: a loop of rasterio over windows, `model.predict`, a threshold, GeoJSON.

    python -m tests.benchmarks.plain_map SCENE BUNDLE OUTPUT

`scene_map` compares `amazon_tags map` with this.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from amazon_tags.model import decision_file
from ensemble.decisions.decision import decide_tags
from tests.benchmarks import plain_keras

SIDE = 256  # of a window, and what the bundled model takes
BATCH = 64


def tag(scene: Path, bundle: Path, output: Path) -> None:
    """Write the windows that lie inside of a scene of 8-bit colours as polygons with tags, in its reference system."""
    space, decision = decision_file.read(bundle / "decision.json")
    models, features = plain_keras.members(bundle), []
    with rasterio.open(scene) as dataset:
        rows, columns = (range(0, length - SIDE + 1, SIDE) for length in (dataset.height, dataset.width))
        windows = [Window(column, row, SIDE, SIDE) for row in rows for column in columns]
        for first in range(0, len(windows), BATCH):
            part = windows[first : first + BATCH]
            pixels = np.stack([np.moveaxis(dataset.read(window=window), 0, 2) for window in part])
            scores = np.mean([model.predict(pixels, verbose=0) for model in models], axis=0)
            for window, tags in zip(part, decide_tags(decision, scores), strict=True):
                left, bottom, right, top = dataset.window_bounds(window)
                ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
                names = [name for name, is_tag in zip(space.names, tags, strict=True) if is_tag]
                geometry = {"type": "Polygon", "coordinates": [ring]}
                features.append({"type": "Feature", "geometry": geometry, "properties": {"tags": names}})
    output.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def main() -> None:
    """Map the scene that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("scene", "bundle", "output"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    tag(options.scene, options.bundle, options.output)


if __name__ == "__main__":
    main()
