"""Headless Chromium for tests of pages: `from browsing import browser, page` in a conftest.

After an action a test waits for its effect, with `expect` or `until`: a page handles clicks, keys and addresses later
than the test goes on, and on a slow machine much later.

A test fails if its page says anything in the console that is an error or a warning, throws, opens a dialog, or asks any
other host for anything; what a test provokes itself it takes out of `page.complaints`. Needs Playwright and a Chromium
of the system.
"""

import shutil
from importlib.util import find_spec
from urllib.parse import urlsplit

import pytest

try:
    from playwright.sync_api import expect
except ImportError:  # Then there is no browser, and the tests that need one are skipped.
    expect = None

__all__ = ["NAMES", "browser", "expect", "page", "until", "watched"]

TIMEOUT = 30_000
"""Milliseconds until a condition that does not come is a failure."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
HERE = {"127.0.0.1", "localhost", ""}


@pytest.fixture(scope="module")
def browser():
    """A browser; for a module only, as no asyncio.run works in its thread while it is open."""
    if find_spec("playwright") is None:
        pytest.skip("needs playwright; pip install 'storm-calm[test]'")
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("needs chromium")
    from playwright.sync_api import sync_playwright

    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page of 1280 by 800 in light colours, with a profile of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    context.set_default_timeout(TIMEOUT)
    opened = context.new_page()
    opened.complaints = watched(opened)
    yield opened
    complaints = list(opened.complaints)
    context.close()
    assert complaints == []


def until(page, condition):
    """Wait until a JavaScript expression is true, if no assertion of `expect` fits.

    Not by `page.wait_for_function`: it fails under our Content-Security-Policy unless the expression is true at once.
    """
    page.evaluate(
        f"""async () => {{
            const end = performance.now() + {TIMEOUT};
            while (!({condition})) {{
                if (performance.now() > end) throw new Error("did not become true");
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )


def watched(page):
    """A list that fills with what is wrong with a page."""
    complaints = []

    def said(message):
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def asked(request):
        address = urlsplit(request.url)
        if address.hostname not in HERE and (address.hostname or address.scheme not in ("file", "data", "blob")):
            complaints.append(f"asked for {request.url}")

    def opened(dialog):
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
    page.on("request", asked)
    page.on("dialog", opened)
    return complaints
