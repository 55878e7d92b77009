import zlib
from zipfile import BadZipFile

import pytest

from amazon_tags.model.bundle import BundleError
from amazon_tags.model.damage import refusing_damage


@pytest.mark.parametrize(
    "cause", [KeyError("cuts"), TypeError("no"), EOFError(), zlib.error("bad"), BadZipFile("half")]
)
def test_errors_of_parsers_become_ours_on_one_line(cause):
    with pytest.raises(BundleError) as caught, refusing_damage(BundleError, "m is damaged", "get another copy"):
        raise cause
    assert str(caught.value) == f"m is damaged ({cause!r}); get another copy."
    assert caught.value.__cause__ is cause


def test_a_value_error_gives_its_text_and_ours_passes():
    with (
        pytest.raises(BundleError, match=r"^m is damaged \(two lines\); get another copy\.$"),
        refusing_damage(BundleError, "m is damaged", "get another copy"),
    ):
        raise ValueError("two\nlines")
    with pytest.raises(BundleError, match=r"^its own$"), refusing_damage(BundleError, "m is damaged", "x"):
        raise BundleError("its own")


def test_other_errors_pass_unless_they_are_named():
    with pytest.raises(PermissionError), refusing_damage(BundleError, "m", "x"):
        raise PermissionError
    with pytest.raises(BundleError), refusing_damage(BundleError, "m", "x", also=(OSError,)):
        raise PermissionError
