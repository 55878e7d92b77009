"""The loop of all pretrainings: rounds of batches, after each of which the state can be saved and resumed.

Written on Keras alone, so that it runs on each of its backends. The state after a round is a dict of arrays: passed
back to `pretrain`, training resumes and ends in the same weights as without the stop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from features.networks import devices
from features.networks.network_state import NetworkState, read_state, restore_state
from features.pretraining.batches import PretrainBatches, PretrainSource
from features.pretraining.bootstrap import Bootstrap
from features.pretraining.collapse import COLLAPSED, PATIENCE, CollapseError
from features.pretraining.contrastive import Contrast
from features.pretraining.encoder import build_encoder
from features.pretraining.masked import MaskedAutoencoder
from features.pretraining.settings import METHODS, PretrainSettings, refuse_settings

PretrainState = NetworkState  # with the numbers of finished batches, and of rounds in a row that seem collapsed
ROUND_BATCHES = 50  # few enough that a run that is killed loses little
WARMUP_SHARE = 0.1  # of all batches
NOT_DECAYED = ["bias", "gamma", "beta", "token"]


@dataclass(frozen=True)
class Round:
    """What a round of training has shown.

    Attributes:
        batches: Finished since the start of the training.
        loss: The mean of the round.
        spread: The mean spread of the vectors; see `collapse.spread`.
    """

    batches: int
    loss: float
    spread: float


AfterRound = Callable[[Round, keras.Model, Callable[[], PretrainState]], None]
AfterBatch = Callable[[], None]


def pretrain(
    settings: PretrainSettings,
    source: PretrainSource,
    *,
    weights: str = "none",
    state: PretrainState | None = None,
    after_round: AfterRound = lambda finished, model, state: None,
    after_batch: AfterBatch = lambda: None,
) -> keras.Model:
    """Return the method's trained model, whose `encoder` makes vectors of integer chips.

    On a GPU it trains in bfloat16; on several, where the backend can, each batch is shared among them.

    Args:
        settings: The method and its settings.
        source: The chips.
        weights: What the backbone starts from, as in `backbones.build`; not read if the settings draw them.
        state: The state of an earlier run to resume from.
        after_round: Called after each round with what it showed, the model, and a function that returns the state.
        after_batch: Called after each batch.

    Raises:
        CollapseError: The vectors of all chips have become alike.
        FloatingPointError: The loss became NaN or infinite.
        ValueError: The settings do not fit the chips, or the state belongs to another network.
    """
    count = len(source.paths)
    refuse_settings(settings, source.spec.side, count)
    total = settings.batches(count)
    keras.utils.set_random_seed(settings.seed)
    devices.distribute_batches(settings.batch)
    with devices.training_precision():
        model = compile_model(settings, source, total, weights)
        done, collapsed = 0, 0
        if state is not None:
            done, collapsed = int(state["batches"]), int(state["collapsed"])
            restore_state(model, state)
        while done < total:
            last = min(done - done % ROUND_BATCHES + ROUND_BATCHES, total)
            loss, spread = _run_round(model, PretrainBatches(source, settings, done, last), after_batch, settings)
            done = last
            collapsed = _count_collapsed(settings, collapsed, spread, done > WARMUP_SHARE * total)
            after_round(Round(done, loss, spread), model, lambda: _state(model, done, collapsed))  # noqa: B023
    return model


def method_model(settings: PretrainSettings, encoder: keras.Model, batches: int) -> keras.Model:
    """Return the untrained model of a method around an encoder; `batches` are those of the whole training."""
    if settings.method == "simclr":
        return Contrast(encoder)
    if settings.method == "byol":
        return Bootstrap(encoder, max(1, batches // settings.accumulate), settings.accumulate)
    return MaskedAutoencoder(encoder)


def compile_model(settings: PretrainSettings, source: PretrainSource, batches: int, weights: str) -> keras.Model:
    """Return the model of a method, ready to train; all its variables exist.

    The arguments are those of `pretrain`; `batches` are those of the whole training.
    """
    model = method_model(settings, build_encoder(settings, source.spec, weights), batches)
    optimizer = _optimizer(settings, batches)
    model.compile(optimizer, loss=_mean_loss, metrics=[_spread], jit_compile=devices.compile_jit())
    inputs, targets = PretrainBatches(source, settings, 0, 1)[0]
    model.test_on_batch(inputs, targets)  # jax and torch draw a random number while they build
    optimizer.build(model.trainable_variables)
    return model


def _optimizer(settings: PretrainSettings, batches: int) -> Any:
    """Return AdamW whose rate rises linearly, then falls to zero along a cosine; Keras counts it in batches."""
    warmup = max(1, round(WARMUP_SHARE * batches))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, batches - warmup), warmup_target=settings.step_rate(), warmup_steps=warmup
    )
    accumulate = settings.accumulate if settings.accumulate > 1 else None
    decay = METHODS[settings.method].decay
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=decay, beta_2=0.95, clipnorm=1.0, gradient_accumulation_steps=accumulate
    )
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def _mean_loss(_: Any, reported: Any) -> Any:
    return reported[:, 0]


def _spread(_: Any, reported: Any) -> Any:
    return reported[:, 1]


class _EndOfBatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls a function after each batch."""

    def __init__(self, call: AfterBatch) -> None:
        super().__init__()
        self.call = call

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.call()


def _run_round(
    model: keras.Model, batches: PretrainBatches, after_batch: AfterBatch, settings: PretrainSettings
) -> tuple[float, float]:
    """Train on the batches; return the mean loss and spread."""
    callbacks = [keras.callbacks.TerminateOnNaN(), _EndOfBatch(after_batch)]
    history = model.fit(batches, shuffle=False, verbose=0, callbacks=callbacks).history
    loss, spread = float(history["loss"][-1]), float(history["_spread"][-1])
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"the loss of {settings.method} became {loss} before batch {batches.last:,}; start again with a lower rate "
            f"than {settings.rate or METHODS[settings.method].rate:g}."
        )
    return loss, spread


def _count_collapsed(settings: PretrainSettings, collapsed: int, spread: float, warm: bool) -> int:
    """Return how many rounds in a row had collapsed vectors; raise CollapseError if they are too many."""
    if not METHODS[settings.method].can_collapse or not warm or spread >= COLLAPSED:
        return 0
    if collapsed + 1 >= PATIENCE:
        raise CollapseError(
            f"{settings.method} has collapsed: the vectors of all chips have become alike (spread {spread:.3f}, sound "
            f"is 0.5 to 1, in {PATIENCE} rounds below {COLLAPSED}); start again with a lower rate or a larger batch."
        )
    return collapsed + 1


def _state(model: keras.Model, batches: int, collapsed: int) -> PretrainState:
    return {"batches": np.array(batches), "collapsed": np.array(collapsed), **read_state(model)}
