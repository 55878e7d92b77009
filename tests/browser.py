"""Pages in headless Chromium: opened from disk, with no network, and with every error and request counted."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MAX_WAIT_SECONDS = 30
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@contextmanager
def open_page(file: Path, *, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Give a page of Playwright that shows a file; at the end, fail on an error in its console or an outside request.

    `page.context` is kept for the whole time, so `page.reload()` finds what the page stored.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": width, "height": height}, offline=True).new_page()
        troubles: list[str] = []
        page.on("console", lambda line: troubles.extend([line.text] * (line.type in {"error", "warning"})))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.extend([request.url] * is_outside(request.url)))
        page.goto(file.resolve().as_uri())
        yield page
        browser.close()
    assert not troubles, troubles


def wait_for(page: Any, expression: str) -> None:
    """Wait until an expression holds; Playwright's own way evaluates text in the page, which its policy forbids."""
    end = time.monotonic() + MAX_WAIT_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"{expression} did not hold in {MAX_WAIT_SECONDS} s"
        page.wait_for_timeout(20)


def is_outside(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


def accessibility_faults(page: Any) -> list[str]:
    """Return what axe-core finds wrong with a page as it stands: WCAG 2 to level AA, and axe's best practices.

    Each fault is a rule with the elements that break it. Call it again after each step that shows something else, such
    as a dialog: what is hidden is not checked.
    """
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']} ({rule['impact']}): {[node['html'][:200] for node in rule['nodes']]}" for rule in found]
