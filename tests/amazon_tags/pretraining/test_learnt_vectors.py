"""What is learnt from rendered chips without labels helps a head that sees 50 of their labels."""

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler

from amazon_tags.datasets import sample
from amazon_tags.tables import labels
from features.images import chips
from features.images.spec import ChipSpec
from features.networks import convnext_v2
from features.pretraining.batches import PretrainSource
from features.pretraining.collapse import COLLAPSED
from features.pretraining.encoder import build_encoder
from features.pretraining.settings import PretrainSettings
from features.pretraining.trainer import pretrain

CHIPS, LABELLED, SIDE, DRAWS = 300, 50, 64, 5
SMALL = ((1, 1, 2, 1), (16, 32, 64, 128))  # a ConvNeXt V2 that trains in seconds


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Chips, and their tags (chips, labels)."""
    folder = tmp_path_factory.mktemp("chips")
    rng = np.random.default_rng(0)
    tags = [sample.draw_tags(rng) for _ in range(CHIPS)]
    for number, names in enumerate(tags):
        Image.fromarray(sample.render(names, seed=number, side=SIDE)).save(folder / f"chip_{number:03}.png")
    truth = np.array([labels.encode(labels.PLANET, names) for names in tags])
    return PretrainSource(sorted(folder.iterdir()), ChipSpec(side=SIDE)), truth


def mean_precision(encoder, source, truth):
    """Return the mean average precision of heads on 50 labels, over the tags that are neither rare nor on all chips."""
    pixels = np.stack([chips.resize(source.load(row), SIDE) for row in range(CHIPS)])
    vectors = keras.ops.convert_to_numpy(encoder(pixels, training=False))
    precisions = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(CHIPS)
        few, rest = order[:LABELLED], order[LABELLED:]
        scaled = StandardScaler().fit(vectors[few]).transform(vectors)
        for column in truth.T:
            if column[few].sum() >= 2 and column[rest].sum() >= 5 and column[rest].mean() <= 0.9:
                head = LogisticRegression(max_iter=300).fit(scaled[few], column[few])
                precisions.append(average_precision_score(column[rest], head.decision_function(scaled[rest])))
    return np.mean(precisions)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "epochs", "rate", "gain"), [("simclr", 40, 0.012, 0.1), ("byol", 15, 0.005, 0)])
def test_vectors_that_were_learnt_without_labels_are_better_than_random_ones(
    rendered, monkeypatch, method, epochs, rate, gain
):
    monkeypatch.setitem(convnext_v2.SIZES, "atto", SMALL)
    source, truth = rendered
    settings = PretrainSettings(method, "convnext_v2_atto", epochs=epochs, batch=50, rate=rate, random=True)
    rounds = []
    learnt = pretrain(settings, source, after_round=lambda finished, model, state: rounds.append(finished))
    random = build_encoder(settings, source.spec, "none")
    assert mean_precision(learnt.encoder, source, truth) >= mean_precision(random, source, truth) + gain
    assert rounds[-1].spread > 5 * COLLAPSED
    keras.utils.clear_session()
