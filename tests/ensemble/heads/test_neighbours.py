from ensemble.heads.neighbours import NEIGHBOURHOOD_SIZES, fit_neighbours
from tests.ensemble.heads.labelled_vectors import rendered


def test_the_nearest_neighbour_of_a_stored_chip_is_itself():
    vectors, truth = rendered(12)
    head = fit_neighbours(vectors, truth, 0)
    scores = head.scores(vectors)
    assert scores[:, :4][truth[:, :4]].mean() > 0.6
    assert scores[:, :4][~truth[:, :4]].mean() < 0.3
    assert head.k in NEIGHBOURHOOD_SIZES
