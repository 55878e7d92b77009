import numpy as np
import pytest

from ensemble.compression.channels import find_groups, kept_width, without_dead_channels
from ensemble.compression.prune import PruningData, choose_weights, hold_masks
from features.networks import network_costs, openvino_export
from tests.ensemble.compression.small_networks import chips, inverted_residual, sums_alone, with_head

SEEDED = PruningData(0, None, None, None)


def names(layers):
    return [layer.name for layer in layers]


def test_a_group_is_what_only_convolutions_write_and_read():
    groups = {group.width: group for group in find_groups(inverted_residual())}
    assert set(groups) == {32, 4}  # neither the stem nor the projection, which the sum reads, nor the top
    assert names(groups[32].writers) == ["expand", "gate"]
    assert names(groups[32].filters) == ["dw"]
    assert names(groups[32].readers) == ["narrow", "project"]
    assert not find_groups(sums_alone())


@pytest.mark.parametrize("strategy", ["channels", "random-channels"])
def test_the_smaller_network_computes_the_same_scores_with_as_many_parameters_as_are_left(strategy):
    model = with_head(inverted_residual())
    pruning = choose_weights(model, strategy, 1.5, SEEDED)
    hold_masks(model, pruning.masks)
    smaller = without_dead_channels(model)

    assert pruning.total / smaller.count_params() >= 1.5
    assert smaller.count_params() == pruning.left < model.count_params() == pruning.total
    before, after = (np.asarray(network(chips())) for network in (model, smaller))
    assert np.ptp(before) > 0.1
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_channels_of_the_smallest_filters_go_first():
    model = with_head(inverted_residual())
    (group,) = [group for group in find_groups(model.get_layer("settled_0").network) if group.width == 32]
    weak = np.arange(32) % 2 == 0
    for layer, axis in ((group.writers[0], 3), (group.writers[1], 3), (group.filters[0], 2)):
        kernel = np.array(layer.kernel)
        np.moveaxis(kernel, axis, 0)[weak] *= 0.01
        layer.kernel.assign(kernel)
    pruning = choose_weights(model, "channels", 1.6, SEEDED)
    hold_masks(model, pruning.masks)
    assert set(np.flatnonzero(group.dead())) <= set(np.flatnonzero(weak))
    assert group.dead().sum() == 16


def test_a_network_without_dead_channels_is_returned_as_it_is():
    model = with_head(inverted_residual())
    assert without_dead_channels(model) is model


def test_an_architecture_without_channels_to_remove_and_a_ratio_out_of_reach_are_refused():
    with pytest.raises(ValueError, match="sums has no channels inside its blocks"):
        choose_weights(with_head(sums_alone()), "channels", 2, SEEDED)
    with pytest.raises(ValueError, match="cannot be reached by removing channels"):
        choose_weights(with_head(inverted_residual()), "channels", 50, SEEDED)


@pytest.mark.parametrize(
    ("width", "share", "kept"), [(144, 0.5, 72), (144, 0.01, 8), (144, 1, 144), (5, 0.5, 2), (5, 0, 1)]
)
def test_widths_are_multiples_of_eight(width, share, kept):
    assert kept_width(width, share) == kept


def test_fewer_channels_are_fewer_multiply_adds_of_the_exported_network(tmp_path):
    model = with_head(inverted_residual())
    hold_masks(model, choose_weights(model, "channels", 1.5, SEEDED).masks)
    counts = []
    for network in (model, without_dead_channels(model)):
        openvino_export.export(network, tmp_path)
        files = tuple((tmp_path / f"network.{suffix}").read_bytes() for suffix in ("xml", "bin"))
        counts.append((network_costs.multiply_adds(files), network_costs.multiply_adds(files, of_zeros=False)))
    (dense, sparse), (smaller, least) = counts
    assert smaller < dense
    assert sparse == least == smaller
