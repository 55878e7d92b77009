"""Members fitted on folds of rendered chips."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from amazon_tags.training import members
from amazon_tags.training.examples import Examples
from amazon_tags.training.member_files import member_scores
from amazon_tags.training.members import (
    LESSON_VIEWS,
    fit_member,
    fit_unit,
    member_cost,
    teacher_targets,
    train_on_all,
)
from ensemble.metrics import folds, score
from ensemble.networks.settings import FrozenMember, TunedMember
from ensemble.networks.train import fit_network
from features.images import chips, listing
from features.images.spec import ChipSpec

TUNED = TunedMember("net", "toy", weights="none", epochs=1, batch=8)
FROZEN = FrozenMember("vectors", "toy", weights="none", head="ridge")


@pytest.fixture(scope="module")
def examples(world):
    paths = listing.chips([world.train_jpg])
    light = np.array([chips.read(path).mean() for path in paths])
    truth = np.stack([light > np.median(light), light <= np.median(light)], axis=1)
    fold = folds.stratify(truth, folds=3)
    unlabelled = listing.chips([world.test_jpg])
    return Examples(paths, truth, ChipSpec(side=64), fold, 2, 0, 1, unlabelled=unlabelled)


@pytest.fixture
def watched(monkeypatch):
    """What networks were trained on, in order."""
    sources = []
    fit = fit_network

    def watch(settings, source, *rest, **options):
        sources.append(source)
        return fit(settings, source, *rest, **options)

    monkeypatch.setattr(members, "fit_network", watch)
    return sources


@pytest.mark.slow
def test_a_network_of_a_fold_is_trained_on_the_other_folds_alone(examples, watched, tmp_path):
    fit_member(TUNED, examples, tmp_path)
    assert len(watched) == examples.folds
    for number, source in enumerate(watched):
        held = [examples.paths[row] for row in np.flatnonzero(examples.fold == number)]
        assert not set(held) & set(source.paths)
        assert len(held) + len(source.paths) == len(examples.paths)


def test_a_pixel_that_identifies_a_chip_does_not_help_it_out_of_fold(tmp_path):
    """Each chip has a mark of its own and random labels, which only a model that was trained on the chip can know."""
    rng = np.random.default_rng(0)
    truth = rng.random((60, 4)) < 0.5
    for number in range(len(truth)):
        mark = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        Image.fromarray(mark).save(tmp_path / f"chip_{number}.png")
    paths = listing.chips([tmp_path])
    fold = folds.stratify(truth, folds=5)
    examples = Examples(paths, truth, ChipSpec(side=64), fold, 1, 0, 1)
    entry = fit_member(replace(FROZEN, head="neighbours"), examples, tmp_path)
    unit = train_on_all(entry, examples)
    seen = member_scores(unit, examples, np.arange(60))[0]
    guess = np.broadcast_to(truth.mean(axis=0, dtype=np.float32), truth.shape)
    assert score.log_loss(truth, seen) < 0.9 * score.log_loss(truth, guess)
    assert score.log_loss(truth, entry.scores[0]) > 0.98 * score.log_loss(truth, guess)


@pytest.mark.slow
def test_a_student_learns_from_teachers_that_have_not_seen_its_held_out_chips(examples, watched, tmp_path):
    examples = replace(examples, views=LESSON_VIEWS)
    teacher = fit_member(FROZEN, examples, tmp_path)
    student = replace(TUNED, teachers=("vectors",), trust=0.25)
    fit_member(student, examples, tmp_path, [teacher])
    for number, source in enumerate(watched):
        labelled, unlabelled = teacher_targets(teacher, examples, number)
        rows = np.flatnonzero(examples.fold != number)
        np.testing.assert_allclose(source.targets, 0.75 * examples.truth[rows] + 0.25 * labelled[rows], rtol=1e-6)
        np.testing.assert_array_equal(source.unlabelled_targets, unlabelled)
        held = examples.fold == number
        np.testing.assert_allclose(labelled[held], teacher.scores[:, held].mean(axis=0), atol=1e-5)
        assert source.unlabelled == examples.unlabelled


@pytest.mark.slow
def test_a_networks_lesson_is_what_its_fold_says(examples, tmp_path):
    examples = replace(examples, views=LESSON_VIEWS)
    entry = fit_member(TUNED, examples, tmp_path)
    for number in range(examples.folds):
        labelled, unlabelled = teacher_targets(entry, examples, number)
        held = examples.fold == number
        np.testing.assert_array_equal(labelled[held], entry.scores[:, held].mean(axis=0))
        assert unlabelled.shape == (len(examples.unlabelled), 2)


@pytest.mark.slow
def test_a_full_device_halves_the_batch_and_says_so(examples, monkeypatch, tmp_path, capsys):
    tried = []
    fit = fit_network

    def small(settings, *rest, **options):
        tried.append((settings.batch, settings.accumulate))
        if settings.batch > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")
        return fit(settings, *rest, **options)

    monkeypatch.setattr(members, "fit_network", small)
    fit_unit(TUNED, examples, tmp_path, 0)
    assert tried == [(8, 1), (4, 2), (2, 4)]
    assert "net fold_0: the device's memory is full; starting again with batches of 2, 4 to a step" in (
        capsys.readouterr().err
    )


@pytest.mark.slow
def test_a_resumed_run_keeps_a_halved_batch(examples, monkeypatch, tmp_path):
    """Killed after the first of three epochs, it starts with the smaller batch, and ends in the same bytes."""
    settings = replace(TUNED, epochs=3)
    tried = []
    fit = fit_network

    def small(settings, *rest, after_epoch, **options):
        tried.append(settings.batch)
        if settings.batch > 4:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")

        def killed(epoch, loss, state):
            after_epoch(epoch, loss, state)
            if len(tried) == 2:
                raise KeyboardInterrupt

        return fit(settings, *rest, after_epoch=killed, **options)

    monkeypatch.setattr(members, "fit_network", small)
    with pytest.raises(KeyboardInterrupt):
        fit_unit(settings, examples, tmp_path, 0)
    unit = fit_unit(settings, examples, tmp_path, 0)
    assert tried == [8, 4, 4]
    (tmp_path / "whole").mkdir()
    monkeypatch.setattr(members, "fit_network", fit)
    whole = fit_unit(replace(settings, batch=4, accumulate=2), examples, tmp_path / "whole", 0)
    assert (unit / "network.bin").read_bytes() == (whole / "network.bin").read_bytes()


@pytest.mark.slow
def test_a_network_that_learned_nothing_is_reported(examples, tmp_path, capsys):
    fit_unit(replace(TUNED, name="asleep", rate=1e-8), examples, tmp_path, 0)
    fit_unit(replace(TUNED, name="awake", rate=3e-3, epochs=4), examples, tmp_path, 0)
    told = [line for line in capsys.readouterr().err.splitlines() if "WARNING" in line]
    assert len(told) == 1
    assert "asleep fold_0: WARNING: the network learnt nothing: its loss is no lower than 0.69" in told[0]
    assert "Lower its rate (1e-08)" in told[0]


def test_another_error_is_handed_on(examples, monkeypatch, tmp_path):
    def fail(*_rest, **_options):
        raise RuntimeError("the cable was pulled")

    monkeypatch.setattr(members, "fit_network", fail)
    with pytest.raises(RuntimeError, match="cable"):
        fit_unit(TUNED, examples, tmp_path, 0)


@pytest.mark.slow
def test_finished_units_are_not_done_again(examples, watched, tmp_path):
    first = fit_member(TUNED, examples, tmp_path)
    again = fit_member(TUNED, examples, tmp_path)
    assert len(watched) == examples.folds
    np.testing.assert_array_equal(first.scores, again.scores)


def test_a_member_costs_time_and_space(examples, tmp_path):
    entry = fit_member(FROZEN, examples, tmp_path)
    cost = member_cost(entry)
    assert 0 < cost.milliseconds < 100
    assert cost.size == sum(path.stat().st_size for path in (tmp_path / "vectors" / "fold_0").iterdir())


@pytest.mark.slow
def test_tags_in_doubt_are_no_targets(examples, watched, tmp_path):
    unknown = np.zeros_like(examples.truth)
    unknown[3:9, 1] = True
    fit_unit(TUNED, replace(examples, unknown=unknown), tmp_path, 0)
    rows = examples.fold != 0
    np.testing.assert_array_equal(np.isnan(watched[0].targets), unknown[rows])
    np.testing.assert_array_equal(watched[0].targets[~unknown[rows]], examples.truth[rows][~unknown[rows]])
