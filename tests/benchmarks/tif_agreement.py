"""How far the bundled model's tags agree between the competition's JPGs and TIFs of one name.

Run as `python -m tests.benchmarks.tif_agreement`, with AMAZON_TAGS_DATA naming the folder of real chips. The tags were
made from the JPGs; many TIFs show a place some pixels away, a few another place.
"""

import os
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle
from amazon_tags.prediction.predict import predict_chips
from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.image_names import select
from ensemble.metrics import score
from features.images import listing
from tests.benchmarks import visual_mapping

NEAR = 2  # pixels that two resamplings of one place may differ by


def main() -> None:
    """Print one line for each kind of pair, and the pairs."""
    planet = Path(os.environ["AMAZON_TAGS_DATA"]) / "planet"
    tifs = listing.chips([planet / "train-tif-v2"])
    jpgs = [planet / "train-jpg" / f"{path.stem}.jpg" for path in tifs]
    model = bundle.load(bundle.DEFAULT)
    of_tifs, of_jpgs = (np.concatenate([part.tags for part in predict_chips(paths, model)]) for paths in (tifs, jpgs))
    table = label_tables.read_labels(planet / "train_v2.csv", labels.PLANET)
    truth = table.truth[select(table.ids, [path.stem for path in tifs])]
    kinds = []
    for pair in map(visual_mapping.align, jpgs, tifs):
        alike = pair.correlation >= visual_mapping.ALIKE
        kinds.append(("aligned" if abs(pair.shift) <= NEAR else "shifted") if alike else "another place")
    print("| pairs | count | the same tags | shared of all tags given | F2 of the JPG's tags | F2 of the TIF's |")
    print("|---|---|---|---|---|---|")
    for kind in dict.fromkeys(sorted(kinds)):
        rows = np.array(kinds) == kind
        shared = (of_tifs & of_jpgs)[rows].sum() / (of_tifs | of_jpgs)[rows].sum()
        same = (of_tifs == of_jpgs)[rows].all(axis=1)
        jpg, tif = (score.f2(truth[rows], tags[rows]) for tags in (of_jpgs, of_tifs))
        print(f"| {kind} | {rows.sum()} | {same.sum()} of {len(same)} | {shared:.2f} | {jpg:.3f} | {tif:.3f} |")
    print()
    for path, kind, one, other in zip(tifs, kinds, of_jpgs, of_tifs, strict=True):
        lost, won = (" ".join(labels.decode(model.space, row)) or "-" for row in (one & ~other, other & ~one))
        print(f"{path.stem}: {kind}; only the JPG: {lost}; only the TIF: {won}")


if __name__ == "__main__":
    main()
