import keras
import numpy as np
import pytest

from features.images import chips, listing, views
from features.images.chips import ChipError
from features.images.spec import ChipSpec
from features.networks import backbones, extract, openvino_export, openvino_runtime

SPEC = ChipSpec(side=64)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    keras.utils.set_random_seed(0)
    openvino_export.export(backbones.build("toy", SPEC), folder)
    return openvino_runtime.load((folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes())


def whole(paths, networks, **options):
    parts = list(extract.stream_outputs(paths, networks, SPEC, **options))
    assert [row for part in parts for row in range(*part.rows.indices(len(paths)))] == list(range(len(paths)))
    return np.concatenate([part.values[0] for part in parts], axis=1), parts


def test_outputs_come_in_order_and_alike_for_any_jobs(world, network):
    paths = listing.chips([world.train_jpg])
    expected = network(np.stack([chips.load(path, SPEC) for path in paths]))
    for jobs in (1, 2, 5):
        values, _ = whole(paths, [network], jobs=jobs)
        assert values[0].tobytes() == expected.tobytes()


def test_each_view_is_that_of_the_chip_itself(world, network):
    paths = listing.chips([world.test_jpg])
    values, _ = whole(paths, [network], turns=8)
    batch = np.stack([chips.load(path, SPEC) for path in paths])
    for turn in range(8):
        np.testing.assert_array_equal(values[turn], network(views.view(batch, turn)))


def test_several_networks_see_the_same_chips(world, network):
    paths = listing.chips([world.test_jpg])
    for part in extract.stream_outputs(paths, [network, network], SPEC):
        np.testing.assert_array_equal(part.values[0], part.values[1])


@pytest.fixture
def spoilt(world, tmp_path):
    """Forty chips, of which the first, two in the middle and the last three are damaged."""
    paths = []
    sources = listing.chips([world.train_jpg])
    for number in range(40):
        path = tmp_path / f"chip_{number}.jpg"
        content = sources[number % len(sources)].read_bytes()
        path.write_bytes(content[:200] if number in {0, 15, 16, 37, 38, 39} else content)
        paths.append(path)
    return paths


def test_the_first_damaged_chip_is_raised(spoilt, network):
    with pytest.raises(ChipError, match=r"chip_0\.jpg"):
        list(extract.stream_outputs(spoilt, [network], SPEC))


@pytest.mark.parametrize("jobs", [1, 3])
def test_damaged_chips_keep_their_rows(spoilt, network, jobs):
    values, parts = whole(spoilt, [network], tolerant=True, turns=2, jobs=jobs)
    errors = [error for part in parts for error in part.errors]
    statistics = np.concatenate([part.band_statistics for part in parts])
    damaged = [0, 15, 16, 37, 38, 39]
    usable = [row for row in range(40) if row not in damaged]
    assert [row for row, error in enumerate(errors) if error is not None] == damaged
    assert "chip_37.jpg" in errors[37]
    assert values.shape == (2, 40, 16)
    assert not values[:, damaged].any()
    assert np.isnan(statistics[damaged]).all()
    expected, usable_parts = whole([spoilt[row] for row in usable], [network], turns=2)
    assert values[:, usable].tobytes() == expected.tobytes()
    expected_statistics = np.concatenate([part.band_statistics for part in usable_parts])
    assert statistics[usable].tobytes() == expected_statistics.tobytes()


def test_damaged_chips_are_not_sent_through_the_network(spoilt, network, monkeypatch):
    sizes = []
    start = network.start
    monkeypatch.setattr(network, "start", lambda batch: sizes.append(len(batch)) or start(batch))
    whole(spoilt, [network], tolerant=True)
    assert sizes == [14, 15, 5]


def test_a_part_of_damaged_chips_alone_has_their_rows(spoilt, network):
    (part,) = extract.stream_outputs(spoilt[37:], [network], SPEC, tolerant=True)
    assert part.values[0].shape == (1, 3, 16)
    assert part.rows == slice(0, 3)
    assert None not in part.errors


def test_without_a_network_the_statistics_are_those_of_every_eighth_pixel(spoilt):
    (part,) = extract.stream_outputs(spoilt[1:4], [], SPEC)
    pixels = np.stack([chips.load(path, SPEC) for path in spoilt[1:4]])[:, ::8, ::8].astype(np.float64)
    expected = np.concatenate([pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2))], axis=1)
    assert part.values == []
    np.testing.assert_allclose(part.band_statistics, expected, rtol=1e-5)


def test_stopping_early_leaves_no_thread_behind(world, network):
    stream = extract.stream_outputs(listing.chips([world.train_jpg]), [network], SPEC, jobs=2)
    next(stream)
    stream.close()
