"""The plain way to tag chips, as tutorials have it: keras.utils.load_img, one array, model.predict, a cut, a CSV.

Its JPGs are decoded by Pillow: TensorFlow's own operation turns the competition's four-component files black.
"""

import csv
import json
import sys
from pathlib import Path

import keras
import numpy as np

from amazon_tags.model import decision_file
from ensemble.decisions.decision import decide_tags
from ensemble.networks.build import build_network
from ensemble.networks.settings import TunedMember
from features.images.chips import ChipSpec


def members(bundle: Path) -> list[keras.Model]:
    """The fine-tuned networks of a bundle, from chips to scores."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    space, _ = decision_file.read(bundle / "decision.json")
    side, count = manifest["chips"]["side"], len(manifest["labels"]["labels"])
    recipe = {settings["name"]: settings for settings in manifest["recipe"]["members"]}
    models = []
    for inside in manifest["members"]:
        values = {key: value for key, value in recipe[inside.partition("-")[2]].items() if key != "kind"}
        tuned = TunedMember(**{**values, "weights": "none"})
        model = build_network(tuned, ChipSpec(side=side), np.full(count, 0.5), decision_file.rules(space).groups)
        model.load_weights(bundle / "members" / inside / "network.weights.h5")
        models.append(model)
    return models


def main(folder: Path, bundle: Path) -> None:
    """Print a submission for the chips of a folder, by the fine-tuned members of a bundle."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    _, made = decision_file.read(bundle / "decision.json")
    side, names = manifest["chips"]["side"], manifest["labels"]["labels"]
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".jpg")
    images = [keras.utils.load_img(path, target_size=(side, side), interpolation="bilinear") for path in paths]
    pixels = np.stack([keras.utils.img_to_array(image, dtype="uint8") for image in images])
    scores = [model.predict(pixels, verbose=0) for model in members(bundle)]
    tags = decide_tags(made, np.mean(scores, axis=0))
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("image_name", "tags"))
    rows.writerows((path.stem, " ".join(np.array(names)[row])) for path, row in zip(paths, tags, strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
