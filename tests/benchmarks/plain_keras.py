"""Tag chips the plain way, as tutorials do: `keras.utils.load_img`, one array, `model.predict`, a threshold, a CSV.

    python -m tests.benchmarks.plain_keras CHIPS BUNDLE

`end_to_end` compares `amazon_tags predict` with this. Pillow decodes the chips: TensorFlow's own operation turns the
competition's four-component files black.
"""

import argparse
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from amazon_tags.model import decision_file
from amazon_tags.model.recipe import recipe_from_json
from ensemble.decisions.decision import decide_tags
from ensemble.networks.build import build_network
from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec


def members(bundle: Path) -> list[keras.Model]:
    """Return the fine-tuned networks of a bundle, from chips to scores."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    space, _ = decision_file.read(bundle / "decision.json")
    side, count = manifest["chips"]["side"], len(manifest["labels"]["labels"])
    recipe = recipe_from_json(manifest["recipe"])
    settings = {member.name: member for member in recipe.members if isinstance(member, TunedMember)}

    models = []
    for folder_name in manifest["members"]:
        member = replace(settings[folder_name.partition("-")[2]], weights="none")
        model = build_network(member, ChipSpec(side=side), np.full(count, 0.5), decision_file.rules(space).groups)
        model.load_weights(bundle / "members" / folder_name / "network.weights.h5")
        models.append(model)
    return models


def tag(chips: Path, bundle: Path) -> None:
    """Print a submission for a folder's chips, by the fine-tuned members of a bundle."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    _, decision = decision_file.read(bundle / "decision.json")
    side, names = manifest["chips"]["side"], np.array(manifest["labels"]["labels"])

    paths = sorted(path for path in chips.iterdir() if path.suffix == ".jpg")
    images = [keras.utils.load_img(path, target_size=(side, side), interpolation="bilinear") for path in paths]
    pixels = np.stack([keras.utils.img_to_array(image, dtype="uint8") for image in images])
    scores = [model.predict(pixels, verbose=0) for model in members(bundle)]
    tags = decide_tags(decision, np.mean(scores, axis=0))

    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("image_name", "tags"))
    rows.writerows((path.stem, " ".join(names[row])) for path, row in zip(paths, tags, strict=True))


def main() -> None:
    """Tag the chips that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("bundle", type=Path)
    options = parser.parse_args()
    tag(options.chips, options.bundle)


if __name__ == "__main__":
    main()
