"""The call behind `amazon_tags inspect signal`: at which layer the signal of a network vanishes or explodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.inspection.layered_model import LayeredModel, ModelOptions, read_models
from amazon_tags.inspection.minibatches import BatchOptions, draw_minibatch
from features.images.listing import Listing
from features.initialisation.start import Start, refuse_unknown_start

if TYPE_CHECKING:
    from features.initialisation.autoinit import Moments
    from features.initialisation.signal import LayerSignal

VANISHED, EXPLODED = 1e-4, 1e4  # a layer's mean square, as a multiple of the input's: gradients go with it
HOLDS = 2.0  # the prediction of a mean square: at most this factor away from what is measured
COLUMNS = ("layer", "predicted mean", "predicted variance", "measured mean", "measured variance", "ratio", "of input")
NOTES = (
    "predicted: from the weights alone, for independent inputs, from the moments of the network's input on (AutoInit, "
    "Bingham and Miikkulainen 2023); measured: over all places, channels and chips",
    "ratio: the measured mean square to the predicted one; of input: the measured mean square to the input's",
    f"a signal vanishes below {VANISHED:g} times the input's mean square or 1, whichever is less, and explodes above "
    f"{EXPLODED:g} times what is more",
)


@dataclass(frozen=True)
class MeasuredNetwork:
    """The signal of a network.

    Attributes:
        name: as the user wrote it.
        start: what its weights are.
        images: the moments of its input.
        layers: its layers, in order.
    """

    name: str
    start: str
    images: "Moments"
    layers: Sequence["LayerSignal"]


def inspect_signal(chips: Path, name: str, start: Start, options: ModelOptions, batches: BatchOptions) -> Findings:
    """Compare mean and variance of each layer's output, as predicted from the weights, with those on chips.

    Args:
        chips: a folder or archive of chips; they need no tags.
        name: a model, as `read_models` takes it.
        start: what is redrawn of a backbone's weights before.
        options: of the model.
        batches: how many chips are drawn.

    Raises:
        BundleError: a bundle is damaged.
        FileNotFoundError: a file is missing.
        ValueError: the model, its start or a chip cannot be used, or there are fewer than four chips.
    """
    _refuse_start(start, options)
    (model,) = read_models((name,), replace(options, otherwise="imagenet" if start.takes_weights() else "none"))
    if model.is_member() and start.name != "imagenet":
        raise ValueError(f"{name} has trained weights, which --init {start.name} would redraw; leave it out.")
    minibatch = draw_minibatch(chips, model.spec, batches)
    measured, notes = _measure(model, start, minibatch)
    return signal_findings(measured, (*NOTES, f"measured on a random minibatch of {len(minibatch)} chips", *notes))


def _refuse_start(start: Start, options: ModelOptions) -> None:
    """Raise ValueError for a start that does not exist, cannot be measured, or makes weights useless."""
    refuse_unknown_start(start.name)
    if start.name == "grad":
        raise ValueError(
            "the start grad is scaled on the tags of training chips, which this does not read; inspect random, which "
            "it draws first, or auto."
        )
    if options.weights and not start.takes_weights():
        raise ValueError(
            f"--init {start.name} redraws all weights, so that --weights has no effect; leave one of them out."
        )


def signal_findings(measured: MeasuredNetwork, notes: tuple[str, ...] = ()) -> Findings:
    """Return the signals as a table and a chart, with what to do."""
    title = f"Signal of {measured.name}, start {measured.start}, layer by layer"
    scale = measured.images.second()
    rows: list[tuple[Cell, ...]] = [("(input)", *_pair(measured.images), *_pair(measured.images), 1.0, 1.0)]
    rows += [
        (one.layer, *_pair(one.predicted), *_pair(one.measured), one.ratio(), _share(one, scale))
        for one in measured.layers
    ]
    rows = [tuple(float("nan") if cell in (inf, -inf) else cell for cell in row) for row in rows]
    unknown = next((one.layer for one in measured.layers if isnan(one.predicted.second())), None)
    if unknown:
        notes = (
            *notes,
            f"without a prediction from {unknown} on: there is no rule for it, or the numbers are too large",
        )
    return Findings(title, COLUMNS, rows, notes, _advice(measured), _picture(title, measured))


def _pair(moments: "Moments") -> tuple[float, float]:
    return moments.mean, moments.variance


def _share(one: "LayerSignal", scale: float) -> float:
    return one.measured.second() / scale if scale else float("nan")


def _measure(model: LayeredModel, start: Start, minibatch: Listing) -> tuple[MeasuredNetwork, tuple[str, ...]]:
    from amazon_tags.inspection.trunk import build_trunk  # noqa: PLC0415  here and below: it imports Keras
    from features.initialisation.signal import layer_signals, moments_of  # noqa: PLC0415

    trunk, notes = build_trunk(model, start)
    images = trunk.images(minibatch, model)
    signals = layer_signals(trunk.settled.network, images, live=trunk.settled.live)
    if trunk.settled.live:
        notes = (*notes, "norms take the statistics of these chips, as in training")
    return MeasuredNetwork(model.name, start.name, moments_of(images), signals), notes


def _limits(measured: MeasuredNetwork) -> list[str]:
    """Return for each layer whether its signal `vanishes` or `explodes`, or an empty text."""
    scale = measured.images.second()
    values = [one.measured.second() for one in measured.layers]
    return [
        "explodes" if not value <= EXPLODED * max(scale, 1) else "vanishes" if value < VANISHED * min(scale, 1) else ""
        for value in values
    ]


def _advice(measured: MeasuredNetwork) -> str:
    return f"{_advice_on_signal(measured)} {_advice_on_prediction(measured.layers)}"


def _advice_on_signal(measured: MeasuredNetwork) -> str:
    layers, limits, scale = measured.layers, _limits(measured), measured.images.second()
    faulty = next((place for place, limit in enumerate(limits) if limit), None)
    if faulty is None:
        shares = [_share(one, scale) for one in layers]
        return (
            f"The signal of {measured.name} neither vanishes nor explodes: its mean square is {min(shares):.3g} to "
            f"{max(shares):.3g} times the input's."
        )
    share = _share(layers[faulty], scale)
    size = f"{share:.3g} times the input's" if isfinite(share) else "no finite number"
    back = next((one.layer for one, limit in zip(layers[faulty:], limits[faulty:], strict=True) if not limit), None)
    rest = f"it is within the limits again at {back}" if back else "no later layer brings it back"
    remedy = (
        "check that the weights are this backbone's, and that the chips' levels are read right"
        if measured.start == "imagenet"
        else "start from auto or imagenet instead"
    )
    if back:
        remedy = f"layers between them learn slowly, or not at all; {remedy}"
    return (
        f"The signal of {measured.name} {limits[faulty]} at {layers[faulty].layer}, where its mean square is {size}; "
        f"{rest}: {remedy}."
    )


def _advice_on_prediction(layers: Sequence["LayerSignal"]) -> str:
    held = [1 / HOLDS <= one.ratio() <= HOLDS for one in layers]
    count = len(held) if all(held) else held.index(False)
    reach = "at every layer" if count == len(held) else f"up to {layers[count - 1].layer}" if count else "at no layer"
    return f"The prediction holds {reach}, within a factor of {HOLDS:g}."


def _picture(title: str, measured: MeasuredNetwork) -> str:
    """Return the mean squares by layer; what has none, or is 0, is left out."""
    series = []
    for name in ("predicted", "measured"):
        found = [(one.layer, getattr(one, name).second()) for one in measured.layers]
        points = [
            ChartPoint(place, value, name=layer)
            for place, (layer, value) in enumerate([("(input)", measured.images.second()), *found])
            if 0 < value < inf
        ]
        series.append(ChartSeries(name, points))
    return line_chart(ChartTitles(title, "layer", "mean square", log_y=True), series)
