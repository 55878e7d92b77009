"""Test class separation against known values and its limits."""

import numpy as np
import pytest

from ensemble.representation.separation import class_separation, tag_separations

CLASSES = np.repeat(np.eye(3, dtype=bool), 20, axis=0)


def test_separation_has_its_known_values():
    vectors = np.random.RandomState(0).randn(60, 8)
    assert class_separation(vectors, CLASSES) == pytest.approx(0.0234221, abs=5e-8)
    vectors[:, :3] += 4 * CLASSES
    assert class_separation(vectors, CLASSES) == pytest.approx(0.6319963, abs=5e-8)
    assert class_separation(CLASSES.astype(float), CLASSES) == 1


def test_classes_count_alike_whatever_their_number_of_chips():
    vectors = np.random.RandomState(0).randn(60, 8)
    often = np.concatenate([vectors, np.tile(vectors[:20], (4, 1))])
    classes = np.concatenate([CLASSES, np.tile(CLASSES[:20], (4, 1))])
    assert class_separation(often, classes) == pytest.approx(class_separation(vectors, CLASSES))


def test_the_lengths_of_vectors_do_not_matter():
    vectors = np.random.RandomState(0).randn(60, 8)
    scaled = vectors * np.random.default_rng(0).uniform(0.1, 10, (60, 1))
    assert class_separation(scaled, CLASSES) == pytest.approx(class_separation(vectors, CLASSES))


def test_each_tag_is_separated_from_its_absence():
    vectors = np.random.RandomState(0).randn(60, 8)
    truth = np.column_stack([CLASSES, np.ones(60, bool), np.zeros(60, bool)])
    found = tag_separations(vectors, truth)
    assert found[1] == class_separation(vectors, np.column_stack([CLASSES[:, 1], ~CLASSES[:, 1]]))
    assert np.isnan(found[3:]).all()


def test_what_has_no_separation_is_refused_or_nan():
    vectors = np.random.RandomState(0).randn(60, 8)
    with pytest.raises(ValueError, match="two or more classes"):
        class_separation(vectors, CLASSES[:, :1])
    with pytest.raises(ValueError, match="at least one chip"):
        class_separation(vectors, np.column_stack([CLASSES, np.zeros(60, bool)]))
    with pytest.raises(ValueError, match="1 vectors are zero"):
        class_separation(np.concatenate([vectors[:59], np.zeros((1, 8))]), CLASSES)
    assert np.isnan(class_separation(np.ones((60, 8)), CLASSES))
