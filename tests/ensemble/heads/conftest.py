import pytest

from ensemble.heads.table import HEADS
from tests.ensemble.heads.labelled_vectors import rendered


@pytest.fixture(scope="session")
def trained():
    """Every head, fitted on `rendered` once."""
    vectors, truth = rendered()
    return {name: fit(vectors, truth, 0) for name, fit in HEADS.items()}
