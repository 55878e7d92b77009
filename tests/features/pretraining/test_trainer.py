"""The loop of pretrainings: resumed it ends in the same weights, and it stops where going on has no use."""

import keras
import numpy as np
import pytest
from PIL import Image

from features.images.spec import ChipSpec
from features.networks import convnext_v2
from features.pretraining import trainer
from features.pretraining.batches import PretrainBatches, PretrainSource, batch_rows
from features.pretraining.collapse import CollapseError, spread
from features.pretraining.settings import PretrainSettings, refuse_settings
from features.pretraining.trainer import pretrain
from tests.features.initialisation.backends import NEEDS_JAX, printed_on_both

CHIPS, SIDE = 12, 64


class StoppedError(Exception):
    """Ends a training like a kill."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chips")
    rng = np.random.default_rng(0)
    for number in range(CHIPS):
        pixels = np.clip(rng.integers(60, 200, 3) + rng.normal(0, 20, (40, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"chip_{number}.png")
    return PretrainSource(sorted(folder.iterdir()), ChipSpec(side=SIDE))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(trainer, "ROUND_BATCHES", 2)
    monkeypatch.setitem(convnext_v2.SIZES, "atto", ((1, 1, 1, 1), (4, 4, 8, 8)))
    yield
    keras.utils.clear_session()


def settings(method="simclr", **changes):
    backbone = "convnext_v2_atto" if method == "fcmae" else "toy"
    return PretrainSettings(method, backbone, **{"epochs": 2, "batch": 4, "random": True, **changes})


@pytest.mark.parametrize(("method", "accumulate"), [("simclr", 1), ("byol", 2), ("fcmae", 1)])
def test_a_resumed_training_ends_in_the_same_weights(source, method, accumulate):
    chosen = settings(method, accumulate=accumulate)
    whole = pretrain(chosen, source)
    states = []

    def stop_after_two_rounds(finished, _model, state):
        states.append(state())
        if finished.batches == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        pretrain(chosen, source, after_round=stop_after_two_rounds)
    rounds = []
    resumed = pretrain(
        chosen, source, state=states[-1], after_round=lambda finished, model, state: rounds.append(finished)
    )
    assert [finished.batches for finished in rounds] == [6]
    for expected, found in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    first = states[0]
    assert any(not np.array_equal(first[f"{place}"], value) for place, value in enumerate(whole.get_weights()))


def test_a_state_of_another_network_is_refused(source):
    state = {"batches": np.array(2), "collapsed": np.array(0), "0": np.zeros(3)}
    with pytest.raises(ValueError, match="1 variables"):
        pretrain(settings(), source, state=state)


def test_a_loss_that_is_no_number_ends_the_training(source, monkeypatch):
    monkeypatch.setattr(trainer, "_mean_loss", lambda _, reported: reported[:, 0] * np.nan)
    with pytest.raises(FloatingPointError, match="lower rate"):
        pretrain(settings(), source)


def test_a_collapse_ends_the_training_after_three_rounds(source, monkeypatch):
    monkeypatch.setattr(trainer, "COLLAPSED", 2.0)
    rounds = []
    with pytest.raises(CollapseError, match="simclr has collapsed"):
        pretrain(settings(epochs=9), source, after_round=lambda finished, model, state: rounds.append(finished))
    assert len(rounds) == 1 + 3 - 1  # the first is of the warmup; the last one raises


def test_the_spread_is_0_for_equal_vectors_and_1_for_even_ones():
    rng = np.random.default_rng(0)
    assert float(spread(np.outer(np.arange(1, 9), np.ones(16)).astype(np.float32))) == pytest.approx(0, abs=1e-5)
    assert float(spread(rng.normal(size=(4000, 64)).astype(np.float32))) == pytest.approx(1, abs=0.01)


def test_every_chip_is_shown_once_an_epoch_in_an_order_of_its_own():
    chosen = settings(batch=3)
    epochs = [np.concatenate([batch_rows(chosen, CHIPS, 4 * epoch + place) for place in range(4)]) for epoch in (0, 1)]
    assert all(sorted(epoch) == list(range(CHIPS)) for epoch in epochs)
    assert not np.array_equal(*epochs)
    assert len(batch_rows(settings(batch=5), CHIPS, 3)) == 5  # the second one of the second epoch


def test_a_batch_follows_from_its_number_alone(source):
    chosen = settings()
    (views, groups), targets = PretrainBatches(source, chosen, 0, 6)[4]
    (again, _), _ = PretrainBatches(source, chosen, 4, 5)[0]
    np.testing.assert_array_equal(views, again)
    assert views.shape == (4, 2, SIDE, SIDE, 3)
    assert views.dtype == np.uint8
    assert not np.array_equal(views[:, 0], views[:, 1])
    assert groups.tolist() == [0, 1, 2, 3]
    assert targets.shape == (4,)


@pytest.mark.parametrize(
    ("chosen", "side", "chips", "word"),
    [
        (settings(accumulate=2), 32, None, "accumulate"),
        (settings(batch=1), 32, None, "2 chips"),
        (settings(batch=64), 32, 63, "63 chips"),
        (PretrainSettings("fcmae", "mobilenet_v2"), 64, None, "convnext_v2_atto"),
        (settings("fcmae"), 100, None, "multiple of 32"),
        (settings("fcmae"), 32, None, "from 64 on"),
        (PretrainSettings("byol", "vit_tiny"), 8, None, "patch"),
    ],
)
def test_what_a_method_cannot_do_is_refused(chosen, side, chips, word):
    with pytest.raises(ValueError, match=word):
        refuse_settings(chosen, side, chips)


def test_the_rate_grows_with_the_root_of_the_chips_in_a_step():
    assert settings("byol", batch=64, accumulate=4, rate=0.01).step_rate() == pytest.approx(0.01)
    assert settings(batch=64, rate=0.01).step_rate() == pytest.approx(0.005)


@NEEDS_JAX
@pytest.mark.slow
def test_each_method_trains_on_each_backend(source):
    script = f"""
from pathlib import Path
import numpy as np
from features.images.spec import ChipSpec
from features.networks import convnext_v2
from features.pretraining import trainer
from features.pretraining.batches import PretrainSource
from features.pretraining.settings import PretrainSettings
convnext_v2.SIZES["atto"] = ((1, 1, 1, 1), (4, 4, 8, 8))
source = PretrainSource(sorted(Path({str(source.paths[0].parent)!r}).iterdir()), ChipSpec(side={SIDE}))
for method, backbone, accumulate in (
    ("simclr", "toy", 1), ("byol", "toy", 1), ("byol", "toy", 2), ("fcmae", "convnext_v2_atto", 2)
):
    settings = PretrainSettings(method, backbone, epochs=3, batch=4, accumulate=accumulate, random=True)
    rounds = []
    model = trainer.pretrain(settings, source, after_round=lambda finished, model, state: rounds.append(finished))
    moved = float(np.abs(np.array(model.targets[0]) - np.array(model.online.trainable_variables[0])).max() > 0) \\
        if method == "byol" else 0
    print(method, accumulate, np.isfinite(rounds[-1].loss), rounds[-1].spread > 0, moved)
"""
    on_jax, on_tensorflow = printed_on_both(script)
    assert on_jax == on_tensorflow
    assert on_jax.count("True True") == 4
    assert on_jax.count("1.0") == 2
