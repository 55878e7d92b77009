"""Fine-tuned networks: a backbone with a sigmoid head, every layer trained on labelled chips.

Written on Keras alone, so any of its backends runs it. The learning state after an epoch is a dict of arrays:
handed back to `fit`, training goes on as if it had never stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ensemble import augment, member
from features import backbones, chips

Tags = NDArray[np.bool_]  # (chips, labels)
State = dict[str, NDArray[Any]]  # the epochs done, and every variable of the model and its optimizer


def build(settings: member.Tuned, spec: chips.ChipSpec, rates: NDArray[np.float64]) -> keras.Model:
    """The backbone with a dense sigmoid head whose bias starts at the labels' log odds, so that it starts calibrated.

    Args:
        settings: the member; its `weights` may be a path.
        spec: what its chips are.
        rates: (labels,) the share of training chips that carry each label, in (0, 1).
    """
    trunk = backbones.build(settings.backbone, spec, cut=settings.cut, weights=settings.weights)
    odds = np.log(rates / (1 - rates))
    dropped = layers.Dropout(settings.dropout, seed=0, name="dropout")(trunk.output)  # its seed is part of the state
    head = layers.Dense(
        len(rates),
        activation="sigmoid",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01, seed=0),
        bias_initializer=lambda shape, dtype: keras.ops.convert_to_tensor(odds, dtype),
        name="labels",
    )
    return keras.Model(trunk.input, head(dropped), name=settings.backbone)


def fit(
    model: keras.Model,
    settings: member.Tuned,
    examples: tuple[Sequence[Path], Tags, chips.ChipSpec],
    *,
    seed: int = 0,
    state: State | None = None,
    after_epoch: Callable[[int, float, State], None] = lambda epoch, loss, state: None,
) -> None:
    """Train every layer with AdamW on binary cross-entropy, in place.

    Args:
        model: from `build`.
        settings: its member.
        examples: the training chips' files, their tags, and the spec that they are made to have.
        seed: of the chips' order and their augmentation.
        state: what a former run handed to `after_epoch`, to go on from there.
        after_epoch: told the number of epochs done, the mean loss of the last, and the state to go on from.

    Raises:
        FloatingPointError: as soon as the loss is no number.
    """
    paths, truth, spec = examples
    steps = -(-len(paths) // settings.batch)
    model.compile(_optimizer(settings, steps), loss="binary_crossentropy", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    done = 0 if state is None else _restore(model, state)
    for epoch in range(done, settings.epochs):
        losses = []
        for pixels, tags in _batches(paths, truth, spec, settings.batch, _seed(seed, epoch)):
            loss = float(model.train_on_batch(pixels, tags))
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"the loss of {settings.name} became {loss} in epoch {epoch + 1}; lower its rate ({settings.rate})."
                )
            losses.append(loss)
        after_epoch(epoch + 1, float(np.mean(losses)), _state(model, epoch + 1))


def absorb_statistics(model: keras.Model) -> None:
    """Move each batch norm's fixed mean and variance into its trained scale and offset, in place.

    The network computes what it did, and all that it knows stands in weights that were trained. A batch norm without
    scale or offset is left as it is.
    """
    trunks = [layer.network for layer in model.layers if isinstance(layer, backbones.Settled)]
    for layer in [inside for trunk in trunks for inside in trunk.layers]:
        if isinstance(layer, layers.BatchNormalization) and layer.scale and layer.center:
            gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in layer.get_weights())
            gain = gamma / np.sqrt(variance + layer.epsilon)
            layer.set_weights([gain, beta - gain * mean, 0 * mean, np.full_like(variance, 1 - layer.epsilon)])


def _optimizer(settings: member.Tuned, steps: int) -> keras.optimizers.Optimizer:
    total = steps * settings.epochs
    warmup = max(1, round(settings.warmup * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, total - warmup, warmup_target=settings.rate, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(schedule, weight_decay=settings.decay, clipnorm=1.0)


def _batches(
    paths: Sequence[Path], truth: Tags, spec: chips.ChipSpec, size: int, seed: int
) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """One epoch in an order of its own; the next batch is made while the last is learnt.

    All batches have one size, or the network would be traced twice: the last is filled with the first chips.
    """
    order = np.random.default_rng(seed).permutation(len(paths))
    steps = -(-len(paths) // size)
    parts = np.resize(order, (steps, size))

    def make(step: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
        rows = parts[step]
        shown = augment.augment([chips.load(paths[row], spec) for row in rows], _seed(seed, step))
        return np.stack(shown), truth[rows].astype(np.float32)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0)
        for step in range(steps):
            batch = coming.result()
            if step + 1 < steps:
                coming = pool.submit(make, step + 1)
            yield batch


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _state(model: keras.Model, epochs: int) -> State:
    values = {f"{position}": np.asarray(variable) for position, variable in enumerate(_variables(model))}
    return {"epochs": np.array(epochs), **values}


def _restore(model: keras.Model, state: State) -> int:
    variables = _variables(model)
    if len(state) != len(variables) + 1:
        raise ValueError(f"the state has {len(state) - 1} variables, but the model {len(variables)}; start anew.")
    for position, variable in enumerate(variables):
        variable.assign(state[f"{position}"])
    return int(state["epochs"])
