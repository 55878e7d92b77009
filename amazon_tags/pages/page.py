"""HTML pages in one file: style, scripts and data stand in the page, and its policy lets it load nothing else.

Templates escape every value. The Content-Security-Policy names the SHA-256 of the style sheets and scripts that were
written here, so that a script that stands in a chip's name, were it ever not escaped, does not run.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

ASSETS = Path(__file__).parent / "assets"


def render_page(
    template: str,
    *,
    title: str,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Any = None,
    local_images: bool = False,
    **values: object,
) -> str:
    """Return a page as HTML.

    Args:
        template: its name in `templates/`; it extends `base.html` and fills the block `body`.
        title: of the page, as its heading too.
        styles: names in `assets/` of style sheets that come behind `page.css`.
        scripts: names in `assets/` of scripts, which run in their order when the page is loaded.
        data: what the scripts read by `pageData()`: whatever JSON can hold.
        local_images: whether images may come from files beside the page; otherwise they stand in it.
        values: further names for the template.
    """
    style = "\n".join(_asset(name) for name in ("page.css", *styles))
    script = "\n".join(_asset(name) for name in ("page.js", *scripts)) if scripts else ""
    images = "data: file: 'self'" if local_images else "data:"
    policy = (
        f"default-src 'none'; img-src {images}; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    style, script, policy = Markup(style), Markup(script), Markup(policy)  # noqa: S704  all three were written here
    page = _environment().get_template(template)
    return page.render(title=title, style=style, script=script, data=data, policy=policy, **values)


def render_fragment(template: str, **values: object) -> str:
    """Return a piece of HTML without a page around it, such as a notebook shows; every value is escaped."""
    return _environment().get_template(template).render(**values)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("amazon_tags.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
