"""Fine-tuned networks: a backbone with a head, trained on chips that have labels or teachers.

Written on Keras alone, so any of its backends runs it. The learning state after an epoch is a dict of arrays:
handed back to `fit`, training goes on as if it had never stopped.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from ensemble.networks import losses, schedules
from ensemble.networks.batches import BatchSource, EpochBatches, Targets, seed_of
from ensemble.networks.losses import Groups, Loss
from ensemble.networks.schedules import PacedAdamW, PacedSGD, Stairs
from ensemble.networks.settings import TunedMember
from features.images.chips import ChipSpec
from features.networks import backbones, devices
from features.networks.backbones import BackboneOptions, Settled

TrainingState = dict[str, NDArray[Any]]  # the epochs done, and every variable of the model and its optimizer
Rates = NDArray[np.float64]  # (labels,) the share of training chips that carry each label, in (0, 1)
EpochCallback = Callable[[int, float, TrainingState], None]


def build_network(
    settings: TunedMember, spec: ChipSpec, rates: Rates, groups: Groups = (), *, shrink: int = 1
) -> keras.Model:
    """The backbone with a head that starts out answering with the labels' rates.

    Args:
        settings: the member; its `weights` may be a path.
        spec: what its chips are.
        rates: of the labels.
        groups: columns whose scores sum to 1, for a grouped output.
        shrink: how many times smaller than the member's own the chips are seen.
    """
    frame = BackboneOptions(settings.sees, settings.shrink * shrink, settings.pool)
    trunk = backbones.build(settings.backbone, spec, layer=settings.layer, weights=settings.weights, options=frame)
    dropped = layers.Dropout(settings.dropout, seed=0, name="dropout")(trunk.output)  # its seed is part of the state
    groups = _groups(settings, len(rates), groups)
    grouped = [column for group in groups for column in group]
    bias = np.log(rates / (1 - rates))
    for group in groups:
        bias[list(group)] = np.log(rates[list(group)] / rates[list(group)].sum())
    logits = layers.Dense(
        len(rates),
        kernel_initializer="zeros"
        if settings.schedule == "hyperrule"
        else keras.initializers.RandomNormal(stddev=0.01, seed=0),
        dtype="float32",  # of mixed precision, the sum that decides
        name="labels",
    )(dropped)
    single = [column for column in range(len(rates)) if column not in grouped]
    parts = [ops.softmax(ops.take(logits, list(group), axis=-1)) for group in groups]
    parts += [ops.sigmoid(ops.take(logits, single, axis=-1))] if single else []
    joined = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
    order = [int(place) for place in np.argsort([*grouped, *single])]
    scores = ops.take(joined, order, axis=-1) if order != sorted(order) else joined
    model = keras.Model(trunk.input, scores, name=settings.backbone)
    model.get_layer("labels").bias.assign(bias)
    return model


def fit_network(
    settings: TunedMember,
    source: BatchSource,
    groups: Groups = (),
    *,
    seed: int = 0,
    state: TrainingState | None = None,
    after_epoch: EpochCallback = lambda epoch, loss, state: None,
) -> keras.Model:
    """A trained network, from integer chips to scores (batch, labels), in float32.

    On a GPU it computes in bfloat16, and on several, where the backend can, each batch is shared out.

    Args:
        settings: the member.
        source: the chips.
        groups: columns of which one holds.
        seed: of everything that is drawn.
        state: what a former run handed to `after_epoch`, to go on from there.
        after_epoch: told the number of epochs done, the mean loss of the last, and the state to go on from.

    Raises:
        FloatingPointError: the loss is no number.
    """
    keras.utils.set_random_seed(seed)
    rates = _label_rates(source.targets)
    rule = schedules.hyperrule(source.shown, settings.batch * settings.accumulate)
    mixup = rule.mixup if settings.schedule == "hyperrule" else settings.mixup
    if settings.output == "softmax":
        source = _normalised(source)
    devices.distribute_batches(settings.batch)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if devices.count_accelerators() else "float32")
    try:
        model, seen = None, 0
        for epoch in range(0 if state is None else int(state["epochs"]), epoch_count(settings, source)):
            shrink = 2 if epoch < round(settings.progressive * epoch_count(settings, source)) else 1
            if model is None or shrink != seen:
                model, seen = compile_network(settings, source, rates, groups, shrink), shrink
                if state is not None:
                    _restore(model, state)
            batches = EpochBatches(source, settings.batch, seed=seed_of(seed, epoch), mixup=mixup)
            stop = keras.callbacks.TerminateOnNaN()
            loss = model.fit(batches, shuffle=False, verbose=0, callbacks=[stop]).history["loss"][-1]
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"the loss of {settings.name} became {loss} in epoch {epoch + 1}; lower its rate ({settings.rate})."
                )
            state = _state(model, epoch + 1)
            after_epoch(epoch + 1, float(loss), state)
        if model is None or seen > 1:  # all epochs were done before, or all at half the side
            model = compile_network(settings, source, rates, groups, 1)
            _restore(model, state or {})
        model.optimizer.settle(model.trainable_variables)
    finally:
        keras.config.set_dtype_policy(before)
    return _served(model, settings, source, rates, groups)


def epoch_count(settings: TunedMember, source: BatchSource) -> int:
    """How many epochs a member is trained for."""
    if settings.schedule == "cosine":
        return settings.epochs
    rule = schedules.hyperrule(source.shown, settings.batch * settings.accumulate)
    return -(-rule.steps[-1] * settings.accumulate // -(-source.shown // settings.batch))


def constant_answer_loss(settings: TunedMember, source: BatchSource, groups: Groups = ()) -> float:
    """The mean loss of the best of some single answers for all chips: a network that ends no lower has learnt nothing.

    The answers are the labels' rates, and these made surer and bolder, as losses other than cross-entropy like them.
    """
    odds = np.log(1 / _label_rates(source.targets) - 1)
    columns = _groups(settings, len(odds), groups)
    targets = ops.convert_to_tensor((_normalised(source) if settings.output == "softmax" else source).targets)
    loss = _loss(settings, columns)
    found = []
    for sureness, boldness in product((1.0, 4.0, 16.0), np.arange(0.0, 3.5, 0.5)):
        answer = 1 / (1 + np.exp(sureness * (odds - boldness)))
        for group in columns:
            answer[list(group)] /= answer[list(group)].sum()
        given = np.broadcast_to(answer, targets.shape).astype(np.float32)
        found.append(float(ops.mean(loss(targets, ops.convert_to_tensor(given)))))
    return min(found)


def absorb_statistics(model: keras.Model) -> None:
    """Move the fixed mean and variance of what batch norms are left into their trained scale and offset, in place.

    The network computes what it did, and all that it knows stands in weights that were trained. A batch norm without
    scale or offset is left as it is.
    """
    for layer in _trunk_layers(model):
        if isinstance(layer, layers.BatchNormalization) and layer.scale and layer.center:
            gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in layer.get_weights())
            gain = gamma / np.sqrt(variance + layer.epsilon)
            layer.set_weights([gain, beta - gain * mean, 0 * mean, np.full_like(variance, 1 - layer.epsilon)])


def compile_network(
    settings: TunedMember, source: BatchSource, rates: Rates, groups: Groups = (), shrink: int = 1
) -> keras.Model:
    """A network that `fit` can begin with: optimizer and loss in place, what the member freezes frozen."""
    model = build_network(settings, source.spec, rates, groups, shrink=shrink)
    shares = {}
    for place, layer in _placed(model):
        layer.trainable = place > settings.freeze or not settings.freeze
        shares.update({id(variable): settings.falloff ** (1 - place) for variable in layer.trainable_variables})
    optimizer = _optimizer(settings, source)
    optimizer.shares = [shares.get(id(variable), 1.0) for variable in model.trainable_variables]
    loss = _loss(settings, _groups(settings, len(rates), groups))
    tensorflow = keras.backend.backend() == "tensorflow"
    slow = tensorflow and not devices.count_accelerators()  # there XLA makes convolutions several times slower
    model.compile(optimizer, loss=loss, jit_compile=False if slow else "auto")
    optimizer.build(model.trainable_variables)
    if not tensorflow:  # jax and torch draw a number while they build; here it is overwritten by a state's
        side = source.spec.side
        empty = np.zeros((settings.batch, side, side, len(source.spec.bands)), source.spec.dtype)
        model.test_on_batch(empty, np.zeros((settings.batch, len(rates)), np.float32))
    return model


def _optimizer(settings: TunedMember, source: BatchSource) -> Any:
    options = {
        "use_ema": settings.ema > 0,
        "ema_momentum": settings.ema ** (1 / settings.accumulate) or 0.99,  # Keras averages after each batch
        "gradient_accumulation_steps": settings.accumulate if settings.accumulate > 1 else None,
    }
    if settings.schedule == "hyperrule":
        rule = schedules.hyperrule(source.shown, settings.batch * settings.accumulate)
        return PacedSGD(Stairs(rule), momentum=0.9, **options)
    total = settings.epochs * -(-source.shown // settings.batch) // settings.accumulate
    warmup = max(1, round(settings.warmup * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, total - warmup), warmup_target=settings.rate, warmup_steps=warmup
    )
    return PacedAdamW(schedule, weight_decay=settings.decay, clipnorm=1.0, **options)


def _loss(settings: TunedMember, groups: Groups) -> Loss:
    return losses.make(settings.loss, groups=groups, positive=settings.positive, smoothing=settings.smoothing)


def _groups(settings: TunedMember, labels: int, groups: Groups) -> Groups:
    """The columns that a softmax joins."""
    return {"sigmoid": (), "grouped": groups, "softmax": (tuple(range(labels)),)}[settings.output]


def _normalised(source: BatchSource) -> BatchSource:
    """Targets that sum to 1 a chip (Mahajan et al. 2018, section 2.2)."""

    def normalise(targets: Targets) -> Targets:
        sums = np.maximum(np.nansum(targets, axis=1, keepdims=True), 1e-3)
        return np.asarray(targets / sums, np.float32)

    unlabelled = None if source.unlabelled_targets is None else normalise(source.unlabelled_targets)
    return replace(source, targets=normalise(source.targets), unlabelled_targets=unlabelled)


def _label_rates(targets: Targets) -> Rates:
    known = (~np.isnan(targets)).sum(axis=0)
    rates: Rates = (np.nansum(targets, axis=0, dtype=np.float64) + 0.5) / (known + 1)
    return rates


def _served(
    model: keras.Model, settings: TunedMember, source: BatchSource, rates: Rates, groups: Groups
) -> keras.Model:
    """The network in float32, its scores in [0, 1]: of a softmax over all labels, times the labels of a mean chip."""
    plain = model
    if keras.mixed_precision.dtype_policy().name != model.dtype_policy.name:
        plain = build_network(settings, source.spec, rates, groups)
        plain.set_weights(model.get_weights())
    absorb_statistics(plain)
    scores = plain.output
    if settings.output == "softmax":
        scores = ops.minimum(scores * float(rates.sum()), 1.0)
    return keras.Model(plain.inputs, scores)  # and without the optimizer, which is twice as large as the weights


def _trunk_layers(model: keras.Model) -> list[keras.Layer]:
    trunks = [layer.network for layer in model.layers if isinstance(layer, Settled)]
    return [inside for trunk in trunks for inside in trunk.layers]


def _placed(model: keras.Model) -> list[tuple[float, keras.Layer]]:
    """The layers that have weights, each with its place in its backbone: 0 the first, 1 the last."""
    placed = []
    for trunk in [layer.network for layer in model.layers if isinstance(layer, Settled)]:
        held = [layer for layer in trunk.layers if layer.weights]
        placed += [(place / max(1, len(held) - 1), layer) for place, layer in enumerate(held)]
    return placed


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _state(model: keras.Model, epochs: int) -> TrainingState:
    values = {f"{position}": np.array(variable) for position, variable in enumerate(_variables(model))}
    return {"epochs": np.array(epochs), **values}


def _restore(model: keras.Model, state: TrainingState) -> None:
    variables = _variables(model)
    if len(state) != len(variables) + 1:
        raise ValueError(f"the state has {len(state) - 1} variables, but the model {len(variables)}; start anew.")
    for position, variable in enumerate(variables):
        variable.assign(state[f"{position}"])
