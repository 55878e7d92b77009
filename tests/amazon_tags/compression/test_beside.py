"""Bundles beside those that `amazon_tags compress` prunes: which are refused, and where their scores come from."""

from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.compression.beside import read_beside
from amazon_tags.compression.request import CompressRequest
from amazon_tags.model import bundle, training_record
from amazon_tags.model.vector_origin import VectorInput
from amazon_tags.tables.labels import PLANET
from amazon_tags.training.training_data import TrainingData
from ensemble.heads.fitted import NeighboursHead
from features.images.layout import AS_STATED
from tests.amazon_tags.model.test_bundle import reseal
from tests.bundle_copies import copied

RECORD = training_record.read_required(bundle.DEFAULT)
REQUEST = CompressRequest()


def chips(hashes, space=PLANET):
    truth = np.zeros((len(hashes), len(space.names)), bool)
    return TrainingData([], list(hashes), truth, truth, space, "", [])


KNOWN = chips(RECORD.hashes[:20])


def test_scores_of_known_chips_are_those_that_the_bundle_holds_in_the_order_of_chips_and_labels():
    names = tuple(reversed(PLANET.names))
    data = chips(RECORD.hashes[30:10:-1], replace(PLANET, names=names))
    (beside,) = read_beside([bundle.DEFAULT], data, REQUEST)
    expected = RECORD.scores[30:10:-1][:, [PLANET.names.index(name) for name in names]]
    np.testing.assert_array_equal(beside.scores(data, AS_STATED, jobs=1), expected)
    assert beside.remark(data).endswith("its scores are those that it holds, of chips out of fold")


def test_a_bundle_whose_origin_or_folds_may_know_the_chips_says_so(tmp_path):
    folder = copied(bundle.DEFAULT, tmp_path, teachers={}, start=None, data=None)
    grouped = replace(KNOWN, groups=np.array(["a"] * 20))
    assert "its folds did not keep groups" in read_beside([folder], grouped, REQUEST)[0].remark(grouped)
    assert read_beside([folder], KNOWN, REQUEST)[0].remark(KNOWN).count("too high") == 0


@pytest.mark.parametrize("name", ["unpruned", "int8", "random:4", "twice"])
def test_a_folder_with_the_name_of_another_row_is_refused(name, tmp_path):
    folder = tmp_path / name
    folder.symlink_to(bundle.DEFAULT)
    with pytest.raises(ValueError, match=f"another row of the report is named {name}; rename the folder"):
        read_beside([folder, folder], KNOWN, REQUEST)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (chips([*RECORD.hashes[:2], "ab" * 32]), "it was trained on 2 of these 3 chips, but must have been on none"),
        (
            chips(RECORD.hashes[:3], replace(PLANET, names=(*PLANET.names[:-1], "swamp"))),
            r"it differs from the chips in 2 labels \(first: 'swamp'\)",
        ),
    ],
)
def test_a_bundle_of_some_of_the_chips_or_of_other_labels_is_refused(data, expected):
    with pytest.raises(ValueError, match=expected) as refused:
        read_beside([bundle.DEFAULT], data, REQUEST)
    assert str(bundle.DEFAULT) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bundle_without_a_network_a_linear_head_or_a_record_is_refused(tmp_path):
    manifest = bundle.read_manifest(bundle.DEFAULT)
    with pytest.raises(bundle.BundleError, match=r"has no manifest\.json"):
        read_beside([tmp_path], KNOWN, REQUEST)

    vectors = copied(bundle.DEFAULT, tmp_path / "vectors", vectors=VectorInput(width=8))
    with pytest.raises(ValueError, match="it has heads on vectors and no network"):
        read_beside([vectors], KNOWN, REQUEST)

    files = {name: entry for name, entry in manifest.files.items() if name != training_record.FILE}
    with pytest.raises(ValueError, match="it does not say which chips it was trained on"):
        read_beside([copied(bundle.DEFAULT, tmp_path / "old", files=files)], KNOWN, REQUEST)

    headed = copied(bundle.DEFAULT, tmp_path / "headed")
    known = np.ones((2, 3), np.float32)
    head = NeighboursHead(known[0], known[0], known, np.zeros((2, len(PLANET.names)), bool), 1)
    (headed / "members" / manifest.members[0] / "head.npz").write_bytes(head.pack()[1])
    reseal(headed, f"members/{manifest.members[0]}/head.npz")
    with pytest.raises(ValueError, match=f"the head of {manifest.members[0]} is trees or neighbours"):
        read_beside([headed], KNOWN, REQUEST)


def test_the_command_refuses_a_folder_that_is_no_bundle_in_one_line_before_any_work(run, world, tmp_path):
    output = tmp_path / "points.csv"
    done = run("compress", bundle.DEFAULT, world.train_jpg, world.labels, "-o", output, "--beside", world.train_jpg)
    assert done.returncode == bundle.BundleError.exit_code
    assert "has no manifest.json; name a bundle that amazon_tags train wrote." in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
