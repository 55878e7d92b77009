import re

import numpy as np
import openvino
import pytest

from amazon_tags.model import bundle
from features.networks import openvino_runtime
from features.networks.feature_maps import NoFeatureMapError, load_maps
from features.networks.openvino_runtime import OutputLayer
from tests import planted_network


def graph_logits(xml, weights, chips):
    """The input of the activations, as OpenVINO computes it: the one sum whose shape is (chips, labels)."""
    graph = openvino.Core().read_model(xml, weights)
    (logits,) = (node for node in graph.get_ordered_ops() if is_sum_of_labels(node))
    part = openvino.Model([logits.output(0)], graph.get_parameters())
    compiled = openvino.Core().compile_model(part, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([chips])[0]


def is_sum_of_labels(node):
    return node.get_type_name() == "Add" and len(node.get_output_partial_shape(0)) == 2


@pytest.mark.parametrize("member", ["00-student_v3", "01-student_v2"])
def test_the_means_of_the_bundled_models_maps_plus_the_bias_are_its_logits(member):
    folder = bundle.DEFAULT / "members" / member
    files = (folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes()
    chips, _ = bundle.parse_golden((bundle.DEFAULT / "golden.npz").read_bytes(), "f32")
    network = load_maps(*files)
    maps = network.maps(chips)
    assert maps.shape[2:] == (8, 8)
    logits = network.class_maps(maps).mean(axis=(2, 3)) + network.bias
    np.testing.assert_allclose(logits, graph_logits(*files, chips), atol=1e-4)
    rows = network.network(chips)
    np.testing.assert_allclose(network.vectors(rows) @ network.weights + network.bias, logits, atol=1e-4)


def test_maps_lie_where_a_planted_tag_stands(tmp_path):
    network = load_maps(*planted_network.network(tmp_path))
    assert network.shape == (1, 16, 16)
    for_first, for_second = network.class_maps(network.maps(planted_network.chip()[np.newaxis]))[0]
    assert planted_network.share_in_its_quarter(for_first) == 1
    assert for_first[2, 10] == pytest.approx(0.5 * 160)  # red less green, by the weight
    assert for_second.max() == 0
    assert for_second.mean() == pytest.approx(-0.5 * 160 / 16)


def test_a_linear_head_beside_a_network_has_maps_too(tmp_path):
    files = planted_network.network(tmp_path, "vectors")
    last = OutputLayer(np.float32([8]), np.float32([4]), np.float32([[2, -1]]), np.float32([0.5, 0.125]))
    chips = planted_network.chip()[np.newaxis]
    network = load_maps(*files, last=last)
    logits = network.class_maps(network.maps(chips)).mean(axis=(2, 3)) + network.bias
    assert logits[0] == pytest.approx([2 * (10 - 8) / 4 + 0.5, -(10 - 8) / 4 + 0.125])
    scores = openvino_runtime.load(*files, last=last)(chips)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), scores, atol=1e-6)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("bounded", "its logits come from Multiply, not from a linear layer"),
        ("vectors", "its scores come from ReduceMean, not from a linear layer"),
    ],
)
def test_a_head_that_is_not_linear_is_named(tmp_path, end, reason):
    with pytest.raises(NoFeatureMapError, match=re.escape(reason)):
        load_maps(*planted_network.network(tmp_path, end))


def test_vectors_of_another_pooling_are_named(tmp_path):
    last = OutputLayer(*(np.ones(1, np.float32),) * 2, np.ones((1, 2), np.float32), np.zeros(2, np.float32))
    with pytest.raises(NoFeatureMapError, match="come from ReduceMax, not from global average pooling"):
        load_maps(*planted_network.network(tmp_path, "max"), last=last)
