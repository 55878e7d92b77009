"""KerasHub presets as backbones: equal to KerasHub itself, converted once, and nothing downloaded unless asked."""

import json
import shutil

import numpy as np
import pytest

from amazon_tags.model import bundle
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.training import hub_presets, preparation
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import read_bank
from features.images import chips, listing
from features.images.spec import ChipSpec

SIDE = 32
SCALE, OFFSET = (1 / 50, 1 / 60, 1 / 70), (-1.0, -2.0, -0.5)
CONFIG = {"registered_name": "keras_hub>ViTBackbone"}
RECIPE = """
folds = 2
side = 32
[[members]]
kind = "frozen"
name = "vit"
backbone = "hub:ViT"
head = "ridge"
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a preset."""
    home = tmp_path / "preset"
    home.mkdir()
    (home / "config.json").write_text(json.dumps(CONFIG))
    (home / "image_converter.json").write_text("{}")
    return home


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub", reason="KerasHub is not installed; it is the extra `hub`")


def make_vit(hub):
    return hub.models.ViTBackbone((SIDE, SIDE, 3), 8, 2, 2, 16, 32)


def make_dinov3(hub):
    return hub.models.DINOV3Backbone(8, 2, 16, 2, 32, image_shape=(SIDE, SIDE, 3))


def make_siglip(hub):
    from keras_hub.src.models.siglip import siglip_text_encoder, siglip_vision_encoder  # noqa: PLC0415  are not public

    vision = siglip_vision_encoder.SigLIPVisionEncoder(8, 16, 2, 2, 32, image_shape=(SIDE, SIDE, 3))
    text = siglip_text_encoder.SigLIPTextEncoder(20, 16, 16, 2, 2, 32, max_sequence_length=8)
    return hub.models.SigLIPBackbone(vision, text)


def make_swin(hub):
    return hub.models.SwinTransformerBackbone((SIDE, SIDE, 3), 8, (2, 2), (2, 2), 4, patch_size=2)


def make_resnet(hub):
    return hub.models.ResNetBackbone([64], [7], [64, 64], [1, 1], [1, 2], "basic_block", image_shape=(None, None, 3))


MAKERS = {
    "ViT": make_vit,
    "DINOV3": make_dinov3,
    "SigLIP": make_siglip,
    "SwinTransformer": make_swin,
    "ResNet": make_resnet,
}
PREFIX_TOKENS = {"ViT": 1, "DINOV3": 5, "SwinTransformer": 0}


def save_preset(hub, kind, home):
    """Write a tiny random preset; return what KerasHub itself computes for chips, as vectors, maps or tokens."""
    backbone = MAKERS[kind](hub)
    converter = getattr(hub.layers, f"{kind}ImageConverter")(image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET)
    backbone.save_to_preset(str(home))
    converter.save_to_preset(str(home))
    network = getattr(backbone, "vision_encoder", backbone)

    def compute(pixels):
        images = np.asarray(converter(pixels.astype(np.float32)))
        named = isinstance(network.input, dict)
        return np.asarray(network({next(iter(network.input)): images} if named else images))

    return compute


def pooled(outputs, prefix):
    if outputs.ndim == 2:
        return outputs
    if outputs.ndim == 4:
        return outputs.mean(axis=(1, 2))
    patches = outputs[:, prefix:].mean(axis=1)
    return np.hstack([outputs[:, 0], patches]) if prefix else patches


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of KerasHub's own imports
@pytest.mark.parametrize("kind", list(MAKERS))
def test_a_preset_gives_the_vectors_that_kerashub_computes(hub, kind, world, tmp_path):
    compute = save_preset(hub, kind, tmp_path / kind)
    embed([world.test_jpg], tmp_path / "bank", FeatureExtractor(f"hub:{tmp_path / kind}"))
    spec = ChipSpec(side=SIDE)
    pixels = np.stack([chips.load(path, spec) for path in listing.chips([world.test_jpg])])
    expected = pooled(compute(pixels), PREFIX_TOKENS.get(kind, 0))
    np.testing.assert_allclose(read_bank(tmp_path / "bank").vectors, expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_preset_is_a_member_whose_bundle_predicts_without_it(hub, world, run, tmp_path):
    save_preset(hub, "ViT", tmp_path / "ViT")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    target = tmp_path / "model"
    done = run("train", world.train_jpg, world.labels, "-o", target, "--recipe", tmp_path / "recipe.toml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("converting the preset") == 1
    shutil.rmtree(tmp_path / "ViT")
    shutil.rmtree(tmp_path / "cache")
    manifest = bundle.read_manifest(target)
    assert list(manifest.started_from) == ["ViT.xml"]
    assert manifest.licences == {"ViT.xml": "KerasHub preset ViT; its page states its terms"}
    done = run("predict", world.test_jpg, "--model", target)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_unknown_name_is_refused_with_the_nearest_before_any_download(hub):  # noqa: ARG001
    with pytest.raises(ValueError, match=r"no preset named dinov3_vit_smal_lvd1689m .did you mean dinov3_vit"):
        hub_presets.download_preset("hub:dinov3_vit_smal_lvd1689m")


def test_a_name_is_not_downloaded_unless_asked(cache, monkeypatch):
    monkeypatch.setattr(hub_presets, "_converted", None)  # it would be called for any work
    with pytest.raises(FileNotFoundError, match=r"hub:vit_base is neither the folder of a .*add --download"):
        hub_presets.backbone_path("hub:vit_base")
    assert not cache.exists()


def test_a_downloaded_preset_is_found_without_keras(monkeypatch):
    kept = hub_presets._target("vit_base", "vit_base")
    kept.parent.mkdir(parents=True)
    kept.touch()
    monkeypatch.setattr(hub_presets, "find_spec", lambda name: None)
    hub_presets.download_preset("hub:vit_base")
    assert hub_presets.backbone_path("hub:vit_base") == kept


def test_without_the_extra_the_message_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setattr(hub_presets, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs keras_hub, .* pip install '\.\[train,hub\]'"):
        hub_presets.backbone_path(f"hub:{folder}")


def test_another_backend_of_keras_does_not_convert(folder, monkeypatch):
    monkeypatch.setattr(hub_presets, "find_spec", lambda name: name)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ValueError, match="is converted by TensorFlow, but KERAS_BACKEND is jax"):
        hub_presets.backbone_path(f"hub:{folder}")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "its config.json is missing or names no class"),
        ({"model_type": "vit"}, "its config.json is missing or names no class"),
        ({"registered_name": "Functional"}, "holds a Functional, which is no backbone of KerasHub"),
        (CONFIG, "has no image_converter.json, which says how its images are scaled"),
    ],
)
def test_a_folder_that_is_no_preset_is_refused_before_it_is_loaded(folder, config, message):
    (folder / "image_converter.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        hub_presets.backbone_path(f"hub:{folder}")


def test_a_preset_of_a_recipe_is_a_folder_beside_it_or_a_name(folder, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace("hub:ViT", "hub:preset"))
    assert read_recipe(recipe).members[0].backbone == f"hub:{folder}"
    recipe.write_text(RECIPE)
    assert read_recipe(recipe).members[0].backbone == "hub:ViT"
    with pytest.raises(FileNotFoundError, match="hub:ViT is neither"):
        preparation.check_recipe(read_recipe(recipe), {})


def test_a_preset_cannot_be_fine_tuned(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("frozen", "tuned").replace('head = "ridge"', ""))
    with pytest.raises(ValueError, match="with the backbone hub:ViT, but such a network cannot be trained further"):
        read_recipe(tmp_path / "recipe.toml")
