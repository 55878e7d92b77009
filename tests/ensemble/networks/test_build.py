from dataclasses import replace

import numpy as np
import pytest

from ensemble.networks.build import BOTTLENECK, absorb_statistics, build_network, finish_network
from ensemble.networks.settings import OUTPUTS, TunedMember
from features.networks.settled import Settled
from tests.ensemble.networks.toy_member import SETTINGS, SPEC, pixels_of, untrained_network


def test_an_untrained_network_answers_with_the_labels_rates(source):
    model = untrained_network(rates=(0.9, 0.3, 0.02))
    np.testing.assert_allclose(model.predict_on_batch(pixels_of(source)).mean(axis=0), [0.9, 0.3, 0.02], rtol=0.15)


@pytest.mark.parametrize("output", OUTPUTS)
def test_probabilities_of_a_softmax_sum_to_one_and_start_at_the_rates(source, output):
    model = untrained_network(replace(SETTINGS, output=output), (0.6, 0.3, 0.02), ((0, 1),))
    scores = model.predict_on_batch(pixels_of(source))
    assert ((scores > 0) & (scores < 1)).all()
    if output == "grouped":
        np.testing.assert_allclose(scores[:, :2].sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(scores.mean(axis=0), [2 / 3, 1 / 3, 0.02], rtol=0.15)
    if output == "softmax":
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)


def test_a_group_in_the_middle_keeps_the_labels_order(source):
    settings = replace(SETTINGS, output="grouped")
    model = build_network(settings, SPEC, np.array([0.05, 0.6, 0.9, 0.2]), ((3, 1),))
    scores = model.predict_on_batch(pixels_of(source)).mean(axis=0)
    np.testing.assert_allclose(scores, [0.05, 0.75, 0.9, 0.25], rtol=0.15)


def test_a_bottleneck_joins_two_dates_and_stays_as_it_was_trained():
    spec, rates = replace(SPEC, dates=2), np.array([0.5, 0.5, 0.01])
    settings = replace(SETTINGS, pairs="bottleneck", init="random")
    model = build_network(settings, spec, rates)
    layer = model.get_layer(BOTTLENECK)
    assert (layer.components, layer.kernel.shape) == (2, (2, 16, 8))  # of the 16 columns of each date, 16
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 6), dtype=np.uint8)
    expected = model.predict_on_batch(pixels)
    finished = finish_network(model, settings, spec, rates, ())
    np.testing.assert_allclose(finished.predict_on_batch(pixels), expected, rtol=1e-5)
    assert BOTTLENECK not in [layer.name for layer in build_network(settings, SPEC, rates).layers]


@pytest.mark.slow
@pytest.mark.real
def test_absorbed_statistics_change_no_score_and_leave_nothing_untrained(real):
    weights = real.parent / "weights" / "resnet50v2_conv4_imagenet.weights.h5"
    settings = TunedMember("net", "resnet50_v2", layer="conv5_block1_preact_relu", weights=str(weights))
    model = untrained_network(settings)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = model.predict_on_batch(pixels)
    absorb_statistics(model)
    np.testing.assert_allclose(model.predict_on_batch(pixels), expected, atol=1e-5)
    trunk = next(layer for layer in model.layers if isinstance(layer, Settled))
    for variable in trunk.network.non_trainable_variables:
        assert np.ptp(np.array(variable)) == 0
