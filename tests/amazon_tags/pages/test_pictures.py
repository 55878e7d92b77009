"""Pictures stand in pages without a style sheet of their own, which the policy of a page would block."""

import numpy as np
import pytest
from PIL import Image

from amazon_tags.evaluation.heat_map import heat_map
from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.evaluation.small_chart import small_chart
from amazon_tags.evaluation.small_maps import MapGroup, small_maps
from amazon_tags.evaluation.threshold_curves import Band
from amazon_tags.inspection.findings import Findings, findings_page
from features.images.overlays import data_uri
from tests.browser import accessibility_faults, needs_chromium, open_page

HOSTILE = "<script>alert(1)</script> & \"'"
VALUES = np.arange(4.0).reshape(2, 2)
POINTS = [ChartPoint(1, 0.5, (0.4, 0.6), HOSTILE, labelled=True), ChartPoint(2, 0.7)]
BAND = Band(np.array([0.0, 1.0]), np.array([0.2, 0.4]), np.array([0.1, 0.3]), np.array([0.3, 0.5]))
PICTURES = {
    "line chart": line_chart(ChartTitles(HOSTILE, "x", "y"), [ChartSeries(HOSTILE, POINTS)]),
    "heat map": heat_map(HOSTILE, ["a", HOSTILE], ["b", "c"], VALUES),
    "small maps": small_maps(HOSTILE, [MapGroup(HOSTILE, {"a": VALUES})]),
    "small chart": small_chart(HOSTILE, BAND, ("recall", "precision"), span=(0.0, 1.0), mark=0.2),
    "images": f'<h2>chip</h2><p><img src="{data_uri(Image.new("RGB", (8, 8)))}" alt="chip"></p>',
}


@pytest.mark.parametrize("name", list(PICTURES))
def test_a_picture_has_attributes_instead_of_styles(name):
    assert "<style" not in PICTURES[name]
    assert "style=" not in PICTURES[name]
    assert "<script" not in PICTURES[name]


@pytest.mark.slow
@needs_chromium
def test_pages_of_findings_show_their_pictures_without_errors(tmp_path):
    picture = "".join(PICTURES.values())
    rows = [(HOSTILE, 0.5, "long " * 40)]
    findings = Findings(HOSTILE, ("tag", "mean", "words"), rows, (HOSTILE,), HOSTILE, picture)
    (tmp_path / "a.html").write_text(findings_page(findings))
    with open_page(tmp_path / "a.html", width=390) as page:
        assert page.evaluate("document.querySelector('h1').textContent") == HOSTILE
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert (
            page.evaluate("getComputedStyle(document.querySelector('svg text')).fontFamily") == "system-ui, sans-serif"
        )
        assert accessibility_faults(page) == []
