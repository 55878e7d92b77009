from dataclasses import replace

import numpy as np
import pytest
from keras import losses

from ensemble.compression.prune import PruningData, choose_weights, hold_masks, kernel_places
from ensemble.metrics import score
from ensemble.networks.settings import TunedMember
from ensemble.networks.train import fine_tune_network, fit_network
from features.networks import network_costs, openvino_export
from tests.ensemble.compression.small_networks import SIDE, chips, inverted_residual, with_head
from tests.ensemble.networks.conftest import source  # noqa: F401  a fixture
from tests.ensemble.networks.toy_member import SETTINGS, pixels_of, untrained_network

STRATEGIES = ("global-magnitude", "layer-magnitude", "global-gradient", "random")


@pytest.fixture(scope="module")
def large():
    """A network with so many weights that one of them is far below a thousandth."""
    return untrained_network(TunedMember("net", "cbr_tiny", weights="none"))


def data(seed=0):
    targets = np.random.default_rng(2).random((6, 3)).astype(np.float32)
    return PruningData(seed, losses.binary_crossentropy, chips(), targets)


@pytest.mark.parametrize("ratio", [2, 4, 8])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_ratio_is_reached_within_a_thousandth_and_only_kernels_are_pruned(large, strategy, ratio):
    model = large
    pruning = choose_weights(model, strategy, ratio, PruningData(0, losses.binary_crossentropy, pixels(), targets()))
    nonzero = sum(int(mask.sum()) for mask in pruning.masks.values())
    others = sum(int(np.prod(w.shape)) for place, w in enumerate(model.weights) if place not in pruning.masks)
    assert model.count_params() / (nonzero + others) == pytest.approx(ratio, rel=1e-3)
    assert pruning.compression == pytest.approx(ratio, rel=1e-3)
    assert {model.weights[place].path.split("/")[-1] for place in pruning.masks} == {"kernel"}
    assert not any("labels" in model.weights[place].path for place in pruning.masks)


def pixels():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


def targets():
    return np.random.default_rng(1).random((4, 3)).astype(np.float32)


def test_ratio_one_and_no_pruning_keep_every_weight():
    model = with_head(inverted_residual())
    for strategy, ratio in (("global-magnitude", 1), ("channels", 1), ("unpruned", 8)):
        assert not choose_weights(model, strategy, ratio, data()).masks


def test_magnitude_keeps_the_largest_weights():
    model = with_head(inverted_residual())
    masks = choose_weights(model, "global-magnitude", 2, data()).masks
    values = {place: np.abs(np.asarray(model.weights[place])) for place in masks}
    assert min(values[place][mask].min() for place, mask in masks.items()) >= max(
        values[place][~mask].max() for place, mask in masks.items()
    )


def test_gradients_are_those_of_finite_differences():
    model = with_head(inverted_residual())
    batch = data()
    place = kernel_places(model)[-1]
    variable = model.weights[place]
    masks = choose_weights(model, "global-gradient", 1.5, batch).masks
    start = np.asarray(variable)

    def loss(value):
        variable.assign(value)
        return float(np.mean(losses.binary_crossentropy(batch.targets, model(chips()))))

    slopes = np.zeros(start.shape)
    for index in np.ndindex(start.shape):
        step = np.zeros(start.shape, np.float32)
        step[index] = 1e-2
        slopes[index] = (loss(start + step) - loss(start - step)) / 2e-2
    merit = np.abs(start * slopes)
    kept, pruned = merit[masks[place]], merit[~masks[place]]
    assert kept.min() > 0.9 * pruned.max()  # the order of the products, but for the error of differences


def test_random_masks_depend_on_the_seed_alone():
    model = with_head(inverted_residual())
    one, again, other = (choose_weights(model, "random", 2, data(seed)).masks for seed in (0, 0, 1))
    assert all((one[place] == again[place]).all() for place in one)
    assert any((one[place] != other[place]).any() for place in one)


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, ema=0.9, accumulate=2, decay=0.5)])
def test_zeros_survive_fine_tuning_and_other_weights_move(source, settings):  # noqa: F811
    model = untrained_network()
    pruning = choose_weights(model, "global-magnitude", 4, PruningData(0, None, None, None))
    start = model.get_weights()

    def prepare(network):
        network.set_weights(start)
        hold_masks(network, pruning.masks)

    trained = fine_tune_network(replace(settings, epochs=2), source, seed=1, prepare=prepare)
    for place, mask in pruning.masks.items():
        values = np.asarray(trained.weights[place])
        assert not values[~mask].any()
        assert (values[mask] != start[place][mask]).mean() > 0.9


def test_multiply_adds_without_zeros_are_those_of_a_count_by_hand(tmp_path):
    model = with_head(inverted_residual())
    hold_masks(model, choose_weights(model, "global-magnitude", 3, data()).masks)
    openvino_export.export(model, tmp_path)
    files = tuple((tmp_path / f"network.{suffix}").read_bytes() for suffix in ("xml", "bin"))

    places = {"stem": 16, "expand": 16, "dw": None, "narrow": 1, "gate": 1, "project": 16, "top": 16}
    network = model.get_layer("settled_0").network
    by_hand = dense = 3 * 16  # of the head
    for name, positions in places.items():
        kernel = np.asarray(network.get_layer(name).kernel)
        by_hand += (positions or (SIDE // 2) ** 2) * sum(1 for weight in kernel.ravel() if weight)
        dense += (positions or (SIDE // 2) ** 2) * kernel.size
    assert network_costs.multiply_adds(files) == dense
    assert network_costs.multiply_adds(files, of_zeros=False) == by_hand


@pytest.mark.slow
def test_magnitude_beats_random_at_ratio_eight_in_five_of_five_seeds(source):  # noqa: F811
    held_out = np.arange(len(source.paths)) % 4 == 0
    train = replace(
        source,
        paths=[path for path, is_out in zip(source.paths, held_out, strict=True) if not is_out],
        targets=source.targets[~held_out],
    )
    truth = source.targets[held_out].astype(bool)
    chips_out = pixels_of(source)[held_out]
    for seed in range(5):
        whole = fit_network(replace(SETTINGS, epochs=12), train, seed=seed)
        start, found = whole.get_weights(), {}
        for strategy in ("global-magnitude", "random"):
            pruning = choose_weights(whole, strategy, 8, PruningData(seed, None, None, None))

            def prepare(network, pruning=pruning, start=start):
                network.set_weights(start)
                hold_masks(network, pruning.masks)

            tuned = fine_tune_network(replace(SETTINGS, epochs=2, rate=1e-3), train, seed=seed, prepare=prepare)
            found[strategy] = score.log_loss(truth, tuned.predict(chips_out, verbose=0))
        assert found["global-magnitude"] < found["random"], seed
