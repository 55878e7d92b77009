"""`amazon_tags compress`, on a bundle of one tiny network."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from amazon_tags import progress
from amazon_tags.compression import compress as compress_module
from amazon_tags.compression import int8, units
from amazon_tags.compression.beside import read_beside
from amazon_tags.compression.compress import bundle_examples, compress
from amazon_tags.compression.request import CompressRequest, read_compress_data, read_compressed
from amazon_tags.compression.units import Point, Unit, run_unit
from amazon_tags.inspection.findings import findings_csv, findings_page
from amazon_tags.model import bundle, training_record
from amazon_tags.model.recipe import Recipe
from amazon_tags.prediction.predict import score_chips
from amazon_tags.training.preparation import TrainOptions, prepare
from amazon_tags.training.train import make_examples, train_on
from amazon_tags.training.training_data import TrainingSource
from ensemble.compression.strategies import with_controls
from ensemble.networks.settings import TunedMember
from features.networks import extract

NET = TunedMember("net", "toy", weights="none", epochs=2, rate=3e-3)
RECIPE = Recipe((NET,), folds=2, side=64, decision="flat")
ROWS = 24  # chips of the world that the bundle is trained on; the others are new to it


@pytest.fixture(scope="module")
def tables(world, tmp_path_factory):
    """Two label tables: of the chips that the bundle is trained on, and of others."""
    folder = tmp_path_factory.mktemp("tables")
    head, *rows = world.labels.read_text().splitlines()
    for name, part in (("known", rows[:ROWS]), ("new", rows[ROWS:])):
        (folder / f"{name}.csv").write_text("\n".join([head, *part]) + "\n")
    return folder / "known.csv", folder / "new.csv"


@pytest.fixture(scope="module")
def trained(world, tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    data = prepare(TrainingSource(world.train_jpg, tables[0]), folder, recipe=RECIPE, options=TrainOptions())
    train_on(data, folder, recipe=RECIPE, options=TrainOptions())
    return folder


def request(**values):
    strategies = with_controls(values.pop("strategies", ("global-magnitude",)))
    return CompressRequest((2.0,), strategies, seeds=1, epochs=1, **values)


def read(world, table, folder, asked):
    return read_compress_data(TrainingSource(world.train_jpg, table), read_compressed(str(folder), asked), asked)


def test_new_chips_are_measured_by_the_bundles_own_networks_and_a_run_resumes(
    world, tables, trained, tmp_path, monkeypatch
):
    asked = request(strategies=("channels",), ship=tmp_path / "small", point=("channels", 2.0))
    data, model = read(world, tables[1], trained, asked)
    assert (model.begin, model.shared) == ("bundle", 0)

    fitted = units.fine_tune_network
    calls = []

    def killed(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fitted(*arguments, **options)

    monkeypatch.setattr(units, "fine_tune_network", killed)
    with pytest.raises(KeyboardInterrupt):
        compress(data, model, tmp_path / "points.csv", asked)
    with progress.collected() as messages:
        findings = compress(data, model, tmp_path / "points.csv", asked)
    assert "2 of 6 units were finished by an earlier run" in messages
    assert len(calls) == 3 + 4 + 1  # the one on all chips is for the bundle
    assert not (tmp_path / "points.csv.work").exists()

    rows = {row[0]: dict(zip(findings.columns, row, strict=True)) for row in findings.rows}
    assert list(rows) == ["unpruned", "channels:2", "random-channels:2"]
    assert rows["unpruned"]["compression"] == rows["unpruned"]["speedup"] == 1
    for name in ("channels:2", "random-channels:2"):
        assert rows[name]["compression"] >= 2
        assert rows[name]["speedup"] > 1.3
        assert rows[name]["bytes"] < 0.9 * rows["unpruned"]["bytes"]
        assert rows[name]["gzipped"] < rows[name]["bytes"]
    assert all(1e6 < row["memory"] < 4e9 for row in rows.values())
    assert "trained on none of these chips" in findings.notes[0]
    assert findings_page(findings).count("<svg") == 3

    shipped = bundle.verify(tmp_path / "small").bundle
    manifest = shipped.manifest
    assert manifest.compression.sha256 == bundle.read_manifest(trained).sha256
    assert (manifest.compression.strategy, manifest.compression.start) == ("channels:2", "bundle")
    assert set(manifest.precision.costs) >= {"f32", "int8"}
    assert f"Made from the bundle {bundle.read_manifest(trained).name} by `channels:2`" in bundle.read_card(
        tmp_path / "small"
    )
    assert len(training_record.read(tmp_path / "small").hashes) == len(data.paths)

    network = units.untrained_network(NET, make_examples(data, RECIPE, TrainOptions()))
    network.load_weights(tmp_path / "small" / "members" / "00-net" / "network.weights.h5")
    chips = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(shipped.networks[0](chips), network.predict(chips, verbose=0), atol=1e-4)


def test_chips_that_the_bundle_knows_are_measured_by_networks_trained_again(world, tables, trained, tmp_path):
    asked = request(int8=True)
    data, model = read(world, tables[0], trained, asked)
    assert (model.begin, model.shared) == ("recipe", ROWS)
    beside = read_beside([trained], data, asked)
    findings = compress(data, model, tmp_path / "points.csv", asked, beside)
    rows = {row[0]: dict(zip(findings.columns, row, strict=True)) for row in findings.rows}
    assert list(rows) == ["unpruned", "global-magnitude:2", "random:2", "int8", "bundle"]
    assert rows["global-magnitude:2"]["compression"] == pytest.approx(2, rel=1e-3)
    assert rows["global-magnitude:2"]["bytes"] == rows["unpruned"]["bytes"]
    assert rows["global-magnitude:2"]["gzipped"] < 0.8 * rows["unpruned"]["gzipped"]
    # the fold networks are those of the training, and unpruned ones answer as they did
    manifest = bundle.read_manifest(trained)
    assert rows["unpruned"]["f2_before"] == pytest.approx(manifest.scores.f2)
    assert rows["bundle"]["f2"] == pytest.approx(manifest.scores.f2)
    assert rows["bundle"]["map"] == pytest.approx(rows["unpruned"]["map_before"], abs=1e-5)
    assert rows["bundle"]["map"] != rows["int8"]["map"]
    assert rows["int8"]["lost"] == pytest.approx(manifest.precision.costs["int8"].loss, abs=1e-9)
    assert f"trained on {ROWS} of these chips" in findings.notes[0]


def test_int8_and_a_copy_of_the_bundle_stand_on_the_same_axes(world, tables, trained, tmp_path, monkeypatch):
    asked = replace(request(int8=True), epochs=0)
    data, model = read(world, tables[1], trained, asked)
    copy = tmp_path / "copy"
    copy.symlink_to(trained)
    quantised = {}

    def kept(function):
        def call(*arguments):
            quantised[function.__name__] = function(*arguments)
            return quantised[function.__name__]

        return call

    for function in (int8.int8_scores, int8.int8_networks):
        monkeypatch.setattr(compress_module, function.__name__, kept(function))
    findings = compress(data, model, tmp_path / "points.csv", asked, read_beside([copy], data, asked))
    rows = {row[0]: dict(zip(findings.columns, row, strict=True)) for row in findings.rows}
    assert list(rows) == ["unpruned", "global-magnitude:2", "random:2", "int8", "copy"]

    whole, same = rows["unpruned"], rows["copy"]
    assert all(same[name] == whole[name] for name in ("f2", "f2_low", "f2_high", "map", "parameters", "speedup"))
    assert same["lost"] == same["lost_low"] == same["lost_high"] == 0
    assert np.isnan([same["compression"], same["f2_before"], same["map_before"]]).all()

    scores, networks = quantised["int8_scores"][0][0], quantised["int8_networks"]
    own = [bundle.load(trained, precision=name) for name in ("int8", "f32")]
    expected, plain = (np.concatenate([part.scores for part in score_chips(data.paths, one)]) for one in own)
    np.testing.assert_allclose(scores, expected, atol=bundle.GOLDEN_TOLERANCE["int8"])
    assert np.abs(scores - plain).max() > 0
    assert len(networks[0][1]) < 0.5 * len((trained / "members" / "00-net" / "network.bin").read_bytes())
    assert rows["int8"]["parameters"] == whole["parameters"]
    assert rows["int8"]["lost_low"] <= rows["int8"]["lost"] <= rows["int8"]["lost_high"]

    lines = list(csv.DictReader(io.StringIO(findings_csv(findings))))
    assert [line["point"] for line in lines] == list(rows)
    assert lines[-1]["compression"] == lines[-1]["f2_before"] == lines[-2]["f2_before"] == ""
    assert all(float(line[name]) > 0 for line in lines for name in ("f2", "ms", "bytes", "gzipped", "memory"))
    assert any("copy against global-magnitude:2" in note for note in findings.notes)
    assert findings.picture.count(">copy<") == 4  # in the legend and at the point of both charts


def test_unpruned_scores_are_those_of_the_bundle_to_the_bit_and_pruned_weights_stay_zero(
    world, tables, trained, tmp_path
):
    asked = request()
    data, model = read(world, tables[1], trained, asked)
    examples = make_examples(data, model.recipe, TrainOptions())
    loaded = bundle.load(trained)
    held_out = np.flatnonzero(examples.fold == 0)
    paths = [examples.paths[row] for row in held_out]

    whole = Unit(NET, model.files["net"], Point("unpruned", 1), 0, 0, 0)
    result = run_unit(whole, examples, tmp_path)
    expected = np.concatenate(
        [part.values[0][0] for part in extract.stream_outputs(paths, loaded.networks, loaded.spec)]
    )
    np.testing.assert_array_equal(result.before, expected)
    np.testing.assert_array_equal(result.after, expected)

    pruned = replace(whole, point=Point("global-magnitude", 2.0), epochs=1)
    first, again = run_unit(pruned, examples, tmp_path), run_unit(pruned, examples, tmp_path)
    np.testing.assert_array_equal(first.after, again.after)
    kernels = [weight for weight in first.weights[:-2] if weight.ndim > 1]
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
    assert first.total - zeros == first.left
    assert first.total / first.left == pytest.approx(2, rel=1e-3)


def test_many_bands_are_normalised_by_the_statistics_of_the_bundle(world, tables, trained):
    bands = ((10.0, 2.0), (20.0, 3.0), (30.0, 4.0))
    data, model = read(world, tables[1], trained, request())
    spec = replace(model.manifest.spec, statistics=bands)
    other = replace(model, manifest=replace(model.manifest, spec=spec))
    assert bundle_examples(data, other, request()).spec.statistics == bands
    assert bundle_examples(data, model, request()).spec.statistics == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{folder}@nets", r"has no member nets \(did you mean net\?\); it has net"),
        ("missing", "missing is not the folder of a bundle"),
    ],
)
def test_a_bundle_or_member_that_is_not_there_is_refused(trained, text, expected):
    with pytest.raises(ValueError, match=expected):
        read_compressed(text.format(folder=trained), request())


def test_a_ratio_that_cannot_be_reached_is_refused_before_any_training(world, tables, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", None)
    asked = replace(request(), ratios=(2.0, 500.0))
    data, model = read(world, tables[1], trained, asked)
    with pytest.raises(
        ValueError, match=r"a compression ratio of 500 cannot be reached: .* parameters are never pruned"
    ):
        compress(data, model, tmp_path / "points.csv", asked)
    assert not Path(tmp_path / "points.csv.work").exists()


def test_labels_that_the_bundle_does_not_know_are_refused(world, trained, tmp_path):
    table = tmp_path / "wrong.csv"
    table.write_text("image_name,tags\ntrain_30,swamp\ntrain_31,primary\n")
    with pytest.raises(ValueError, match="swamp"):
        read(world, table, trained, request())


def test_a_bundle_that_started_from_another_file_needs_it(world, tables, trained):
    asked = request()
    model = read_compressed(str(trained), asked)
    changed = replace(model, manifest=replace(model.manifest, started_from={"toy": "ab" * 32}))
    with pytest.raises(ValueError, match=r"started from a weight file of SHA-256 abababababab.*--weights toy=FILE"):
        read_compress_data(TrainingSource(world.train_jpg, tables[0]), changed, asked)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--ratios", "0.5,2"), "must be numbers from 1"),
        (("--ratios", "two"), "must be numbers from 1"),
        (("--ratios", "1"), "one above 1"),
        (("--strategy", "global-magnitud"), "did you mean global-magnitude?"),
        (("--point", "channels:2"), "add --ship BUNDLE"),
        (("--ship", "OUT", "--point", "channels:2"), "--point channels:2 is not measured"),
        (("--ship", "OUT", "--point", "channels"), "must be STRATEGY:RATIO"),
        (("--ship", "OUT", "--point", "int8"), "pass predict --precision int8"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(run, world, tmp_path, options, expected):
    words = [tmp_path / "shipped" if word == "OUT" else word for word in options]
    done = run("compress", bundle.DEFAULT, world.train_jpg, world.labels, "-o", tmp_path / "points.csv", *words)
    assert done.returncode in (1, 2)
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
