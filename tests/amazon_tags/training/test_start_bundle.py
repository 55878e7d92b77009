"""Train members that start from another bundle's trained backbones, and compare the result."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.evaluation.compare import compare_bundles
from amazon_tags.model import bundle, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.recipe import Recipe, recipe_to_json
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.training.preparation import chip_spec
from amazon_tags.training.start_bundle import read_start
from ensemble.metrics import score
from ensemble.networks.build import build_network
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images.spec import ChipSpec
from features.networks import backbones

SPEC = ChipSpec(side=64)


def copied(model, tmp_path, **changes):
    """Return a copy of a bundle whose manifest has other values."""
    folder = tmp_path / "copy"
    shutil.copytree(model, folder)
    manifest = replace(bundle.read_manifest(model), **changes)
    values = manifest.to_json()
    values["sha256"] = bundle.digest(values)
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="module")
def chain(model, run, recipe_file, tmp_path_factory):
    """A bundle of another label space whose member started from that of `model`, trained with a rate of almost 0."""
    folder = tmp_path_factory.mktemp("chain")
    assert run("sample", folder / "chips", "-n", 12, "--seed", 7).returncode == 0
    table = folder / "other.csv"
    table.write_text((folder / "chips" / "labels.csv").read_text().replace("primary", "tree"))
    recipe = folder / "slow.toml"
    recipe.write_text(recipe_file.read_text().replace("rate = 1e-3", "rate = 1e-8"))
    arguments = ("train", folder / "chips", table, "-o", folder / "chain", "--recipe", recipe, "--labels", "table")
    done = run(*arguments, "--start-from", model)
    assert done.returncode == 0, done.stderr
    return folder / "chain"


def backbone_of(folder, settings):
    network = build_network(settings, SPEC, np.full(len(bundle.read_manifest(folder).space.names), 0.5))
    network.load_weights(folder / "members" / "00-net" / "network.weights.h5")
    (trunk,) = backbones.settled_backbones(network)
    return trunk.get_weights()


def test_a_member_starts_from_the_trained_backbone_and_its_head_is_new(chain, model, recipe_file):
    settings = read_recipe(recipe_file).members[0]
    for ours, theirs in zip(backbone_of(chain, settings), backbone_of(model, settings), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert bundle.read_manifest(chain).space.names != bundle.read_manifest(model).space.names


def test_the_manifest_and_the_card_say_from_which_bundle(chain, model):
    source, manifest = bundle.read_manifest(model), bundle.read_manifest(chain)
    assert (manifest.start.sha256, manifest.start.members, source.start) == (source.sha256, {"net": "net"}, None)
    assert [settings.weights for settings in manifest.read_recipe().members] == ["none", "none"]
    card = bundle.read_card(chain)
    assert f"from the backbone of `net` in the bundle {source.name}." in card
    assert f"Members started from the bundle {source.name}. On the chips of that bundle: no note was given." in card
    assert "start" not in json.loads((model / "manifest.json").read_text())


def test_the_file_of_a_trained_member_is_also_a_weight_file(model):
    path = str(model / "members" / "00-net" / "network.weights.h5")
    loaded = backbones.build("toy", ChipSpec(side=96), weights=path)
    settings = TunedMember("net", "toy", weights="none")
    assert all(np.array_equal(*pair) for pair in zip(loaded.get_weights(), backbone_of(model, settings), strict=True))
    with pytest.raises(
        ValueError, match="holds backbones of 1,776 weights, but mobilenet_v2_035 has 389,088 here; pass"
    ):
        backbones.build("mobilenet_v2_035", SPEC, weights=path)


@pytest.mark.parametrize(
    ("name", "layer", "sees", "spec"),
    [
        ("toy", "top", "streams", ChipSpec(("blue", "green", "red", "nir"), "uint16", 64)),
        ("mobilenet_v2_035", "block_6_expand_relu", "bands", SPEC),
        ("resnet50_v2", "conv4_block1_preact_relu", "bands", SPEC),
    ],
)
def test_all_backbones_of_a_trained_network_are_loaded(name, layer, sees, spec, tmp_path):
    settings = TunedMember("net", name, layer=layer, sees=sees, weights="none")
    network = build_network(settings, spec, np.full(3, 0.5))
    rng = np.random.default_rng(0)
    network.set_weights([rng.random(value.shape) for value in network.get_weights()])
    network.save_weights(tmp_path / "network.weights.h5")
    again = build_network(replace(settings, weights=str(tmp_path / "network.weights.h5")), spec, np.full(5, 0.5))
    for ours, theirs in zip(*map(backbones.settled_backbones, (again, network)), strict=True):
        assert all(np.array_equal(*pair) for pair in zip(ours.get_weights(), theirs.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (
            TunedMember("m", "cbr_tiny"),
            r"has no fine-tuned member .*: it has net \(tuned: toy, top, bands, average\), the",
        ),
        (TunedMember("m", "toy", init="random"), "one must be tuned with init imagenet"),
        (TunedMember("m", "toy", pool="max"), r"the recipe has m \(tuned: toy, top, bands, max\)"),
        (FrozenMember("m", "toy"), r"the recipe has m \(frozen: toy, top, bands, average\)"),
    ],
)
def test_a_bundle_without_a_fitting_member_is_refused(model, member, message):
    with pytest.raises(ValueError, match=message):
        read_start(model, Recipe((member,)), SPEC, {})


def test_bundles_that_cannot_be_a_start_are_refused(model, tmp_path, recipe_file):
    recipe = read_recipe(recipe_file)
    with pytest.raises(ValueError, match="uint8 chips of red, green, blue, but the recipe takes uint16 chips of blue"):
        read_start(model, recipe, chip_spec(replace(recipe, bands=("blue", "green", "red", "nir"))), {})
    with pytest.raises(ValueError, match="a weight file was given for toy, but every member"):
        read_start(model, replace(recipe, members=recipe.members[:1]), SPEC, {"toy": tmp_path})
    with pytest.raises(BundleError, match="has no manifest"):
        read_start(tmp_path, recipe, SPEC, {})

    twins = replace(recipe, members=(recipe.members[0], replace(recipe.members[0], name="twin")))
    names = ("00-net", "01-twin")
    with pytest.raises(ValueError, match=r"has 2 members that net could start from \(00-net, 01-twin\); name a bundle"):
        read_start(copied(model, tmp_path, recipe=recipe_to_json(twins), members=names), recipe, SPEC, {})


def test_chips_that_the_bundle_was_trained_on_are_refused(model, world, run, recipe_file, tmp_path):
    arguments = ("train", world.train_jpg, world.labels, "-o", tmp_path / "out", "--recipe", recipe_file)
    done = run(*arguments, "--start-from", model)
    assert done.returncode == 1
    assert f"{model} was trained on 48 of 48 chips, so that no score of these would be out of fold" in done.stderr


def test_a_changed_weight_file_is_refused(model, tmp_path, recipe_file):
    folder = copied(model, tmp_path)
    path = folder / "members" / "00-net" / "network.weights.h5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="its hash is not the manifest's"):
        read_start(folder, read_recipe(recipe_file), SPEC, {})


def test_vectors_and_a_bundle_to_start_from_exclude_each_other(model, run, tmp_path):
    (tmp_path / "vectors.parquet").touch()
    done = run("train", tmp_path / "vectors.parquet", tmp_path, "-o", tmp_path / "out", "--start-from", model)
    assert done.returncode == 2
    assert "--start-from cannot be used with vectors" in done.stderr


def test_a_comparison_is_the_paired_difference_of_out_of_fold_tags(model, run, tmp_path):
    record = training_record.read(model)
    order = np.random.default_rng(0).permutation(len(record.hashes))
    tags = record.tags.copy()
    tags[::3] = True
    other = copied_with_record(model, tmp_path, record, order, tags)
    comparison = compare_bundles(model, other)
    f2, other_f2 = score.per_chip(record.truth, record.tags), score.per_chip(record.truth, tags)
    assert comparison.gain == pytest.approx(f2.mean() - other_f2.mean())
    assert comparison.relative_gain == pytest.approx(f2.mean() / other_f2.mean() - 1)
    assert comparison.gain_interval == pytest.approx(score.bootstrap_interval(f2 - other_f2))
    low, high = comparison.relative_gain_interval
    assert low < comparison.relative_gain < high

    shown = run("bundle", "compare", model, other)
    assert f"gain {comparison.gain:+.4f} (" in shown.stdout, shown.stderr
    assert json.loads(run("bundle", "compare", model, other, "--json").stdout)["chips"] == len(order)


def copied_with_record(model, tmp_path, record, order, tags):
    """Return a copy of a bundle that was trained on the same chips in another order, with other tags."""
    content = training_record.pack(
        replace(
            record,
            hashes=[record.hashes[row] for row in order],
            scores=record.scores[order],
            truth=record.truth[order],
            band_statistics=record.band_statistics[order],
            tags=tags[order],
        )
    )
    manifest = bundle.read_manifest(model)
    entry = replace(
        manifest.files["held_out.npz"], size=len(content), sha256=training_record.bundle.sha256_bytes(content)
    )
    folder = copied(model, tmp_path, files={**manifest.files, "held_out.npz": entry})
    (folder / "held_out.npz").write_bytes(content)
    return folder


def test_bundles_of_other_labels_or_chips_are_not_compared(model, chain):
    with pytest.raises(ValueError, match=r"differ in \d+ labels \(first: "):
        compare_bundles(chain, model)
    with pytest.raises(ValueError, match=r"chips and .* of which 0 are the same; train both on the same chips"):
        compare_bundles(model, bundle.DEFAULT)


def test_a_manifest_without_a_start_has_no_key_for_it(model):
    assert "start" not in Manifest.from_json(json.loads((model / "manifest.json").read_text())).to_json()
