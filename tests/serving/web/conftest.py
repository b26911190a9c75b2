"""The page of a running server, with a scripted model that plans shipments."""

import pytest

from support.browser_pages import browser, expect, page
from support.planner_upstream import QUESTION, PlannerUpstream, write_files
from support.running_server import RunningServer

__all__ = ["browser", "page"]


@pytest.fixture(scope="session")
def planner():
    with PlannerUpstream() as opened:
        yield opened


@pytest.fixture(scope="session")
def live(planner):
    """Yield the server that uses the scripted model."""
    with RunningServer(planner.url, solver_seconds=10) as opened:
        yield opened


@pytest.fixture(scope="session")
def address(live):
    return live.url.removesuffix("v1")


@pytest.fixture(scope="session")
def csv_files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("data"))


@pytest.fixture
def start(page, address):
    """Open the start screen and return the page."""
    page.goto(address)
    expect(page.get_by_role("heading", name="What should be planned?")).to_be_visible()
    return page


@pytest.fixture
def ask(start):
    """Return a function that asks a question and waits for the end of the answer."""

    def ask(text, *, files=(), wait=True):
        if files:
            start.set_input_files("#chooser", files)
            expect(start.locator(".file-row")).to_have_count(len(files))
        start.get_by_label("Problem or question").fill(text)
        start.keyboard.press("Control+Enter")
        if wait:
            expect(start.get_by_role("button", name="Stop")).to_be_hidden()
            expect(start.locator(".turn").last.locator(".answer-text")).not_to_be_empty()
        return start

    return ask


@pytest.fixture
def solved(ask, csv_files):
    """Return the page with the answer to the shipping problem."""
    page = ask(QUESTION, files=csv_files)
    expect(page.locator(".card")).to_be_visible()
    return page
