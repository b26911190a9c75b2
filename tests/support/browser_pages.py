"""Headless Chromium for tests of web pages: import `browser` and `page` in a conftest.

A page handles clicks, keys and URL changes asynchronously, so a test waits for the effect of an action with `expect`
or `until`.

A test fails if its page logs an error or a warning in the console, throws, opens a dialog, or requests another host.
A test that provokes such a complaint removes it from `page.complaints`. Needs Playwright and an installed Chromium.
"""

import shutil
from importlib.util import find_spec
from urllib.parse import urlsplit

import pytest

try:
    from playwright.sync_api import expect
except ImportError:  # Without Playwright, tests that need a browser are skipped.
    expect = None

__all__ = ["NAMES", "browser", "expect", "page", "until", "watched"]

TIMEOUT = 30_000
"""Milliseconds before an unmet condition fails the test."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
HERE = {"127.0.0.1", "localhost", ""}


@pytest.fixture(scope="module")
def browser():
    """Yield a browser. Module scope only: asyncio.run does not work in its thread while it is open."""
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
    """Yield a 1280 x 800 page with light colours and its own profile."""
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

    Does not use `page.wait_for_function`, which fails under our Content-Security-Policy unless the expression is true
    at once.
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
    """Return a list that collects the page's errors and warnings."""
    complaints = []

    def on_console(message):
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def on_request(request):
        address = urlsplit(request.url)
        if address.hostname not in HERE and (address.hostname or address.scheme not in ("file", "data", "blob")):
            complaints.append(f"asked for {request.url}")

    def on_dialog(dialog):
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
    page.on("request", on_request)
    page.on("dialog", on_dialog)
    return complaints
