import json
import re

import jinja2
import pytest

from amazon_tags.pages import page
from tests.browser import accessibility_faults, needs_chromium, open_page

HOSTILE = "<script>document.title='run'</script>\"'&\n\u2028\u202e</script><!--" + "x" * 200


pytestmark = pytest.mark.usefixtures("templates")


@pytest.fixture
def templates(monkeypatch):
    """A template and a script of the test's own beside the real ones."""
    body = "{% block body %}<main><h1>{{ title }}</h1></main>{% endblock %}"
    own = jinja2.DictLoader({"own.html": "{% extends 'base.html' %}" + body})
    environment = page._environment()
    monkeypatch.setattr(environment, "loader", jinja2.ChoiceLoader([own, environment.loader]))


def test_values_and_data_are_text_in_the_page():
    html = page.render_page("own.html", title=HOSTILE, scripts=["page.js"], data={"name": HOSTILE})
    assert "<script>document" not in html
    data = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data[1])["name"] == HOSTILE


def test_a_page_without_images_beside_it_forbids_them():
    assert "img-src data:;" in page.render_page("own.html", title="t")
    assert "img-src data: file: 'self';" in page.render_page("own.html", title="t", local_images=True)


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        page._environment().from_string("{{ missing }}").render()


@pytest.mark.slow
@needs_chromium
def test_a_hostile_name_stays_text_in_a_browser(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page.render_page("own.html", title=HOSTILE, scripts=["page.js"], data=HOSTILE), encoding="utf-8")
    with open_page(file) as shown:
        assert shown.evaluate("pageData()") == HOSTILE
        assert shown.evaluate("document.querySelector('h1').textContent") == HOSTILE


@pytest.mark.slow
@needs_chromium
def test_a_script_that_is_not_ours_does_not_run(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(
        page.render_page("own.html", title="calm", scripts=["page.js"]).replace(
            "</body>", "<script>document.title = 'run'</script></body>"
        )
    )
    with pytest.raises(AssertionError, match="Content Security Policy"), open_page(file) as shown:
        assert shown.title() == "calm"


@pytest.mark.slow
@needs_chromium
def test_faults_of_accessibility_are_found(tmp_path):
    file = tmp_path / "page.html"
    calm = page.render_page("own.html", title="calm")
    file.write_text(calm)
    with open_page(file) as shown:
        assert accessibility_faults(shown) == []

    file.write_text(calm.replace("</main>", '<img src="data:,"><input></main>'))
    with open_page(file) as shown:
        assert {fault.split()[0] for fault in accessibility_faults(shown)} == {"image-alt", "label"}
