from dataclasses import replace

import keras
import numpy as np
import pytest

from ensemble import member, nets
from features import chips

SPEC = chips.ChipSpec(side=64)
SETTINGS = member.Tuned("net", "toy", weights="none", epochs=3, batch=8, rate=3e-3)


@pytest.fixture(scope="module")
def examples(world):
    """Chips of the world and whether they are brighter than most: easy to learn."""
    paths = chips.list_chips([world.train_jpg])
    light = np.array([chips.load(path, SPEC).mean() for path in paths])
    bright = light > np.median(light)
    return paths, np.stack([bright, ~bright, np.zeros_like(bright)], axis=1), SPEC


def built(settings=SETTINGS, rates=(0.5, 0.5, 0.01)):
    keras.utils.set_random_seed(0)
    return nets.build(settings, SPEC, np.array(rates))


def test_an_untrained_network_answers_with_the_labels_rates(examples):
    model = built(rates=(0.9, 0.3, 0.02))
    pixels = np.stack([chips.load(path, SPEC) for path in examples[0]])
    np.testing.assert_allclose(model.predict_on_batch(pixels).mean(axis=0), [0.9, 0.3, 0.02], rtol=0.15)


def test_training_lowers_the_loss_and_moves_every_layer(examples):
    model, losses = built(), []
    before = model.get_weights()
    longer = replace(SETTINGS, epochs=12, rate=1e-2)
    nets.fit(model, longer, examples, after_epoch=lambda epoch, loss, state: losses.append(loss))
    assert len(losses) == longer.epochs
    assert losses[-1] < 0.9 * losses[0]
    assert not any(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_a_run_that_goes_on_from_a_state_ends_where_an_unbroken_one_does(examples):
    states = []
    whole = built()
    nets.fit(whole, SETTINGS, examples, after_epoch=lambda epoch, loss, state: states.append(state))
    for state in states:
        resumed = built()
        nets.fit(resumed, SETTINGS, examples, state=state)
        for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.real
def test_absorbed_statistics_change_no_score_and_leave_nothing_untrained(real):
    weights = real.parent / "weights" / "mobilenet_v2_035_imagenet_notop.weights.h5"
    settings = member.Tuned("net", "mobilenet_v2_035", weights=str(weights))
    model = built(settings)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = model.predict_on_batch(pixels)
    nets.absorb_statistics(model)
    np.testing.assert_allclose(model.predict_on_batch(pixels), expected, atol=1e-5)
    for variable in model.non_trainable_variables:
        if "moving" in variable.path:
            assert np.ptp(variable.numpy()) == 0


def test_a_state_of_another_network_is_refused(examples):
    with pytest.raises(ValueError, match=r"the state has 1 variables, but the model"):
        nets.fit(built(), SETTINGS, examples, state={"epochs": np.array(1), "0": np.zeros(3)})


def test_a_loss_that_is_no_number_stops_with_a_word(examples):
    model = built()
    model.get_layer("labels").bias.assign([np.nan] * 3)
    with pytest.raises(FloatingPointError, match=r"loss of net became nan in epoch 1; lower its rate"):
        nets.fit(model, SETTINGS, examples)


def test_one_chip_is_enough_to_train_on(examples):
    paths, truth, spec = examples
    nets.fit(built(), SETTINGS, (paths[:1], truth[:1], spec))
