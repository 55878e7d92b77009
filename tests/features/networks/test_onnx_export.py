"""Test ONNX graphs against the OpenVINO networks that they were made from."""

import keras
import numpy as np
import onnx
import pytest

from ensemble.heads.fitted import LinearHead
from features.images.spec import ChipSpec
from features.networks import backbones, onnx_export, onnx_operations, openvino_export, openvino_runtime
from features.networks.backbones import BackboneOptions
from features.networks.onnx_export import NetworkFile
from features.networks.onnx_operations import OPERATIONS, NotConvertibleError

import openvino  # isort: skip  after openvino_runtime, which disables its telemetry
import openvino.opset13 as ops  # isort: skip

SIDE = 6
CHIPS = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
WEIGHTS = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
FOUR_BANDS = ("blue", "green", "red", "nir")
NO_PADS = ([0, 0], [0, 0])


def first(value):
    """The maps of `value` with the channels first."""
    return ops.transpose(value, [0, 3, 1, 2])


def middle(value):
    """`value` with numbers on both sides of 0."""
    return ops.subtract(ops.multiply(value, np.float32(8)), np.float32(4))


CASES = {  # operation -> what to build on an image (chips, 6, 6, 3) of floats from 0 to 1
    "Add": lambda value: ops.add(value, np.float32([1, 2, 3])),
    "AvgPool": lambda value: ops.avg_pool(first(value), [2, 2], *NO_PADS, [3, 3], True, auto_pad="same_upper"),
    "Broadcast": lambda value: ops.broadcast(ops.reduce_mean(value, [1], True), ops.shape_of(value)),
    "Clamp": lambda value: ops.clamp(middle(value), -1, 2),
    "Concat": lambda value: ops.concat([value, middle(value)], 2),
    "Convert": lambda value: ops.convert(ops.convert(ops.multiply(value, np.float32(9)), "i32"), "f32"),
    "Convolution": lambda value: ops.convolution(first(value), WEIGHTS, [2, 1], [1, 0], [0, 1], [1, 1]),
    "Divide": lambda value: ops.divide(value, np.float32(3)),
    "Erf": lambda value: ops.erf(middle(value)),
    "Exp": ops.exp,
    "Gather": lambda value: ops.gather(value, [2, 0], 3),
    "Gelu": lambda value: ops.gelu(middle(value), "tanh"),
    "GreaterEqual": lambda value: ops.convert(ops.greater_equal(value, np.float32(0.5)), "f32"),
    "GroupConvolution": lambda value: ops.group_convolution(
        first(value), WEIGHTS[:3, None, :1], [2, 2], [0, 0], [0, 0], [1, 1], auto_pad="same_upper"
    ),
    "HSigmoid": lambda value: ops.hsigmoid(middle(value)),
    "HSwish": lambda value: ops.hswish(middle(value)),
    "Log": lambda value: ops.log(ops.add(value, np.float32(1))),
    "MatMul": lambda value: ops.matmul(value, WEIGHTS[:, 0, 0], False, True),
    "MaxPool": lambda value: ops.max_pool(first(value), [1, 1], [1, 1], [1, 0], [0, 1], [2, 2]).output(0),
    "Maximum": lambda value: ops.maximum(value, np.float32(0.5)),
    "Minimum": lambda value: ops.minimum(value, np.float32(0.5)),
    "Multiply": lambda value: ops.multiply(value, value),
    "Pad": lambda value: ops.pad(value, [0, 1, 0, 0], [0, 0, 2, 0], "constant", np.float32(0.5)),
    "Power": lambda value: ops.power(value, np.float32(2)),
    "ReduceMax": lambda value: ops.reduce_max(value, [1, 2], False),
    "ReduceMean": lambda value: ops.reduce_mean(value, [1, 2], False),
    "ReduceMin": lambda value: ops.reduce_min(value, [-1], True),
    "ReduceSum": lambda value: ops.reduce_sum(value, [2], True),
    "Relu": lambda value: ops.relu(middle(value)),
    "Reshape": lambda value: ops.reshape(value, [0, 9, -1], True),
    "Select": lambda value: ops.select(ops.greater_equal(value, np.float32(0.5)), value, middle(value)),
    "ShapeOf": lambda value: ops.reshape(value, ops.gather(ops.shape_of(value), [0, 3, 1, 2], 0), False),
    "Sigmoid": lambda value: ops.sigmoid(middle(value)),
    "Slice": lambda value: ops.slice(value, [5, 0], [0, 2], [-2, 1], [1, 3]),
    "Softmax": lambda value: ops.softmax(middle(value), 1),
    "Split": lambda value: ops.split(value, 1, 3).output(1),
    "Sqrt": ops.sqrt,
    "SquaredDifference": lambda value: ops.squared_difference(value, np.float32(0.5)),
    "Squeeze": lambda value: ops.squeeze(ops.gather(value, [1], 2), [2]),
    "StridedSlice": lambda value: ops.strided_slice(
        value, [9, 5, -1, 1], [9, 0, 9, 9], [1, -2, 1, 1], [1, 0, 0, 0], [1, 1, 0, 1], shrink_axis_mask=[0, 0, 1, 0]
    ),
    "Subtract": lambda value: ops.subtract(value, np.float32(0.5)),
    "Swish": lambda value: ops.swish(middle(value), np.float32(2)),
    "Tanh": lambda value: ops.tanh(middle(value)),
    "TopK": lambda value: ops.topk(value, 2, 1, "min", "value").output(0),
    "Transpose": lambda value: ops.transpose(value, [0, 2, 3, 1]),
    "Unsqueeze": lambda value: ops.unsqueeze(value, [1]),
    "VariadicSplit": lambda value: ops.variadic_split(value, 2, [1, 2, 3]).output(2),
}


def network_of(make, folder) -> NetworkFile:
    """A network of one operation: chips in, one row of scores a chip out."""
    chips = ops.parameter([-1, SIDE, SIDE, 3], np.uint8)
    value = make(ops.multiply(ops.convert(chips, "f32"), np.float32(1 / 255)))
    scores = ops.sigmoid(ops.reshape(value, [0, -1], True))
    openvino_runtime.save(openvino.Model([ops.result(scores)], [chips]), folder / "network.xml")
    return NetworkFile((folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes())


def convert(*networks: NetworkFile, shares=None) -> bytes:
    dims = [openvino_runtime.load(network.xml, network.weights, last=network.last).dim for network in networks]
    shares = np.full((len(networks), dims[0]), 1 / len(networks)) if shares is None else shares
    return onnx_export.build(networks, shares, {"side": "6"})


def test_every_operation_of_the_table_has_a_case():
    assert sorted(CASES) == sorted(OPERATIONS)  # a test that removes one puts it back at the end


@pytest.mark.parametrize("kind", CASES)
def test_an_operation_computes_the_same_in_onnx_runtime(kind, tmp_path):
    network = network_of(CASES[kind], tmp_path)
    assert f'type="{kind}"'.lower() in network.xml.decode().lower()  # the file spells some in another case
    expected = openvino_runtime.load(network.xml, network.weights)(CHIPS)
    content = convert(network)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    np.testing.assert_allclose(onnx_export.run(content, CHIPS), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (ops.cos, "Cos"),
        (lambda value: ops.pad(value, [0, 1, 0, 0], [0, 0, 2, 0], "reflect"), "Pad with pad_mode reflect"),
        (lambda value: ops.max_pool(first(value), [1, 1], [1, 1], *NO_PADS, [2, 2], "ceil").output(0), "MaxPool with"),
        (lambda value: ops.convert(ops.topk(value, 2, 1, "max", "value").output(1), "f32"), "TopK with indices"),
        (
            lambda value: ops.pad(value, ops.convert(ops.shape_of(value), "i64"), [0] * 4, "constant"),
            "computed input 1",
        ),
    ],
)
def test_what_has_no_conversion_is_refused_by_name(make, name, tmp_path):
    with pytest.raises(NotConvertibleError, match=name):
        onnx_export.build([network_of(make, tmp_path)], np.ones((1, 1)), {})


def test_networks_and_layers_are_joined_by_their_shares(toy):
    rng = np.random.default_rng(0)
    heads = [
        LinearHead(*(rng.random(shape).astype(np.float32) + 0.5 for shape in ((16,), (16,), (16, 3), (3,))))
        for _ in range(2)
    ]
    shares = np.array([[0.25, 1, 0], [0.75, 0, 1]])
    chips = rng.integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    content = convert(*(NetworkFile(*toy, head.layer()) for head in heads), shares=shares)
    vectors = openvino_runtime.load(*toy)(chips)
    expected = sum(share * head.scores(vectors) for share, head in zip(shares, heads, strict=True))
    np.testing.assert_allclose(onnx_export.run(content, chips), expected, atol=1e-6)


def test_the_file_takes_any_number_of_integer_chips_and_holds_the_metadata(toy):
    content = convert(NetworkFile(*toy))
    model = onnx.load_from_string(content)
    assert content == convert(NetworkFile(*toy))
    assert (model.ir_version, [entry.version for entry in model.opset_import]) == (9, [onnx_operations.OPSET])
    assert {entry.key: entry.value for entry in model.metadata_props} == {"side": "6"}
    (chips,), (scores,) = model.graph.input, model.graph.output
    assert (chips.name, chips.type.tensor_type.elem_type) == ("chips", onnx.TensorProto.UINT8)
    assert [entry.dim_param or entry.dim_value for entry in chips.type.tensor_type.shape.dim] == ["N", 64, 64, 3]
    assert scores.name == "scores"
    assert onnx_export.run(content, np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 16)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "spec", "options"),
    [
        ("mobilenet_v3_small", ChipSpec(side=64), BackboneOptions()),
        ("efficientnet_v2_b0", ChipSpec(side=64), BackboneOptions()),
        ("convnext_tiny", ChipSpec(side=64), BackboneOptions()),
        ("densenet121", ChipSpec(side=64), BackboneOptions()),
        ("phresnet18", ChipSpec(side=64), BackboneOptions()),
        ("toy", ChipSpec(side=64), BackboneOptions(sees="dehazed")),
        ("toy", ChipSpec(FOUR_BANDS, "uint16", 64), BackboneOptions(sees="streams")),
        ("toy", ChipSpec(FOUR_BANDS, "uint16", 128), BackboneOptions(shrink=2, pool="both")),
    ],
)
def test_backbones_and_inputs_compute_the_same_in_onnx_runtime(name, spec, options, tmp_path):
    keras.utils.set_random_seed(0)
    openvino_export.export(backbones.build(name, spec, options=options), tmp_path)
    files = (tmp_path / "network.xml").read_bytes(), (tmp_path / "network.bin").read_bytes()
    dim = openvino_runtime.load(*files).dim
    head = LinearHead(
        np.zeros(dim, np.float32), np.ones(dim, np.float32), np.eye(dim, 9, dtype=np.float32), np.zeros(9, np.float32)
    )
    chips = np.random.default_rng(0).integers(
        0, 256 if spec.dtype == "uint8" else 9000, (5, spec.side, spec.side, len(spec.bands))
    )
    chips = chips.astype(spec.dtype)
    expected = openvino_runtime.load(*files, last=head.layer())(chips)
    np.testing.assert_allclose(onnx_export.run(convert(NetworkFile(*files, head.layer())), chips), expected, atol=1e-5)
