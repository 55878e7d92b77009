"""Test hypercomplex layers against Kronecker products, Hamilton's product and Keras' own layers."""

import json

import keras
import numpy as np
import openvino
import pytest

from features.networks import openvino_export
from features.networks.hypercomplex import PHConv2D, PHDense, join_components, starting_algebra

MAPS = np.random.default_rng(0).normal(size=(2, 7, 9, 8)).astype(np.float32)


def drawn(layer: keras.Layer, seed: int = 1) -> keras.Layer:
    """A built layer with every weight drawn at random, the bias and the algebra too."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def built(layer: keras.Layer, shape: tuple[int, ...] = MAPS.shape) -> keras.Layer:
    layer.build(shape)
    return layer


def test_the_starting_algebra_of_four_is_hamiltons_product_and_of_two_that_of_complex_numbers():
    product = np.einsum("iab,i,b", starting_algebra(4), [1, 2, 3, 4], [5, 6, 7, 8])
    assert product.tolist() == [-60, 12, 30, 24]
    other = np.einsum("iab,i,b", starting_algebra(2), [1, 2], [3, 4])
    assert complex(*other) == (1 + 2j) * (3 + 4j)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_norm_of_a_product_is_the_product_of_norms(count):  # as holds for no further algebras (Hurwitz 1898)
    left, right = np.random.default_rng(0).normal(size=(2, count))
    product = np.einsum("iab,i,b", starting_algebra(count), left, right)
    assert np.linalg.norm(product) == pytest.approx(np.linalg.norm(left) * np.linalg.norm(right), rel=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 13, 16])
def test_each_weight_starts_as_one_number_of_a_kernel(count):
    algebra = starting_algebra(count)
    np.testing.assert_array_equal(np.abs(algebra).sum(axis=0), 1)
    np.testing.assert_array_equal(algebra[0], np.eye(count))  # the first unit changes nothing


def test_dense_layers_multiply_quaternions():
    layer = built(PHDense(4, components=4, use_bias=False), (None, 4))
    layer.set_weights([np.reshape([1, 2, 3, 4], (4, 1, 1)), layer.algebra])
    np.testing.assert_array_equal(layer(np.array([[5, 6, 7, 8]], np.float32)), [[-60, 12, 30, 24]])


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_weights_are_the_explicit_sum_of_kronecker_products(count):
    rng = np.random.default_rng(0)
    algebra = rng.normal(size=(count, count, count)).astype(np.float32)
    kernel = rng.normal(size=(count, 3, 3, 2, 5)).astype(np.float32)
    joined = np.asarray(join_components(algebra, kernel))
    for row, column in np.ndindex(3, 3):  # the transpose, since a weight matrix is written (outputs, inputs)
        expected = sum(np.kron(algebra[i], kernel[i, row, column].T) for i in range(count)).T
        np.testing.assert_allclose(joined[row, column], expected, atol=1e-6)


@pytest.mark.parametrize(("count", "weights"), [(4, 9_280), (2, 18_440), (1, 36_865)])
def test_a_layer_has_about_a_share_of_one_in_n_of_the_weights(count, weights):
    layer = built(PHConv2D(64, 3, components=count, use_bias=False), (None, 8, 8, 64))
    plain = built(keras.layers.Conv2D(64, 3, use_bias=False), (None, 8, 8, 64))
    assert (layer.count_params(), plain.count_params()) == (weights, 36_864)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2])
def test_one_component_equals_a_convolution_to_the_bit(padding, strides):
    options = {"strides": strides, "padding": padding}
    plain = drawn(built(keras.layers.Conv2D(6, 3, **options)))
    layer = built(PHConv2D(6, 3, components=1, **options))
    kernel, bias = plain.get_weights()
    layer.set_weights([kernel[np.newaxis], np.ones((1, 1, 1)), bias])
    np.testing.assert_array_equal(layer(MAPS), plain(MAPS))


@pytest.mark.parametrize(
    "make",
    [
        lambda: PHConv2D(12, (3, 1), components=4, strides=2, padding="same"),
        lambda: PHConv2D(4, 3, components=2, use_bias=False),
        lambda: PHDense(12, components=4, activation="relu"),
    ],
)
def test_a_plain_layer_computes_the_same_and_the_bias_is_added(make):
    layer = drawn(built(make()))
    outputs = np.asarray(layer(MAPS))
    plain = layer.plain_layer()
    np.testing.assert_allclose(plain(MAPS), outputs, rtol=1e-5, atol=1e-5)
    assert layer.compute_output_shape(MAPS.shape) == outputs.shape
    if layer.use_bias and layer.activation is keras.activations.linear:
        *_, bias = layer.get_weights()
        layer.bias.assign(np.zeros_like(bias))
        np.testing.assert_allclose(outputs - np.asarray(layer(MAPS)), np.broadcast_to(bias, outputs.shape), atol=1e-4)


def test_components_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="first has 3 components and 8 inputs"):
        PHConv2D(9, 3, components=3, name="first").build(MAPS.shape)
    with pytest.raises(ValueError, match="second has 4 components and 10 outputs"):
        PHDense(10, components=4, name="second").build((None, 8))


def test_a_saved_network_is_the_same(tmp_path):
    pixels = keras.Input((7, 9, 8))
    maps = keras.layers.GlobalAveragePooling2D()(PHConv2D(4, 3, components=4)(pixels))
    model = keras.Model(pixels, PHDense(6, components=2)(maps))
    for layer in model.layers:
        if layer.weights:
            drawn(layer)
    model.save(tmp_path / "network.keras")
    read = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(read.predict_on_batch(MAPS), model.predict_on_batch(MAPS))
    assert json.loads(read.to_json())["config"]["layers"] == json.loads(model.to_json())["config"]["layers"]


@pytest.mark.slow
@pytest.mark.backends
def test_an_exported_network_has_joined_kernels_as_constants_and_the_same_outputs(tmp_path):
    pixels = keras.Input((7, 9, 8), name="pixels")
    maps = PHConv2D(12, 3, components=4, name="maps")(pixels)
    model = keras.Model(pixels, PHDense(6, components=3)(keras.layers.GlobalAveragePooling2D()(maps)))
    drawn(model.get_layer("maps"))
    expected = model.predict_on_batch(MAPS)
    openvino_export.export(model, tmp_path)
    graph = openvino.Core().read_model(tmp_path / "network.xml")
    outputs = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(MAPS)[0]
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)

    weighted = [node for node in graph.get_ordered_ops() if node.get_type_name() in ("Convolution", "MatMul")]
    assert [node.get_type_name() for node in weighted] == ["Convolution", "MatMul"]
    assert [node.input_value(1).get_node().get_type_name() for node in weighted] == ["Constant", "Constant"]
    kernel = join_components(model.get_layer("maps").algebra, model.get_layer("maps").kernel)
    np.testing.assert_allclose(
        weighted[0].input_value(1).get_node().data, np.transpose(kernel, (3, 2, 0, 1)), atol=1e-5
    )


@pytest.mark.backends
def test_a_dense_layer_learns_a_rotation_of_quaternions():
    """The rotation of v by a unit quaternion q is q v q*, with the real part of v 0 (Hamilton 1844)."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    turn, algebra = rng.normal(size=4), starting_algebra(4)
    turn /= np.linalg.norm(turn)
    vectors = np.insert(rng.normal(size=(512, 3)), 0, 0, axis=1)
    rotated = np.einsum("iab,jbc,i,nj,c->na", algebra, algebra, turn, vectors, turn * [1, -1, -1, -1])
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=1), np.linalg.norm(vectors, axis=1))  # it is a rotation

    model = keras.Sequential([keras.Input((4,)), PHDense(4, components=4)])
    model.compile(keras.optimizers.Adam(0.02), loss="mse")
    train, test = vectors[:384].astype(np.float32), vectors[384:].astype(np.float32)
    model.fit(train, rotated[:384], batch_size=64, epochs=60, verbose=0)
    assert np.mean((model.predict(test, verbose=0) - rotated[384:]) ** 2) < 1e-4
