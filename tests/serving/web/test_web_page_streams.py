"""Answers in progress: stop, retry, errors in words, keys, hostile text, and use by keyboard."""

import hashlib
import re

import pytest

from storm_calm.serving.api.auth import Keys
from support.browser_pages import expect, until
from support.running_server import RunningServer

KEY = "sk-test-0123456789abcdef"
KEY_HASH = hashlib.sha256(KEY.encode()).hexdigest()


def test_thoughts_are_folded_with_a_live_summary(ask, planner):
    page = ask("[[endless]]", wait=False)
    summary = page.locator(".thought summary")
    expect(summary.locator(".label")).to_have_text("Thinking")
    expect(summary.locator(".time")).to_have_text(re.compile(r"^[\d.]+ s$"))
    expect(summary.locator(".preview")).to_contain_text("word 50")
    expect(page.locator(".thought-text")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".ended")).to_have_text("Stopped before the answer was complete.")
    expect(summary.locator(".label")).to_have_text("Thought")


def test_an_answer_can_be_stopped_and_asked_again(ask, live):
    page = ask("[[endless]]", wait=False)
    expect(page.locator(".thought .preview")).to_contain_text("word")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Solve")).to_be_visible()
    page.get_by_role("button", name="Ask the same question again").click()
    expect(page.locator(".versions")).to_contain_text("2 of 2")
    expect(page.locator(".thought .preview")).to_contain_text("word")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".ended")).to_be_visible()
    assert live.running <= 1  # The first answer was cancelled at the server.


def test_the_view_follows_the_end_only_if_the_user_is_there(ask, page):
    page.set_viewport_size({"width": 800, "height": 500})
    ask("x\n" * 60)
    until(page, "scrollY > 0 && scrollY + innerHeight > document.documentElement.scrollHeight - 100")
    ask("[[endless]]", wait=False)
    expect(page.locator(".thought.live")).to_be_visible()
    page.locator(".thought.live summary").click()
    until(page, "scrollY + innerHeight > document.documentElement.scrollHeight - 100")
    page.mouse.move(400, 100)
    page.mouse.wheel(0, -3000)
    until(page, "scrollY < 100")
    before = page.locator(".thought.live .preview").inner_text()
    expect(page.locator(".thought.live .preview")).not_to_have_text(before)
    until(page, "scrollY < 100")
    page.get_by_role("button", name="Stop").click()


def test_a_broken_connection_is_reported_with_a_way_to_retry(ask):
    page = ask("[[half]]", wait=False)
    expect(page.get_by_role("alert")).to_contain_text("The model behind")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_errors_of_the_server_are_shown_in_words(ask, planner, page):
    with RunningServer(planner.url, key_per_minute=1) as server:
        page.goto(server.url.removesuffix("v1"))
        page.get_by_label("Problem or question").fill("one")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".answer-text")).to_contain_text("one")
        page.get_by_label("Problem or question").fill("two")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("The server has too many requests at the moment.")
        expect(page.get_by_role("button", name=re.compile(r"Try again in \d+ s"))).to_be_visible()
    page.complaints[:] = [one for one in page.complaints if "429" not in one]


def test_a_request_that_is_too_large_is_explained(page, planner, tmp_path):
    (tmp_path / "big.csv").write_text("a,b\n" + "1,2\n" * 300_000)
    with RunningServer(planner.url, max_body_mb=0.5) as server:
        page.goto(server.url.removesuffix("v1"))
        page.set_input_files("#chooser", tmp_path / "big.csv")
        page.get_by_label("Problem or question").fill("one")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("The request is larger than the server accepts.")
    page.complaints[:] = [one for one in page.complaints if "413" not in one and "ERR_CONNECTION" not in one]


@pytest.fixture(scope="module")
def locked(planner):
    with RunningServer(planner.url, keys=Keys({"ana": KEY_HASH})) as server:
        yield server.url.removesuffix("v1")


def test_a_key_is_asked_for_and_kept_for_the_tab(page, locked):
    page.goto(locked)
    field = page.get_by_role("textbox", name="API key")
    expect(field).to_be_focused()
    assert field.get_attribute("type") == "password"
    field.fill("sk-wrong-0123456789")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("The server does not accept this key.")
    page.get_by_role("textbox", name="API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Problem or question").fill("hello")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".answer-text")).to_contain_text("hello")
    page.reload()
    expect(page.locator(".answer-text")).to_contain_text("hello")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]
    page.complaints[:] = [one for one in page.complaints if "401" not in one]


def test_without_a_key_the_answer_says_so(page, locked):
    page.goto(locked)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Problem or question").fill("hello")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_contain_text("The server wants an API key.")
    page.complaints[:] = [one for one in page.complaints if "401" not in one]


def test_hints_of_the_guard_are_shown(page, planner):
    with RunningServer(planner.url, guard=True) as server:
        page.goto(server.url.removesuffix("v1"))
        page.get_by_label("Problem or question").fill("What is the largest profit? [[flawed]]")
        page.keyboard.press("Control+Enter")
        expect(page.locator(".hint")).to_contain_text("Hint of the guard")
        expect(page.locator(".answer-text")).to_contain_text("120")


def test_hostile_text_stays_text(ask, page):
    ask("<b>[[hostile]]</b>")
    expect(page.locator(".question-text")).to_have_text("<b>[[hostile]]</b>")
    expect(page.locator(".answer-text")).to_contain_text("window.hacked = 1")
    page.locator(".thought summary").first.click()
    expect(page.locator(".thought-text").first).to_contain_text('<img src=x onerror="window.hacked = 1">')
    page.locator(".program summary").first.click()
    expect(page.locator(".output").first).to_contain_text("<script>window.hacked = 2</script>")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main :is(script, style, iframe, a, img)").count() == 0
    expect(page.locator(".answer-text .odd").first).to_have_text("\\u202e")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_whole_task_can_be_done_by_keyboard(page, address, csv_files):
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the question")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Problem or question")).to_be_focused()
    page.set_input_files("#chooser", csv_files)
    expect(page.locator(".file-row")).to_have_count(2)
    page.get_by_label("Problem or question").focus()
    page.keyboard.type("Ship tons at the least cost. [[ship]]")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".card")).to_be_visible()

    def tab_to(name):
        label = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(label).startswith(name):
                return
        raise AssertionError(f"{name} cannot be reached")

    page.locator(".question-tools button").first.focus()
    tab_to("Plan")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Limits")).to_be_focused()
    tab_to("Upper limit of capacity_North")
    page.keyboard.press("Enter")
    page.keyboard.type("55")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Upper limit of capacity_North")).to_be_focused()
    tab_to("Solve again")
    page.keyboard.press("Enter")
    expect(page.locator(".card .objective")).to_have_text("620")
