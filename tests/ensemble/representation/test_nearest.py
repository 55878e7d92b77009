"""Test the vote of neighbours against one that is counted by hand."""

import numpy as np

from ensemble.representation.nearest import vote_of_neighbours


def test_votes_are_weighed_by_the_cosine():
    rng = np.random.default_rng(0)
    known, chips = rng.normal(size=(40, 6)), rng.normal(size=(9, 6))
    truth = rng.random((40, 3)) < 0.4
    cosines = (chips / np.linalg.norm(chips, axis=1)[:, None]) @ (known / np.linalg.norm(known, axis=1)[:, None]).T
    scores = vote_of_neighbours(chips, known, truth, neighbours=7)
    for row, cosine in enumerate(cosines):
        nearest = np.argsort(-cosine)[:7]
        weights = np.exp(cosine[nearest] / 0.1)
        np.testing.assert_allclose(scores[row], weights @ truth[nearest] / weights.sum(), atol=1e-6)


def test_all_chips_vote_where_there_are_fewer_than_wanted():
    known = np.eye(3)
    scores = vote_of_neighbours(known[:1], known, np.array([[True], [False], [False]]))
    np.testing.assert_allclose(scores, 1 / (1 + 2 * np.exp(-10)), rtol=1e-6)
