"""Test the last layers whose logits are bounded: exact values, the start at the labels' rates, and training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from ensemble.networks import logits
from ensemble.networks.settings import LOGITS
from ensemble.networks.train import fit_network
from features.networks import openvino_export, openvino_runtime
from tests.ensemble.networks.toy_member import SETTINGS, pixels_of, untrained_network

VECTORS = np.array([[3.0, 4.0], [-30.0, -40.0]], np.float32)  # opposite directions, of length 5 and 50
KERNEL = np.array([[3.0, 0.0, 8.0], [4.0, 2.0, -6.0]], np.float32)
BIAS = np.array([0.5, 0.0, -1.0], np.float32)


def answer(name, vectors=VECTORS):
    layer = logits.make(name, 3)
    layer.build((None, 2))
    layer.set_weights([KERNEL, BIAS])
    return ops.convert_to_numpy(layer(vectors))


def test_cosine_logits_are_cosines_over_the_temperature():
    np.testing.assert_allclose(answer("cosine")[0] - BIAS, np.array([1.0, 0.8, 0.0]) / 0.05, atol=1e-5)
    np.testing.assert_allclose(answer("cosine")[1] - BIAS, np.array([-1.0, -0.8, 0.0]) / 0.05, atol=1e-5)


def test_normalised_logits_have_one_length_for_every_chip():
    expected = np.array([25.0, 8.0, 0.0]) / np.hypot(25, 8) / 0.2
    np.testing.assert_allclose(answer("normalised") - BIAS, [expected, -expected], atol=1e-5)


@pytest.mark.parametrize("name", LOGITS)
def test_a_vector_of_zeros_gives_the_bias(name):
    assert np.array_equal(answer(name, np.zeros((1, 2), np.float32))[0], BIAS)


def test_a_network_with_cosine_logits_starts_near_the_labels_rates(source):
    rates = (0.9, 0.3, 0.02)
    scores = untrained_network(replace(SETTINGS, logits="cosine"), rates).predict_on_batch(pixels_of(source))
    odds, expected = (np.log(values / (1 - values)) for values in (scores, np.array(rates)))
    assert np.abs(odds - expected).max() <= 20 * 1.001  # no cosine is larger than 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"logits": "cosine"},
        pytest.param({"logits": "cosine", "output": "softmax"}, marks=pytest.mark.backends),  # each kind of logits
        pytest.param({"logits": "normalised", "output": "grouped"}, marks=pytest.mark.backends),
        {"loss": "squared_error"},
    ],
    ids=str,
)
def test_training_lowers_the_loss_and_openvino_gives_the_same_scores(source, changes, tmp_path):
    keras.utils.clear_session()
    seen = []
    longer = replace(SETTINGS, epochs=8, rate=1e-2, **changes)
    model = fit_network(longer, source, ((0, 1),), after_epoch=lambda epoch, loss, state: seen.append(loss))
    assert seen[-1] < seen[0]
    openvino_export.export(model, tmp_path)
    network = openvino_runtime.load(*((tmp_path / f"network.{suffix}").read_bytes() for suffix in ("xml", "bin")))
    pixels = pixels_of(source)
    np.testing.assert_allclose(network(pixels), model.predict_on_batch(pixels), atol=1e-5)
