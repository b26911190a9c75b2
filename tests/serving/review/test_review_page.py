"""The review page in a real browser: by keyboard, by mouse, on a phone, with hostile texts, with everything killed."""

import contextlib
import json
import re
import shutil

import psutil
import pytest

from storm_calm.env import TRIGGERS, Problem
from storm_calm.serving.review.ratings import QUESTIONS
from storm_calm.serving.review.read_review import read_review
from storm_calm.serving.review.review_results import results, results_to_json
from storm_calm.serving.review.reviewer import reviewer_file
from support.browser_pages import NAMES, expect, until
from support.fake_reasoner import workshop
from support.review_process import ReviewProcess

pytestmark = pytest.mark.slow

KEYS = {"yes": "y", "no": "n", "cannot_say": "c"}
ANA = [
    # finding, trigger, right trigger, hint, lightweight, leak, comment
    ("yes", "yes", None, "yes", "yes", "no", ""),
    ("no", "no", "none", "no", "yes", "no", "nothing is wrong here"),
    ("yes", "no", "implementation_drift", "yes", "yes", "no", ""),
    ("yes", "yes", None, "cannot_say", "no", "yes", "é < & \U0001f600"),
    ("yes", "yes", None, "yes", "yes", "no", ""),
    ("no", "cannot_say", None, "no", "no", "no", ""),
]
BEN = [
    ("yes", "yes", None, "yes", "yes", "no", ""),
    ("no", "no", "wrong_formulation", "yes", "yes", "no", ""),
    ("yes", "yes", None, "yes", "cannot_say", "no", "I\nthink so"),
    ("no", "yes", None, "yes", "no", "yes", ""),
    ("yes", "yes", None, "no", "yes", "no", ""),
    ("yes", "yes", None, "yes", "yes", "no", ""),
]


def opened(page, place, number=None):
    """The page, with an intervention in it."""
    page.goto(place.url + (f"#{number}" if number else ""))
    at(page, number or r"\d+")
    return page


def at(page, number):
    expect(page.locator("#place")).to_have_text(re.compile(rf"^{number} of "))


def saved(page, words="Saved"):
    expect(page.locator("#status")).to_have_text(words)


def asked(page, name):
    """Wait until the keys answer this question."""
    expect(page.locator(f'#questions > .here > .answers input[name="{name}"]')).to_have_count(3)


def answered(page, name, answer):
    """Wait until a question has this answer."""
    expect(page.locator(f'input[name="{name}"][value="{answer}"]')).to_be_checked()


def answer_by_key(page, name, answer):
    page.keyboard.press(KEYS[answer])
    answered(page, name, answer)


def lines(run, name):
    """What is in a reviewer's file, the last line of each intervention."""
    read = [json.loads(line) for line in reviewer_file(run, name).read_text().splitlines()]
    return {line["item"]: line for line in read}


def expected(said):
    *answers, comment = said[:2] + said[3:]
    return {"answers": dict(zip(QUESTIONS, answers, strict=True)), "right_trigger": said[2], "comment": comment}


def by_keyboard(page, said):
    finding, trigger, right, hint, light, leak, comment = said
    for name, answer in zip(QUESTIONS, (finding, trigger, hint, light, leak), strict=True):
        answer_by_key(page, name, answer)
        if name == "trigger" and right:
            page.keyboard.press(str(0 if right == "none" else TRIGGERS.index(right) + 1))
            answered(page, "right_trigger", right)
    if comment:
        page.keyboard.press("m")
        expect(page.locator("#comment")).to_be_focused()
        page.keyboard.insert_text(comment)
        expect(page.locator("#comment")).to_have_value(comment)
        page.keyboard.press("Control+Enter")
    else:
        page.keyboard.press("Enter")


def by_mouse(page, said):
    finding, trigger, right, hint, light, leak, comment = said
    for name, answer in zip(QUESTIONS, (finding, trigger, hint, light, leak), strict=True):
        page.locator(f'label:has(input[name="{name}"][value="{answer}"])').click()
        answered(page, name, answer)
        if name == "trigger" and right:
            page.locator(f'label:has(input[name="right_trigger"][value="{right}"])').click()
            answered(page, "right_trigger", right)
    if comment:
        page.locator("#comment").click()
        page.locator("#comment").fill(comment)


def test_two_people_review_a_run_and_the_results_are_theirs(page, run):
    with ReviewProcess(run, "ana") as place:
        opened(page, place)
        for number, said in enumerate(ANA, start=1):
            at(page, number)
            by_keyboard(page, said)
        expect(page.locator("#done")).to_be_visible()
        saved(page)
        expect(page.locator("#reviewed")).to_have_text("6")
    with ReviewProcess(run, "ben") as place:
        opened(page, place, 1)
        for number, said in enumerate(BEN, start=1):
            at(page, number)
            expect(page.locator("input:checked")).to_have_count(0)
            by_mouse(page, said)
            saved(page)
            if number < 6:
                page.locator("#next" if number % 2 else "#onward").click()
        expect(page.locator("#done")).to_be_visible()
    sample = list(json.loads((run / "review" / "sample.json").read_text())["items"])
    for name, told in (("ana", ANA), ("ben", BEN)):
        kept = lines(run, name)
        for item, said in zip(sample, told, strict=True):
            assert {key: kept[item][key] for key in ("answers", "right_trigger", "comment")} == expected(said), item
    found = results_to_json(results(read_review(run)))
    # finding: yes yes, no no, yes yes, yes no, yes yes, no yes: two ties, which count as no.
    assert {key: found["overall"]["finding"][key] for key in ("n", "yes", "split")} == {"n": 6, "yes": 3, "split": 2}
    # Both yes 3, both no 1, one each way: 4 of 6 alike; by chance (4 * 4 + 2 * 2) / 36.
    (pair,) = found["agreement"]
    assert pair["finding"] == {"n": 6, "raw": round(4 / 6, 6), "kappa": round((4 / 6 - 20 / 36) / (1 - 20 / 36), 6)}
    # leak: the fourth one, said by both.
    assert pair["leak"] == {"n": 6, "raw": 1.0, "kappa": 1.0}
    # Rejected: the second (both against the finding), the fourth (both: a leak), the fifth and the sixth (ties).
    assert set(found["rejected"]) == {sample[1], sample[3], sample[4], sample[5]}


def test_nothing_is_lost_when_browser_and_server_are_killed_in_the_middle(browser, run):
    # A browser of its own, to be killed.
    path = next(filter(None, map(shutil.which, NAMES)))
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    victim = browser.browser_type.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
    started = [one for one in psutil.Process().children(recursive=True) if one.pid not in before]
    with ReviewProcess(run, "ana") as place:
        page = opened(victim.new_page(), place)
        answer_by_key(page, "finding", "yes")
        answer_by_key(page, "trigger", "no")
        page.keyboard.press("m")
        expect(page.locator("#comment")).to_be_focused()
        page.keyboard.type("half a thought, and")
        expect(page.locator("#comment")).to_have_value("half a thought, and")
        saved(page, "Draft saved")
        for one in started:
            # The others may end by themselves as soon as the first is killed.
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        place.kill()
    with ReviewProcess(run, "ana") as place:
        page = opened(browser.new_page(), place)
        answered(page, "finding", "yes")
        answered(page, "trigger", "no")
        expect(page.locator("#comment")).to_have_value("half a thought, and")
        page.keyboard.press("3")
        asked(page, "hint")
        answer_by_key(page, "hint", "yes")
        saved(page, "Draft saved")
        place.kill()
        page.close()
    with ReviewProcess(run, "ana") as place:
        page = opened(browser.new_page(), place)
        expect(page.locator("input:checked")).to_have_count(3)
        expect(page.locator("#reviewed")).to_have_text("0")
        page.close()


def test_a_server_that_is_gone_is_told_and_what_was_said_is_sent_when_it_is_back(page, run):
    with ReviewProcess(run, "ana") as place:
        # As a network that fails: the address of a new server would be another one. A switch, set up before the page is
        # there: Chromium may send one more request of a page that is there before a new route counts.
        down = True
        page.route(
            "**/items/*", lambda route: route.abort() if down and route.request.method != "GET" else route.continue_()
        )
        opened(page, place)
        gone = "Not saved: the server does not answer. Retrying; keep this page open."
        answer_by_key(page, "finding", "yes")
        saved(page, gone)
        answer_by_key(page, "trigger", "yes")
        assert not reviewer_file(run, "ana").exists()
        down = False
        saved(page, "Draft saved")
        (line,) = lines(run, "ana").values()
        assert line["answers"] == {"finding": "yes", "trigger": "yes"}
        file = reviewer_file(run, "ana")
        before = file.read_bytes()
        file.unlink()
        file.mkdir()
        answer_by_key(page, "hint", "yes")
        again = "Retrying; keep this page open."
        saved(page, f"Not saved: the rating cannot be written: Is a directory. {again}")
        # Nothing may be written between the next two steps: it would be overwritten.
        down = True
        saved(page, gone)
        file.rmdir()
        file.write_bytes(before)
        down = False
        saved(page, "Draft saved")
        (line,) = lines(run, "ana").values()
        assert line["answers"] == {"finding": "yes", "trigger": "yes", "hint": "yes"}
        half = r"one => { one.value = 'half a character: \ud83d'; one.dispatchEvent(new Event('input')); }"
        page.locator("#comment").evaluate(half)
        saved(page, "Not saved: the comment is not valid text from character 19.")
        page.locator("#comment").fill("whole")
        saved(page, "Draft saved")
    assert page.complaints
    assert all("Failed to load resource" in one for one in page.complaints)
    page.complaints.clear()


def test_a_mind_can_be_changed_and_a_trigger_that_is_right_after_all_needs_no_other(page, run):
    with ReviewProcess(run, "ana") as place:
        opened(page, place)
        by_keyboard(page, ("yes", "no", "none", "yes", "yes", "no", ""))
        at(page, 2)
        page.keyboard.press("k")
        at(page, 1)
        answered(page, "right_trigger", "none")
        page.keyboard.press("2")
        asked(page, "trigger")
        answer_by_key(page, "trigger", "yes")
        page.keyboard.press("5")
        asked(page, "leak")
        answer_by_key(page, "leak", "yes")
        saved(page)
        expect(page.locator(".which")).to_be_hidden()
        (line,) = lines(run, "ana").values()
        assert (line["answers"]["trigger"], line["right_trigger"], line["answers"]["leak"]) == ("yes", None, "yes")
        page.keyboard.press("ArrowRight")
        at(page, 2)
        page.locator("#previous").click()
        at(page, 1)
        answered(page, "leak", "yes")


def test_quick_keys_go_where_they_were_meant(page, run):
    with ReviewProcess(run, "ana") as place:
        opened(page, place)

        def hold(route):
            # Pressed after Enter, before the next intervention can have come.
            if route.request.method == "GET":
                for key in "nc":
                    page.keyboard.press(key)
            route.continue_()

        page.route("**/items/1", hold)
        for key in "yyyyn":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        at(page, 2)
        answered(page, "finding", "no")
        answered(page, "trigger", "cannot_say")
        saved(page, "Draft saved")
        first, second = lines(run, "ana").values()
    assert first["answers"] == dict(zip(QUESTIONS, ("yes", "yes", "yes", "yes", "no"), strict=True))
    assert second["answers"] == {"finding": "no", "trigger": "cannot_say"}


def test_the_trigger_that_fired_is_no_choice_and_keys_in_a_comment_are_letters(page, run):
    with ReviewProcess(run, "ana") as place:
        opened(page, place)
        fired = page.locator("#trigger").inner_text()
        page.keyboard.press("2")
        asked(page, "trigger")
        answer_by_key(page, "trigger", "no")
        choices = page.locator(".which label:visible")
        expect(choices).to_have_count(7)
        expect(choices.filter(has_text=fired)).to_have_count(0)
        page.locator("#comment").click()
        expect(page.locator("#comment")).to_be_focused()
        page.keyboard.type("yes, no? 1\nk")
        expect(page.locator("#comment")).to_have_value("yes, no? 1\nk")
        page.keyboard.press("Escape")
        expect(page.locator("#comment")).not_to_be_focused()
        saved(page, "Draft saved")
        (line,) = lines(run, "ana").values()
        assert (line["answers"], line["comment"]) == ({"trigger": "no"}, "yes, no? 1\nk")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).to_be_hidden()
        page.keyboard.press("j")
        at(page, 2)


HOSTILE = (
    "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    "</p></blockquote><svg onload=document.title='taken'>{{7*7}}\u202e"
)


def test_nothing_that_anybody_wrote_becomes_markup(page, made, intervened):
    problem = Problem(id=HOSTILE, question=f"Q {HOSTILE}", answers=(7.0,), family=HOSTILE, source=HOSTILE)
    folder = made(
        intervened(
            problem,
            before=f"B {HOSTILE}\n```python\n{HOSTILE}\n```\n```output\n{HOSTILE}\n```\n",
            removed=f"R {HOSTILE}\n```{HOSTILE}\n{HOSTILE}",
            hint=f"H {HOSTILE}",
            evidence=HOSTILE,
            why=f"W {HOSTILE}",
        )
    )
    with ReviewProcess(folder, "ana") as place:
        opened(page, place)
        page.locator("#comment").fill(HOSTILE)
        saved(page, "Draft saved")
        page.reload()
        at(page, 1)
        expect(page).to_have_title("Review of made")
        expect(page.locator("img, svg, main script")).to_have_count(0)
        for id, begins in (("question", "Q "), ("hint", "H "), ("why", "W "), ("evidence", "")):
            assert page.locator(f"#{id}").text_content() == begins + HOSTILE
        assert page.locator("#before").text_content().count(HOSTILE) == 3
        # Its evidence is marked where it stands, as text.
        assert page.locator("#removed mark").first.text_content() == HOSTILE
        expect(page.locator("#comment")).to_have_value(HOSTILE)


def test_the_texts_stand_as_what_they_are(page, made, intervened):
    before = "I plan.\n```python\nprint(1)\n```\n```output\n1\n```\nSo far.\n"
    folder = made(intervened(workshop(8), before=before, removed="By hand: 7.\n```python\nx = 1\n", why="No program."))
    with ReviewProcess(folder, "ana") as place:
        opened(page, place)
        kinds = page.locator("#before > *").evaluate_all("all => all.map((one) => [one.tagName, one.className])")
        assert kinds == [["P", "by-model"], ["PRE", "code"], ["PRE", "output"], ["P", "by-model"]]
        assert page.locator("#before pre.code").text_content() == "print(1)"
        assert page.locator("#removed pre.code").text_content() == "x = 1"
        assert page.locator("#removed mark").text_content() == "By hand"
        assert page.locator("#answers").inner_text() == "24"
        assert page.locator("#why").inner_text() == "No program."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all_without_going_sideways(page, made, intervened, scheme):
    folder = made(
        intervened(
            workshop(8), before=f"{'x' * 500}\n```python\n{'y' * 500}\n```\n" * 9, removed="z" * 900, evidence="z" * 300
        )
    )
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    with ReviewProcess(folder, "ana") as place:
        opened(page, place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        inside = page.locator("#before").evaluate("one => [one.scrollTop + one.clientHeight, one.scrollHeight]")
        assert abs(inside[0] - inside[1]) <= 1  # Its end is what is shown, as that is where it was cut.
        page.locator("#unfold").click()
        whole = "document.getElementById('before')"
        until(page, f"{whole}.scrollHeight === {whole}.clientHeight")
        by_mouse(page, ANA[1])
        expect(page.locator("#done")).to_be_visible()
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, colour[4:-1].split(","))) < 200) == (scheme == "dark")


def test_the_page_can_be_used_with_tab_and_names_its_parts(page, run):
    with ReviewProcess(run, "ana") as place:
        opened(page, place)
        names = set()
        for _ in range(20):
            page.evaluate("window.was = document.activeElement")
            page.keyboard.press("Tab")
            until(page, "document.activeElement !== window.was")
            names.add(page.evaluate("document.activeElement.name || document.activeElement.id"))
        assert {*QUESTIONS, "comment", "next", "onward", "before", "keys-button"} <= names
        expect(page.get_by_role("group", name="Is the finding right?")).to_have_count(1)
        expect(page.get_by_role("textbox", name="Comment")).to_have_count(1)
