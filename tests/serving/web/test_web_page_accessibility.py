"""No violations of the rules of axe-core, in light and dark, on each kind of screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from support.browser_pages import expect
from support.planner_upstream import QUESTION

AXE = Axe()


@pytest.fixture(params=["light", "dark"], autouse=True)
def scheme(request, page):
    page.emulate_media(color_scheme=request.param, reduced_motion="reduce")


def violations(page):
    found = AXE.run(page).response["violations"]
    return [f"{one['id']}: {node['target']} {node['html'][:120]}" for one in found for node in one["nodes"]]


def test_start_screen_with_files(start, csv_files):
    assert violations(start) == []
    start.set_input_files("#chooser", csv_files)
    expect(start.get_by_role("region", name="Preview of costs.csv")).to_be_visible()
    assert violations(start) == []


def test_answer(solved):
    solved.locator(".thought summary").first.click()
    solved.locator(".program summary").click()
    for name in ("Plan", "Limits", "Variables", "Formulas", "Program", "Save"):
        solved.get_by_role("tab", name=name).click()
        assert violations(solved) == [], name
    solved.get_by_role("tab", name="Program").click()
    solved.get_by_role("button", name="Edit program").click()
    assert violations(solved) == []


def test_what_if_and_infeasible(solved):
    card = solved.locator(".card")
    card.get_by_role("tab", name="Limits").click()
    for value in ("55", "10"):
        card.get_by_role("button", name="Upper limit of capacity_North").click()
        solved.keyboard.type(value)
        solved.keyboard.press("Enter")
        assert violations(solved) == []
        card.get_by_role("button", name="Solve again").click()
        expect(card.get_by_role("button", name="Solve again")).to_be_disabled()
        assert violations(solved) == []
    card.get_by_role("tab", name="Why not").click()
    assert violations(solved) == []


def test_answer_in_progress_and_stopped(ask):
    page = ask("[[endless]]", wait=False)
    expect(page.locator(".thought .preview")).to_contain_text("word")
    page.locator(".thought summary").click()
    assert violations(page) == []
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".ended")).to_be_visible()
    assert violations(page) == []


def test_failed_answer(ask):
    page = ask("[[half]]", wait=False)
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []


def test_dialogs(ask):
    page = ask("question")
    page.get_by_role("button", name="API key…").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Rename question").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete question").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit the question").click()
    assert violations(page) == []


def test_phone(start, csv_files):
    start.set_viewport_size({"width": 360, "height": 740})
    start.get_by_role("button", name="Open the list of conversations").click()
    assert violations(start) == []
    start.keyboard.press("Escape")
    start.set_input_files("#chooser", csv_files)
    start.get_by_label("Problem or question").fill(QUESTION)
    start.get_by_role("button", name="Solve").click()
    expect(start.locator(".card")).to_be_visible()
    assert violations(start) == []
    assert start.evaluate("document.documentElement.scrollWidth <= innerWidth")
