"""Long trajectories of real models in the page: folds, outline, search, formulas, tokens, and two runs compared."""

import copy
import re

import pytest

from storm_calm.serving.report import open_run, write_report
from support.browser_pages import expect

pytestmark = pytest.mark.slow

FORMULAS = r"""1. **Define the variables:**
   Let \( x_1 \) be the minutes of the first machine, and $x_2$ of the second.

2. **Define the constraints:**
   - The hours of work:
     \[
     3x_1
     + 2x_2 \leq 40
     \]
   - Both:
     \[
     \begin{cases} x_1 \geq 0 \\ x_2 \geq 0 \end{cases}
     \]

The total is \(\frac{1\), and `solver.Add` adds 2*x_1 + 3*x_2. See [the page](https://example.com).
"""
THOUGHT = "First I look at the machines.\n\n" + FORMULAS + "\nHmm, a needle here.\n\n" * 60 + "So I write a program.\n"


def span(source, text):
    return {"source": source, "text": text, "ids": None, "ends": None, "finish": None}


@pytest.fixture
def long(records):
    """Return a record in the style of a large model: long thoughts with formulas, a failed program, a second one."""
    record = copy.deepcopy(next(one for one in records if one["episode"]["executions"]))
    record["id"] = "long"
    record["episode"]["problem"]["id"] = record["native"]["problem"]["id"] = "long"
    episode = record["episode"]
    prompt = [one for one in episode["transcript"]["spans"] if one["source"] == "prompt"]
    first = episode["executions"][0] | {
        "status": "error",
        "code": "1 / 0",
        "reports": [],
        "stdout": "",
        "stderr": "oops",
    }
    second = episode["executions"][0]
    episode["executions"] = [first, second]
    episode["interventions"] = []
    episode["transcript"]["spans"] = [
        *prompt,
        span("model", THOUGHT + "```python\n1 / 0\n```\n"),
        span("tool", "```output\nZeroDivisionError\n```\n"),
        span("model", f"Again.\n```python\n{second['code']}\n```\n"),
        span("tool", "```output\n47\n```\n"),
        span("model", "It is optimal.\n</think>\n\nThe answer is \\(\\boxed{47}\\)."),
    ]
    return record


def run(page):
    return page.locator(".run").first


def test_a_long_thought_is_folded_to_its_first_and_last_line(look, long, made):
    page = look(made([long]), "#/episode/long")
    fold = run(page).locator("details.long")
    expect(fold).to_have_count(1)
    expect(fold.locator("summary")).to_contain_text(re.compile(r"Thought.*[\d,]+ tokens, \d+ lines", re.DOTALL))
    expect(fold.locator(".line").first).to_have_text("First I look at the machines.")
    expect(fold.locator(".line").last).to_contain_text("So I write a program.")
    expect(fold.locator(".markdown")).to_be_hidden()
    fold.locator("summary").click()
    expect(fold.locator(".markdown")).to_be_visible()
    expect(fold.locator(".line").first).to_be_hidden()


def test_the_outline_lists_the_parts_and_leads_to_them(look, long, made):
    page = look(made([long]), "#/episode/long")
    parts = run(page).locator(".outline button")
    expect(parts.first).to_contain_text("Thought")
    texts = parts.evaluate_all("buttons => buttons.map(button => button.textContent)")
    assert [re.match(r"Thought|Text|Program \d|Output \d|Answer|End", text)[0] for text in texts] == [
        "Thought", "Program 1", "Output 1", "Thought", "Program 2", "Output 2", "Thought", "Text", "Answer",
    ]  # fmt: skip
    assert texts[2] == "Output 1error"
    parts.first.click()
    expect(run(page).locator("details.long .markdown")).to_be_visible()
    parts.nth(5).click()
    output = page.get_by_label("Output of program 2").first
    expect(output).to_be_in_viewport()
    expect(output.locator("pre").first).to_be_visible()
    expect(run(page).locator(".outline [aria-current]")).to_have_count(1)


def test_formulas_and_markdown_are_drawn_and_broken_ones_show_their_source(look, long, made):
    page = look(made([long]), "#/episode/long")
    page.keyboard.press("o")
    text = run(page).locator("details.long .markdown")
    expect(text.locator("ol > li")).to_have_count(2)
    expect(text.locator("strong").first).to_have_text("Define the variables:")
    formulas = text.locator("math")
    assert formulas.count() == 4
    assert formulas.first.evaluate("math => math.namespaceURI") == "http://www.w3.org/1998/Math/MathML"
    assert formulas.first.evaluate("math => math.querySelector('msub').getBoundingClientRect().width") > 0
    expect(text.locator(".formula code")).to_have_text("\\frac{1")
    expect(text).to_contain_text("2*x_1 + 3*x_2")
    expect(text).to_contain_text("[the page](https://example.com)")
    assert text.locator("a").count() == 0


def test_search_unfolds_what_it_finds_and_steps_through_it(look, long, made):
    page = look(made([long]), "#/episode/long")
    expect(run(page).locator(".outline")).to_be_visible()
    page.keyboard.press("f")
    page.keyboard.type("a needle HERE")
    expect(page.locator("#find-count")).to_have_text(re.compile(r"^1 of \d+$"))
    expect(run(page).locator("details.long .markdown")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator("#find-count")).to_have_text(re.compile(r"^2 of \d+$"))
    page.keyboard.press("N")
    expect(page.locator("#find-count")).to_have_text(re.compile(r"^1 of \d+$"))
    page.fill("#find", "nothing of the kind")
    expect(page.locator("#find-count")).to_have_text("not found")


def test_a_search_for_latex_changes_to_the_raw_text(look, long, made):
    page = look(made([long]), "#/episode/long")
    expect(run(page).locator(".outline")).to_be_visible()
    page.fill("#find", r"\begin{cases} x_1")
    expect(page.locator("#find-count")).to_have_text("1 of 1")
    expect(page.locator("[data-view=raw]")).to_have_attribute("aria-pressed", "true")
    assert r"\( x_1 \) be the minutes" in run(page).locator("details.long .prose").text_content()


def test_a_full_text_search_continues_in_the_episode(look, long, made):
    page = look(made([long]), "#/episodes?q=needle&whole=1")
    page.locator("a.open").click()
    expect(page.locator("#find")).to_have_value("needle")
    expect(page.locator("#find-count")).to_have_text(re.compile(r"^1 of \d+$"))
    expect(run(page).locator("details.long .markdown")).to_be_visible()


def test_evidence_is_marked_in_markdown_and_opens_its_thought(look, long, made):
    finding = {
        "trigger": "wrong_formulation",
        "evidence": "Hmm, a needle here.",
        "confidence": 1,
        "rule": "sense",
        "why": "",
    }
    prompt = len(long["episode"]["transcript"]["spans"][0]["text"])
    long |= {"outcome": "finding_left", "finding": finding | {"offset": prompt + 5}}
    page = look(made([long]), "#/episode/long")
    expect(run(page).locator("details.long mark")).to_have_text("Hmm, a needle here.")
    expect(run(page).locator("details.long mark")).to_be_visible()


def test_tokens_have_their_ids_and_the_part_of_the_loss(look, made, records):
    record = next(one for one in records if one["episode"]["interventions"] and one["episode"]["executions"])
    page = look(made([record]), f"#/episode/{record['id']}")
    expect(run(page).locator(".outline")).to_be_visible()
    page.keyboard.press("r")
    page.keyboard.press("r")
    expect(page.locator("[data-view=tokens]")).to_have_attribute("aria-pressed", "true")
    for source, words in (("model", "trained on"), ("hint", "in SFT"), ("tool", "not trained on")):
        expect(run(page).locator(f".span.{source} .kind").first).to_contain_text(words)
    titles = run(page).locator(".token").evaluate_all("tokens => tokens.map(token => token.title)")
    spans = record["episode"]["transcript"]["spans"]
    assert titles == [f"id {id_}" for span in spans for id_ in span["ids"]]
    first = run(page).locator("pre.tokens.model").first
    assert first.evaluate("pre => pre.textContent").replace("·", "") == spans[1]["text"]
    expect(page.locator(".run").nth(1).locator(".note").first).to_have_text("The page has no token ids of this text.")


@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("view", ["text", "raw", "tokens"])
def test_the_page_fits_three_widths(look, long, made, page, width, view):
    long["episode"]["transcript"]["spans"][1]["text"] += "x" * 3000 + r" \[" + "+ x_1 " * 100 + r"\]"
    page.set_viewport_size({"width": width, "height": 800})
    look(made([long]), "#/episode/long")
    expect(run(page).locator(".outline")).to_be_visible()
    page.click(f"[data-view={view}]")
    page.keyboard.press("o")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate("Math.min(...[...document.querySelectorAll('.bar *')].map(e => e.getBoundingClientRect().left))")
        >= 0
    )


@pytest.fixture
def compared(made, many, page, tmp_path):
    """Open the comparison of two runs: one problem is lost, one is gained, one is right in both."""
    first, second = [list(many(3)) for _ in range(2)]
    for run_, number in ((first, 1), (second, 0)):
        run_[number]["episode"]["problem"]["answers"] = [123456.5]
        run_[number]["outcome"] = "wrong_answer"
    runs = [open_run(made(first, name="before")), open_run(made(second, name="after"))]
    report = write_report(runs[0], tmp_path / "report.html", other=runs[1])
    page.goto(f"file://{report.path}#/compare")
    expect(page.locator("body[data-ready]")).to_be_visible()
    return page


def test_problems_that_flipped_are_shown_side_by_side(compared):
    page = compared
    expect(page.locator("a.open")).to_have_text(["made-0000", "made-0001"])
    expect(page.locator("tbody tr").first.locator("td").first).to_have_text("lost")
    expect(page.locator(".chips")).to_contain_text("both right1")
    page.locator("a.open").first.click()
    expect(page.locator(".run h2").first).to_contain_text("before")
    expect(page.locator(".run h2").nth(1)).to_contain_text("after")
    expect(page.locator(".run .trajectory")).to_have_count(2)
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("made-0001")
    expect(page.locator(".meta")).to_contain_text("gained")
    page.keyboard.press("Escape")
    expect(page.locator("h1")).to_have_text("Two runs")
    page.locator(".chips a", has_text="both right").click()
    expect(page.locator("a.open")).to_have_text(["made-0002"])
