import keras
import numpy as np
import pytest

from features.images import chips, listing, views
from features.images.chips import ChipError, ChipSpec
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
    assert np.concatenate([part.rows for part in parts]).tolist() == sorted(part for p in parts for part in p.rows)
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
def test_damaged_chips_are_reported_in_their_place(spoilt, network, jobs):
    _, parts = whole(spoilt, [network], tolerant=True, jobs=jobs)
    seen = [row for part in parts for row in sorted([*part.rows, *(row for row, _ in part.failures)])]
    assert seen == list(range(40))
    assert [row for part in parts for row, _ in part.failures] == [0, 15, 16, 37, 38, 39]


def test_only_damaged_chips_give_only_failures(spoilt, network):
    (part,) = extract.stream_outputs(spoilt[37:], [network], SPEC, tolerant=True)
    assert part.values[0].shape == (1, 0, 16)
    assert len(part.failures) == 3


def test_stopping_early_leaves_no_thread_behind(world, network):
    stream = extract.stream_outputs(listing.chips([world.train_jpg]), [network], SPEC, jobs=2)
    next(stream)
    stream.close()
