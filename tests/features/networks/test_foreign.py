"""Backbones of the user's own: equal to where they came from, and what cannot be used refused in one line."""

import re

import keras
import numpy as np
import openvino
import pytest
from keras import layers

from features.images.spec import ChipSpec
from features.networks import foreign, foreign_graph, openvino_export, openvino_runtime
from features.networks.band_lines import band_lines
from tests import own_networks as own

SPEC = ChipSpec(side=own.SIDE)
FOUR = ChipSpec(("blue", "green", "red", "nir"), "uint16", own.SIDE)


def outputs_of(path, spec, chips, folder, **options):
    backbone = foreign.read_backbone(path)
    foreign_graph.export(backbone, spec, folder, **options)
    network = openvino_runtime.load((folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes())
    return network(chips)


def refusal(path, spec=SPEC):
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        foreign_graph.build(foreign.read_backbone(path), spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_onnx_file_gives_the_vectors_that_numpy_computes(tmp_path):
    found = outputs_of(own.write(tmp_path / "own.onnx"), SPEC, own.CHIPS, tmp_path)
    np.testing.assert_allclose(found, own.vectors(own.CHIPS), rtol=1e-4, atol=1e-4)


def test_an_export_for_one_image_gives_the_same_vectors(tmp_path):
    path = own.write(tmp_path / "one.onnx", shape=(1, 3, own.SIDE, own.SIDE))
    np.testing.assert_allclose(outputs_of(path, SPEC, own.CHIPS, tmp_path), own.vectors(own.CHIPS), rtol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter that needs no package besides PyTorch
def test_an_export_from_pytorch_gives_its_vectors(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, and no extra installs it")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ).eval()
    path = tmp_path / "torch.onnx"
    axes = {"image": {0: "n"}}
    example = torch.zeros(1, 3, own.SIDE, own.SIDE)
    torch.onnx.export(network, (example,), path, input_names=["image"], dynamic_axes=axes, dynamo=False)
    path.with_suffix(".toml").write_text(own.TOML.replace(f"width = {own.WIDTH}", "width = 8"))

    scaled = (own.CHIPS / 255 - np.array(own.MEAN)) / np.array(own.STD)
    with torch.no_grad():
        expected = network(torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)).numpy()
    np.testing.assert_allclose(outputs_of(path, SPEC, own.CHIPS, tmp_path), expected, atol=1e-4)


def test_an_export_from_keras_gives_its_vectors(tmp_path):
    image = keras.Input((own.SIDE, own.SIDE, 3))
    maps = layers.Conv2D(8, 3, strides=2, activation="gelu")(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(maps))
    openvino_export.export(model, tmp_path)
    for suffix in (".xml", ".bin"):
        (tmp_path / "network").with_suffix(suffix).rename(tmp_path / f"keras{suffix}")
    toml = own.TOML.replace("nchw", "nhwc").replace(f"width = {own.WIDTH}", "width = 8")
    (tmp_path / "keras.toml").write_text(toml)

    scaled = (own.CHIPS / 255 - np.array(own.MEAN)) / np.array(own.STD)
    found = outputs_of(tmp_path / "keras.xml", SPEC, own.CHIPS, tmp_path)
    np.testing.assert_allclose(found, model.predict_on_batch(scaled.astype(np.float32)), atol=1e-4)


def test_a_network_that_scales_integer_pixels_itself_takes_them_as_they_are(toy, tmp_path):
    (tmp_path / "toy.xml").write_bytes(toy[0])
    (tmp_path / "toy.bin").write_bytes(toy[1])
    (tmp_path / "toy.toml").write_text(
        'side = 64\nbands = ["red", "green", "blue"]\nlayout = "nhwc"\nwidth = 16\nscale = 1\n'
    )
    chips = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    found = outputs_of(tmp_path / "toy.xml", ChipSpec(side=64), chips, tmp_path)
    np.testing.assert_allclose(found, openvino_runtime.load(*toy)(chips), atol=1e-5)


def test_an_openvino_file_of_16_bit_floats_gives_nearly_the_same_vectors(tmp_path):
    graph = openvino.Core().read_model(own.write(tmp_path / "own.onnx"))
    openvino.save_model(graph, tmp_path / "half.xml", compress_to_fp16=True)
    (tmp_path / "half.toml").write_text(own.TOML)
    found = outputs_of(tmp_path / "half.xml", SPEC, own.CHIPS, tmp_path)
    np.testing.assert_allclose(found, own.vectors(own.CHIPS), rtol=5e-3)


def test_bands_come_in_the_order_of_the_toml_file(tmp_path):
    toml = own.TOML.replace('"red", "green", "blue"', '"blue", "red", "green"')
    found = outputs_of(own.write(tmp_path / "own.onnx", toml=toml), SPEC, own.CHIPS, tmp_path)
    np.testing.assert_allclose(found, own.vectors(own.CHIPS[..., [2, 0, 1]]), rtol=1e-4)


def test_bands_of_16_bits_become_grey_levels_as_for_our_own_backbones(tmp_path):
    toml = own.TOML.replace('"red", "green", "blue"', '"nir", "red", "green"')
    chips = np.random.default_rng(0).integers(0, 20000, (3, own.SIDE, own.SIDE, 4), dtype=np.uint16)
    gains, offsets = (np.array(values) for values in band_lines(FOUR.bands))
    levels = np.clip(chips * gains + offsets, 0, 255)[..., [3, 2, 1]]
    found = outputs_of(own.write(tmp_path / "own.onnx", toml=toml), FOUR, chips, tmp_path)
    np.testing.assert_allclose(found, own.vectors(levels), rtol=1e-4)


def test_larger_chips_are_shrunk_by_averaging(tmp_path):
    chips = np.repeat(np.repeat(own.CHIPS, 2, axis=1), 2, axis=2)
    path = own.write(tmp_path / "own.onnx")
    found = outputs_of(path, ChipSpec(side=2 * own.SIDE), chips, tmp_path, shrink=2)
    np.testing.assert_allclose(found, own.vectors(own.CHIPS), rtol=1e-4)


@pytest.mark.parametrize(
    ("output", "keys", "expected"),
    [
        ("map", 'pool = "average"', lambda maps: maps.mean(axis=(2, 3))),
        ("map", 'pool = ["max", "average"]', lambda maps: np.hstack([maps.max(axis=(2, 3)), maps.mean(axis=(2, 3))])),
        ("tokens", 'pool = "max"', lambda maps: maps.max(axis=(2, 3))),
        (
            "tokens",
            'pool = ["class", "average"]\nprefix_tokens = 2',
            lambda maps: np.hstack([maps[:, :, 0, 0], maps.reshape(*maps.shape[:2], -1)[:, :, 2:].mean(axis=2)]),
        ),
    ],
)
def test_maps_and_tokens_are_pooled(output, keys, expected, tmp_path):
    width = own.WIDTH * (1 + ("," in keys))
    toml = own.TOML.replace(f"width = {own.WIDTH}", f"width = {width}") + f'output = "{output}"\n{keys}\n'
    path = own.write(tmp_path / "own.onnx", toml=toml, outputs="vectors,map,tokens")
    found = outputs_of(path, SPEC, own.CHIPS, tmp_path)
    np.testing.assert_allclose(found, expected(own.maps(own.CHIPS)), rtol=1e-4, atol=1e-5)


def test_weights_in_a_file_of_their_own_are_read_and_are_part_of_the_hash(tmp_path):
    path = own.write(tmp_path / "own.onnx")
    own.save_with_external_weights(path, "own.onnx.data")
    np.testing.assert_allclose(outputs_of(path, SPEC, own.CHIPS, tmp_path), own.vectors(own.CHIPS), rtol=1e-4)
    before = foreign.read_backbone(path)
    content = bytearray((tmp_path / "own.onnx.data").read_bytes())
    content[0] ^= 1
    (tmp_path / "own.onnx.data").write_bytes(content)
    assert foreign.read_backbone(path).sha256 != before.sha256
    (tmp_path / "own.onnx.data").unlink()
    assert "keeps its weights in own.onnx.data, which is missing" in refusal(path)


def test_weights_outside_of_the_networks_folder_are_refused(tmp_path):
    (tmp_path / "inner").mkdir()
    path = own.write(tmp_path / "inner" / "own.onnx")
    own.save_with_external_weights(path, "near.data")
    path.write_bytes(path.read_bytes().replace(b"near.data", b"../a.data"))
    assert "keeps weights in ../a.data, outside of its folder" in refusal(path)


def test_the_fingerprint_changes_with_the_settings_but_not_with_the_licence_note(tmp_path):
    path = own.write(tmp_path / "own.onnx")
    first = foreign.read_backbone(path)
    path.with_suffix(".toml").write_text(own.TOML + 'licence = "mine"\n')
    assert foreign.read_backbone(path).fingerprint == first.fingerprint
    path.with_suffix(".toml").write_text(own.TOML.replace("0.4", "0.41"))
    assert foreign.read_backbone(path).fingerprint != first.fingerprint
    assert foreign.read_backbone(path).sha256 == first.sha256


def test_without_a_toml_file_the_message_has_one_that_is_filled_in(tmp_path):
    path = own.write(tmp_path / "own.onnx", toml=None)
    text = refusal(path)
    assert "has no own.toml beside it" in text
    lines = text.split("does not state: ")[1].split(" | ")
    assert lines[:3] == ["side = 32", 'bands = ["red", "green", "blue"]', 'layout = "nchw"']
    path.with_suffix(".toml").write_text("\n".join(line.replace("?", str(own.WIDTH)) for line in lines))
    assert foreign.read_backbone(path).settings.width == own.WIDTH  # an ONNX file may leave its output's shape open


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('layout = "nchw"', 'layout = "nhwc"', 'are 32 bands, but its TOML file names 3; write layout = "nchw"'),
        ('layout = "nchw"', 'layout = "hwc"', "layout is 'hwc', but must be nchw or nhwc"),
        ("width = 6", "width = 7", "vectors of shape [4,6] for 4 chips, but its TOML file says width 7"),
        ("width = 6\n", "", "width missing; add it"),
        ("width = 6", "widths = 6", "there is no key widths; use side, bands"),
        ("side = 32", 'side = "32"', "side is '32', but must be a whole number"),
        ("side = 32", "side = 16", "takes images of side 16, but the chips have side 32"),
        ('"green"', '"vv"', "must be of red, green, blue, nir"),
        ('"green"', '"nir"', "takes the bands red, nir, blue, but the chips have red, green, blue; add nir"),
        (', "blue"]', ', "blue", "blue"]', "mean is [0.4, 0.5, 0.3], but must be one number for each of 4 bands"),
        ("[0.2, 0.25, 0.5]", "[0.2, 0.0, 0.5]", "std is [0.2, 0.0, 0.5], but must be positive"),
        ("scale = ", "scale = -", "must be a positive number"),
        ("width = 6", 'width = 6\npool = "average"', "which are vectors already; remove pool"),
        ("width = 6", 'width = 6\npool = "mean"', "one or several of class, average, max"),
        ("width = 6", 'width = 6\noutput = "maps"', "has no output named maps; its outputs are vectors"),
        ("side = 32", "side = ", "own.toml: Invalid value"),
    ],
)
def test_a_toml_file_that_does_not_fit_is_refused_by_its_key(old, new, message, tmp_path):
    assert message in refusal(own.write(tmp_path / "own.onnx", toml=own.TOML.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": "vectors,map"}, 'has 2 outputs (vectors, map); name one in its TOML file: output = "vectors"'),
        ({"outputs": "map"}, 'which are feature maps; write pool = "average", "max" or both'),
        ({"outputs": "tokens"}, 'which are tokens; write pool = "average"'),
        ({"shape": None}, "states no shape of its input"),
        ({"shape": ("n", 3, 16, 16)}, "takes images of shape [?,3,16,16], but its TOML file says side 32"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_what_it_has(options, message, tmp_path):
    assert message in refusal(own.write(tmp_path / "own.onnx", **options))


def test_another_number_of_bands_is_refused(tmp_path):
    toml = "".join(line for line in own.TOML.splitlines(keepends=True) if line[:3] not in ("mea", "std"))
    path = own.write(tmp_path / "own.onnx", toml=toml.replace(', "blue"', ""))
    assert "with layout nchw are 3 bands, but its TOML file names 2; write the bands that it takes" in refusal(path)


def test_an_input_that_is_no_image_is_refused(tmp_path):
    ops = openvino.opset13
    words = ops.parameter([-1, 16], np.int64)
    openvino.save_model(openvino.Model([ops.result(ops.convert(words, "f32"))], [words]), tmp_path / "words.xml")
    (tmp_path / "words.toml").write_text(own.TOML)
    assert "takes i64 of shape [?,16], which is no batch of images" in refusal(tmp_path / "words.xml")


def test_an_export_whose_shapes_are_fixed_to_one_image_is_refused(tmp_path):
    ops = openvino.opset13
    image = ops.parameter([1, 3, own.SIDE, own.SIDE], np.float32)
    flat = ops.reshape(image, np.array([1, -1]), False)
    openvino.save_model(openvino.Model([ops.result(flat)], [image]), tmp_path / "fixed.xml")
    (tmp_path / "fixed.toml").write_text(own.TOML)
    assert "export it with a batch of any size" in refusal(tmp_path / "fixed.xml")


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_a_file_of_another_kind_is_refused_and_nothing_else_is_printed(suffix, tmp_path, capfd):
    path = tmp_path / f"own{suffix}"
    assert "is not a file" in refusal(path)
    path.write_text("hello")
    path.with_suffix(".toml").write_text(own.TOML)
    if suffix == ".xml":
        assert "keeps its weights in own.bin, which is missing" in refusal(path)
        path.with_suffix(".bin").touch()
    assert re.search("is no (ONNX file|OpenVINO network)", refusal(path))
    assert capfd.readouterr().err == ""
