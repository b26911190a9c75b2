"""Conversations stay in the browser, and can be saved as files, opened, and are checked when opened."""

import json

import pytest

from support.browser_pages import expect, until


@pytest.fixture
def save(page, tmp_path):
    """Return a function that saves the shown conversation and returns the file's path."""

    def save():
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save as file").click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    return save


def test_conversations_survive_a_reload(ask):
    page = ask("first question")
    page.get_by_role("button", name="New problem").click()
    ask("second question")
    page.reload()
    expect(page.locator(".question-text")).to_have_text("second question")
    expect(page.locator(".answer-text")).to_contain_text("second question")
    items = page.locator("#conversations .item .name")
    expect(items).to_have_text(["second question", "first question"])
    items.last.click()
    expect(page.locator(".question-text")).to_have_text("first question")
    expect(page.get_by_role("heading", level=1)).to_have_text("first question")


def test_a_half_finished_answer_is_shown_as_stopped_after_a_reload(ask):
    page = ask("[[endless]]", wait=False)
    expect(page.locator(".thought .preview")).to_contain_text("word")
    until(page, "document.querySelector('.thought .preview').textContent.match(/word (\\d+)/)?.[1] > 300")
    page.reload()
    expect(page.locator(".ended")).to_have_text("Stopped before the answer was complete.")
    page.locator(".thought summary").click()
    expect(page.locator(".thought-text")).to_contain_text("word 100")


def test_a_conversation_can_be_renamed_found_and_deleted(ask):
    page = ask("alpha question")
    page.get_by_role("button", name="New problem").click()
    ask("beta question")
    page.get_by_role("button", name="Rename alpha question").click()
    page.get_by_label("Title").fill("Spring plan")
    page.keyboard.press("Enter")
    names = page.locator("#conversations .item .name")
    expect(names).to_have_text(["beta question", "Spring plan"])
    page.get_by_label("Search conversations").fill("spring")
    expect(names).to_have_text(["Spring plan"])
    page.get_by_label("Search conversations").fill("")
    page.get_by_role("button", name="Delete beta question").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(names).to_have_text(["Spring plan"])
    expect(page.get_by_role("heading", name="What should be planned?")).to_be_visible()


def test_an_edited_question_branches_and_the_earlier_version_stays(ask):
    page = ask("first version")
    ask("and then?")
    page.get_by_role("button", name="Edit the question: first version").click()
    page.get_by_role("textbox", name="Question", exact=True).fill("second version")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".question-text")).to_have_text(["second version"])
    expect(page.locator(".versions")).to_contain_text("2 of 2")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    page.get_by_role("button", name="Earlier version").click()
    expect(page.locator(".question-text")).to_have_text(["first version", "and then?"])


def test_a_follow_up_sends_the_conversation(ask, planner):
    ask("What is the profit?")
    ask("And with 50 more hours?")
    prompt = planner.asked[-1]["prompt"]
    assert prompt.index("What is the profit?") < prompt.index("user: What is the profit?") < prompt.index("And with 50")


def test_a_saved_conversation_opens_with_its_plan(solved, save, browser, address):
    path = save()
    context = browser.new_context()
    other = context.new_page()
    other.goto(address)
    other.set_input_files("#chooser", path)
    card = other.locator(".card")
    expect(card.locator(".objective")).to_have_text("615")
    expect(other.locator(".question-files")).to_contain_text("plants.csv")
    card.get_by_role("tab", name="Limits").click()
    other.get_by_role("button", name="Upper limit of capacity_North").click()
    other.keyboard.type("55")
    other.keyboard.press("Enter")
    card.get_by_role("button", name="Solve again").click()
    expect(card.locator(".objective")).to_have_text("620")
    other.reload()
    expect(card.locator(".objective")).to_have_text("620")
    context.close()


def test_an_opened_file_does_not_replace_a_conversation(ask, save):
    page = ask("only once")
    page.set_input_files("#chooser", save())
    expect(page.locator("#conversations .item")).to_have_count(2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(version=99), "has version 99; this page reads version 1"),
        (lambda data: data.update(turns="x"), "turns is not a list"),
        (lambda data: data["turns"][0].update(parent="elsewhere"), "turns[0].parent is not an earlier turn"),
        (lambda data: data["turns"][0]["question"].update(text=7), "turns[0].question.text is not text"),
        (lambda data: data["turns"][0]["answer"].update(state="odd"), "turns[0].answer.state is not one of"),
        (lambda data: data["turns"][0]["answer"].update(seconds=-1), "turns[0].answer.seconds is not a number"),
        (
            lambda data: data["turns"][0]["question"].update(files=[{"name": "a", "size": 1, "data": "<b>"}]),
            "turns[0].question.files[0].data is not base64",
        ),
    ],
)
def test_a_malformed_file_is_not_opened(ask, save, change, message):
    page = ask("question")
    path = save()
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    page.set_input_files("#chooser", path)
    expect(page.locator("#notice")).to_contain_text(message)
    expect(page.locator("#conversations .item")).to_have_count(1)


def test_an_incomplete_file_is_not_opened(ask, save):
    page = ask("question")
    path = save()
    path.write_text(path.read_text()[:-10])
    page.set_input_files("#chooser", path)
    expect(page.locator("#notice")).to_contain_text("The file is not complete")


def test_values_of_the_wrong_kind_in_a_report_do_not_break_the_page(solved, save):
    path = save()
    data = json.loads(path.read_text())
    report = data["turns"][0]["answer"]["report"]
    report["variables"] = [None, {"name": ["x"]}, 7, {"name": "<b>x</b>", "value": "1"}]
    report["groups"] = [{"name": {}, "indices": [["a", {}], None], "values": ["x", 2]}]
    report["chart"] = {"kind": "flows", "sources": [None, {}], "targets": 5, "values": ["a"]}
    report["notation"] = {
        "lines": [{"name": 3, "math": ["script", ["alert(1)"], {"onclick": "alert(1)"}]}, {"math": 5}]
    }
    report["constraints"] = {"a": 1}
    data["turns"][0]["answer"]["facts"]["verdict"] = 5
    path.write_text(json.dumps(data))
    solved.set_input_files("#chooser", path)
    expect(solved.locator("#conversations .item")).to_have_count(2)
    card = solved.locator(".card")
    expect(card.get_by_role("tab", name="Limits")).to_have_count(0)
    card.get_by_role("tab", name="Variables").click()
    expect(card).to_contain_text("<b>x</b>")
    card.get_by_role("tab", name="Formulas").click()
    expect(card.locator("script, [onclick]")).to_have_count(0)
