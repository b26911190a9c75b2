"""The start screen: examples that the demo model solves, files by drop and paste, and conversations on a phone."""

import pytest

from support.browser_pages import expect
from support.running_server import RunningServer


@pytest.fixture(scope="module")
def demo():
    with RunningServer("nano") as server:
        yield server.url.removesuffix("v1")


@pytest.mark.parametrize(
    ("example", "result"),
    [("Product mix", "1,047.6"), ("Shipping", "348"), ("Demand beyond supply", "No feasible plan")],
)
def test_the_demo_model_solves_the_examples(page, demo, example, result):
    page.goto(demo)
    expect(page.locator("#model")).to_contain_text("Demo model")
    page.get_by_role("button", name=example).click()
    page.get_by_role("button", name="Solve").click()
    card = page.locator(".card")
    expect(card.locator(".objective")).to_have_text(result)
    expect(card.locator(".line.bad, .line.near")).to_have_count(0)


def test_a_question_outside_of_its_families_has_no_result(page, demo):
    page.goto(demo)
    page.get_by_label("Problem or question").fill("What is the capital of France?")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".answer-text")).to_contain_text("I do not know this kind of problem.")
    expect(page.locator(".card")).to_have_count(0)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_files_can_be_dropped_and_pasted(start, kind):
    start.evaluate(
        """(kind) => {
            const data = new DataTransfer();
            data.items.add(new File(["item,weight (kg)\\na,3\\nb,5\\n"], "items.csv", { type: "text/csv" }));
            const field = document.getElementById("question");
            const options = { bubbles: true, cancelable: true };
            field.dispatchEvent(
                kind === "drop"
                    ? new DragEvent("drop", { ...options, dataTransfer: data })
                    : new ClipboardEvent("paste", { ...options, clipboardData: data }),
            );
        }""",
        kind,
    )
    expect(start.get_by_role("region", name="Preview of items.csv")).to_contain_text("kg · 3 to 5")


def test_a_file_with_the_same_name_gets_another(start, csv_files):
    start.set_input_files("#chooser", csv_files[0])
    start.set_input_files("#chooser", csv_files[0])
    expect(start.locator(".file b")).to_have_text(["plants.csv", "plants-2.csv"])


def test_the_list_covers_the_page_of_a_phone_until_one_is_chosen(ask, page):
    page.set_viewport_size({"width": 390, "height": 800})
    ask("first question")
    side = page.get_by_role("navigation", name="Conversations")
    expect(side).to_be_hidden()
    page.get_by_role("button", name="Open the list of conversations").click()
    page.get_by_role("button", name="New problem").click()
    expect(side).to_be_hidden()
    expect(page.get_by_label("Problem or question")).to_be_focused()
    page.get_by_role("button", name="Open the list of conversations").click()
    side.get_by_role("button", name="first question", exact=False).first.click()
    expect(page.locator(".question-text")).to_have_text("first question")
    page.get_by_role("button", name="Open the list of conversations").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open the list of conversations")).to_be_focused()


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_nothing_is_wider_than_the_window(solved, width):
    solved.set_viewport_size({"width": width, "height": 900})
    for tab in ("Plan", "Limits", "Variables", "Formulas", "Program", "Save"):
        solved.get_by_role("tab", name=tab).click()
        assert solved.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
