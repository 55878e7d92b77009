"""Training of fine-tuned networks on chips that have labels or teachers.

Written on Keras alone, so that it runs on each of its backends. The training state after an epoch is a dict of arrays:
passed back to `fit_network`, training resumes and ends in the same weights as without the stop.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import keras
import numpy as np
from keras import ops

from ensemble.arrays import Floats, Groups, Targets
from ensemble.networks import losses, schedules
from ensemble.networks.batches import BatchSource, EpochBatches, seed_of
from ensemble.networks.build import build_network, finish_network, layer_positions, softmax_groups
from ensemble.networks.losses import Loss
from ensemble.networks.scaled_start import first_step, scale_start
from ensemble.networks.schedules import HyperRule, PacedAdamW, PacedSGD, Stairs
from ensemble.networks.settings import TunedMember
from features.networks import devices
from features.networks.network_state import NetworkState, read_state, restore_state

TrainingState = NetworkState  # with the number of finished epochs
EpochCallback = Callable[[int, float, TrainingState], None]  # number of finished epochs, mean loss of the last, state
Prepare = Callable[[keras.Model], None]  # changes a network before its first step


def fit_network(
    settings: TunedMember,
    source: BatchSource,
    groups: Groups = (),
    *,
    seed: int = 0,
    state: TrainingState | None = None,
    after_epoch: EpochCallback = lambda epoch, loss, state: None,
) -> keras.Model:
    """Return a trained network, from integer chips to scores (batch, labels), in float32.

    On a GPU it trains in bfloat16; on several, where the backend can, each batch is shared among them.

    Args:
        settings: the member.
        source: the chips and their targets.
        groups: columns of which exactly one label holds.
        seed: seed of order, views, mixup, redrawn weights and of the backend.
        state: the state of an earlier run to resume from.
        after_epoch: called after each epoch with the state to resume from.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
        ValueError: the state belongs to another network.
    """
    keras.utils.set_random_seed(seed)
    rates = _label_rates(source.targets)
    if settings.output == "softmax":
        source = _normalised(source)

    devices.distribute_batches(settings.batch)
    with devices.training_precision():
        model, shrink = None, 0
        for epoch in range(0 if state is None else int(state["epochs"]), epoch_count(settings, source)):
            epoch_shrink = _shrink_in(epoch, settings, source)
            if model is None or epoch_shrink != shrink:
                model = compile_network(settings, source, rates, groups, epoch_shrink, seed=seed)
                shrink = epoch_shrink
                if state is not None:
                    restore_state(model, state)
                elif settings.init == "grad":
                    _scale(model, settings, source, groups, seed=seed)
            loss = _run_epoch(model, settings, source, epoch=epoch, seed=seed)
            state = {"epochs": np.array(epoch + 1), **read_state(model)}
            after_epoch(epoch + 1, loss, state)

        if model is None or shrink > 1:  # all epochs were finished before, or all ran at half the side
            model = compile_network(settings, source, rates, groups, 1, seed=seed)
            restore_state(model, state or {})
        model.optimizer.settle(model.trainable_variables)
    return finish_network(model, settings, source.spec, rates, groups)


def fine_tune_network(
    settings: TunedMember, source: BatchSource, groups: Groups = (), *, seed: int, prepare: Prepare
) -> keras.Model:
    """Return a network that was trained further, as `fit_network` trains one from its start.

    Args:
        settings: the member, without a softmax over all labels; all its epochs are trained at the whole side.
        source: the chips and their targets.
        groups: columns of which exactly one label holds.
        seed: seed of order, views, mixup and of the backend.
        prepare: gives the network the weights to go on from, and constraints on them.
    """
    keras.utils.set_random_seed(seed)
    rates = _label_rates(source.targets)
    devices.distribute_batches(settings.batch)
    with devices.training_precision():
        model = compile_network(settings, source, rates, groups, seed=seed)
        prepare(model)
        for epoch in range(epoch_count(settings, source)):
            _run_epoch(model, settings, source, epoch=epoch, seed=seed)
        model.optimizer.settle(model.trainable_variables)
        for variable in model.trainable_variables:
            if variable.constraint is not None:  # averages are of the weights before the constraint of each step
                variable.assign(variable.constraint(variable))
    return finish_network(model, settings, source.spec, rates, groups)


def _scale(model: keras.Model, settings: TunedMember, source: BatchSource, groups: Groups, *, seed: int) -> None:
    """Scale the weights of a network that starts from `grad`."""
    is_adam = settings.schedule == "cosine"
    rate = settings.rate if is_adam else _hyperrule(settings, source).rate
    rates = tuple(rate * share for share in model.optimizer.shares)
    plain = replace(settings, loss="cross_entropy", positive=1.0, smoothing=0.0)
    step = first_step(rates, constant_answer_loss(plain, source, groups), is_adam=is_adam)
    columns = softmax_groups(settings, source.targets.shape[1], groups)
    scale_start(model, settings, source, groups=columns, step=step, seed=seed)


def _shrink_in(epoch: int, settings: TunedMember, source: BatchSource) -> int:
    """Return how many times smaller than in the settings the chips enter the backbone in this epoch."""
    return 2 if epoch < round(settings.progressive * epoch_count(settings, source)) else 1


def _run_epoch(model: keras.Model, settings: TunedMember, source: BatchSource, *, epoch: int, seed: int) -> float:
    """Train for one epoch and return its mean loss."""
    mixup = _hyperrule(settings, source).mixup if settings.schedule == "hyperrule" else settings.mixup
    batches = EpochBatches(source, settings.batch, seed=seed_of(seed, epoch), mixup=mixup)
    stop = keras.callbacks.TerminateOnNaN()
    loss = model.fit(batches, shuffle=False, verbose=0, callbacks=[stop]).history["loss"][-1]
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"the loss of {settings.name} became {loss} in epoch {epoch + 1}; lower its rate ({settings.rate})."
        )
    return float(loss)


def epoch_count(settings: TunedMember, source: BatchSource) -> int:
    """Return the number of epochs that a member is trained for."""
    if settings.schedule == "cosine":
        return settings.epochs
    steps = _hyperrule(settings, source).steps[-1]
    return -(-steps * settings.accumulate // -(-source.shown // settings.batch))


def _hyperrule(settings: TunedMember, source: BatchSource) -> HyperRule:
    return schedules.hyperrule(source.shown, settings.batch * settings.accumulate)


def constant_answer_loss(settings: TunedMember, source: BatchSource, groups: Groups = ()) -> float:
    """Return the least mean loss of some constant answers; a network that ends no lower has learnt nothing.

    The constant answers are the labels' rates, and the rates moved towards 0 and 1 and upwards, which losses other than
    cross-entropy prefer.
    """
    odds = np.log(1 / _label_rates(source.targets) - 1)
    columns = softmax_groups(settings, len(odds), groups)
    targets = ops.convert_to_tensor((_normalised(source) if settings.output == "softmax" else source).targets)
    loss = _loss(settings, columns)

    constant_losses = []
    for slope, offset in product((1.0, 4.0, 16.0), np.arange(0.0, 3.5, 0.5)):
        answer = 1 / (1 + np.exp(slope * (odds - offset)))
        for group in columns:
            answer[list(group)] /= answer[list(group)].sum()
        scores = np.broadcast_to(answer, targets.shape).astype(np.float32)
        constant_losses.append(float(ops.mean(loss(targets, ops.convert_to_tensor(scores)))))
    return min(constant_losses)


def compile_network(
    settings: TunedMember, source: BatchSource, rates: Floats, groups: Groups = (), shrink: int = 1, *, seed: int = 0
) -> keras.Model:
    """Return a network ready to train: with optimizer and loss, and with the layers that the member freezes frozen."""
    model = build_network(settings, source.spec, rates, groups, shrink=shrink, seed=seed)
    shares = {}
    for position, layer in layer_positions(model):
        layer.trainable = position > settings.freeze or not settings.freeze
        shares.update({id(variable): settings.falloff ** (1 - position) for variable in layer.trainable_variables})
    optimizer = _optimizer(settings, source)
    optimizer.shares = [shares.get(id(variable), 1.0) for variable in model.trainable_variables]
    loss = _loss(settings, softmax_groups(settings, len(rates), groups))

    model.compile(optimizer, loss=loss, jit_compile=devices.compile_jit())
    optimizer.build(model.trainable_variables)
    if (
        keras.backend.backend() != "tensorflow"
    ):  # jax and torch draw a random number while they build; restoring a state overwrites it
        side = source.spec.side
        empty = np.zeros((settings.batch, side, side, len(source.spec.channels)), source.spec.dtype)
        model.test_on_batch(empty, np.zeros((settings.batch, len(rates)), np.float32))
    return model


def _optimizer(settings: TunedMember, source: BatchSource) -> Any:
    options = {
        "use_ema": settings.ema > 0,
        "ema_momentum": settings.ema ** (1 / settings.accumulate) or 0.99,  # Keras averages after each batch
        "gradient_accumulation_steps": settings.accumulate if settings.accumulate > 1 else None,
    }
    if settings.schedule == "hyperrule":
        return PacedSGD(Stairs(_hyperrule(settings, source)), momentum=0.9, **options)
    steps = settings.epochs * -(-source.shown // settings.batch) // settings.accumulate
    warmup = max(1, round(settings.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warmup), warmup_target=settings.rate, warmup_steps=warmup
    )
    return PacedAdamW(schedule, weight_decay=settings.decay, clipnorm=1.0, **options)


def _loss(settings: TunedMember, groups: Groups) -> Loss:
    return losses.make(settings.loss, groups=groups, positive=settings.positive, smoothing=settings.smoothing)


def _normalised(source: BatchSource) -> BatchSource:
    """Return the chips with targets that sum to 1 for each chip (Mahajan et al. 2018, section 2.2)."""

    def normalise(targets: Targets) -> Targets:
        sums = np.maximum(np.nansum(targets, axis=1, keepdims=True), 1e-3)
        return np.asarray(targets / sums, np.float32)

    unlabelled = None if source.unlabelled_targets is None else normalise(source.unlabelled_targets)
    return replace(source, targets=normalise(source.targets), unlabelled_targets=unlabelled)


def _label_rates(targets: Targets) -> Floats:
    """Return the share of chips that carry each label, (labels,), among those where it is not unknown; never 0 or 1."""
    known_chips = (~np.isnan(targets)).sum(axis=0)
    rates: Floats = (np.nansum(targets, axis=0, dtype=np.float64) + 0.5) / (known_chips + 1)
    return rates
