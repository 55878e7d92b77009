import pytest


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    return path
