"""The report page opened from disk in Chromium."""

import json
import re

import pytest

from storm_calm.env import TRIGGERS
from storm_calm.serving.report import open_run, write_report
from support.browser_pages import expect, until

pytestmark = pytest.mark.slow


def values(page, card):
    """Return the bars of a card: label to count."""
    return page.locator(".card", has=page.locator(f"h2:text-is('{card}')")).evaluate(
        """card => Object.fromEntries([...card.querySelectorAll('.bars li')].map(bar => [
            bar.querySelector('.label').textContent, Number(bar.querySelector('.value').firstChild.data)]))"""
    )


def tile(page, label):
    return (
        page.locator(".tile", has=page.locator(f".label:text-is('{label}')"))
        .locator("strong")
        .inner_text()
        .replace("\u00a0", " ")
    )


def listed(page, ids):
    """Wait until the list has these ids in this order."""
    expect(page.locator("a.open")).to_have_text(ids)


def failures_first(records):
    """Return the ids of records in the order of the list: wrong ones, other discarded ones, golden ones."""
    ranked = sorted(records, key=lambda record: (record["outcome"] == "golden", record["score"]["reward"] == 1))
    return [record["id"] for record in ranked]


def arrived(page, name):
    """Wait until an episode is shown and its heading has the focus."""
    expect(page.locator("h1")).to_have_text(name)
    expect(page.locator("h1")).to_be_focused()


def test_the_overview_has_the_figures_of_the_summary(look, curated, summary):
    page = look(curated)
    funnel = values(page, "Funnel")
    assert funnel["problems"] == summary["problems"]
    assert funnel["corrected"] == summary["corrected"]
    assert funnel["right in the end"] == summary["final_correct"]
    assert funnel["golden"] == summary["golden"]
    lost = funnel.get("lost by hints", 0)
    assert funnel["right at once"] == summary["native_correct"] - lost
    triggers = values(page, "Triggers")
    assert triggers == {trigger.replace("_", " "): summary["by_trigger"][trigger] for trigger in TRIGGERS}
    assert tile(page, "Hints") == str(summary["interventions"])
    assert tile(page, "Hint share") == f"{100 * summary['hint_token_share_mean']:.1f} %"
    assert tile(page, "Golden yield") == f"{100 * summary['golden'] / summary['problems']:.1f} %"
    tokens = page.locator(".card", has_text="Tokens and time").inner_text()
    numbers = [
        int(one.replace(",", ""))
        for one in re.findall(r"interventions\s+([\d,]+)|with intervener\s+([\d,]+)", tokens)
        for one in one
        if one
    ]
    assert sum(numbers) == summary["tokens"]


def test_families_and_their_triggers_are_in_one_table(look, curated, summary, records):
    page = look(curated)
    rows = page.locator("table.families tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert {row[0]: int(row[1]) for row in rows} == {
        family: counts["problems"] for family, counts in summary["by_family"].items()
    }
    found = {row[0]: [0 if cell == "·" else int(cell) for cell in row[5:]] for row in rows}
    for family in found:
        mine = [record for record in records if record["episode"]["problem"]["family"] == family]
        fired = [one["finding"]["trigger"] for record in mine for one in record["episode"]["interventions"]]
        assert found[family] == [fired.count(trigger) for trigger in TRIGGERS]


def test_a_figure_links_to_its_episodes(look, curated, records):
    page = look(curated)
    page.locator(".bars a", has_text="corrected").click()
    corrected = failures_first(
        record
        for record in records
        if record["score"]["reason"] == "correct" and record["native_score"]["reason"] != "correct"
    )
    assert corrected
    listed(page, corrected)
    expect(page).to_have_url(re.compile("course=corrected"))


def test_a_hint_is_shown_with_the_removed_text_evidence_and_native_trajectory(look, curated, hinted):
    record = hinted[0]
    (one,) = record["episode"]["interventions"]
    page = look(curated, f"#/episode/{record['id']}")
    card = page.locator(".run").first.locator(".span.hint")
    card.wait_for()
    assert one["hint"] in card.locator(".put").inner_text()
    assert one["finding"]["trigger"].replace("_", " ") in card.inner_text()
    assert one["finding"]["evidence"] in card.locator(".evidence").inner_text()
    cut = card.locator(".cut").text_content()
    for line in (line.strip() for line in one["removed"].splitlines()):
        if line and "```" not in line:
            assert line in cut
    runs = page.locator(".run")
    expect(runs).to_have_count(2)
    last = record["native"]["transcript"]["spans"][-1]["text"].splitlines()[-1]
    assert last.strip() in runs.nth(1).text_content()
    assert last.strip() not in runs.nth(0).locator(".span.model").last.text_content()


def test_spans_are_shown_in_order_with_code_output_and_reports(look, curated, hinted):
    record = hinted[0]
    spans = record["episode"]["transcript"]["spans"]
    page = look(curated, f"#/episode/{record['id']}")
    expect(page.locator(".trajectory")).to_have_count(2)
    sources = (
        page.locator(".run")
        .first.locator(".trajectory > .span")
        .evaluate_all("spans => spans.map(span => span.className.split(' ')[1])")
    )
    assert sources == [span["source"] for span in spans]
    execution = record["episode"]["executions"][-1]
    code = page.locator(".run").first.locator(".span.model pre").last
    assert code.text_content() == execution["code"].rstrip("\n")
    assert code.locator(".keyword").count() > 0
    report = execution["reports"][-1]
    table = page.locator(".run").first.locator("table.reports").last.inner_text()
    for part in (report["solver"], report["status"], report["library"]):
        assert part in table
    output = page.locator(".run").first.locator(".span.tool details").last
    expect(output.locator("pre").first).to_be_hidden()
    output.locator("summary").first.click()
    expect(output.locator("pre").first).to_be_visible()
    assert execution["stdout"].strip() in output.locator("pre").first.inner_text()


def test_keys_navigate_the_filtered_episodes(look, curated, records):
    wanted = failures_first(record for record in records if record["episode"]["interventions"])
    assert len(wanted) >= 3
    page = look(curated, "#/episodes?hinted=yes")
    listed(page, wanted)
    page.keyboard.press("j")
    expect(page.locator("a.open").first).to_be_focused()
    page.keyboard.press("Enter")
    arrived(page, wanted[0])
    for key, place in (("j", 1), ("ArrowRight", 2), ("k", 1), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        arrived(page, wanted[place])
    page.keyboard.press("k")
    expect(page.locator("#said")).to_have_text("first episode")
    arrived(page, wanted[0])
    # No waiting in between: keys may be faster than pages.
    page.keyboard.press("j")
    page.keyboard.press("j")
    arrived(page, wanted[2])
    page.keyboard.press("/")
    search = page.locator("#filter-q")
    expect(search).to_be_focused()
    page.keyboard.type("jjo?")
    expect(search).to_have_value("jjo?")
    expect(page.locator(".hits b")).to_have_text("0")
    page.keyboard.press("Escape")
    expect(search).not_to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("g")
    expect(page.locator(".tiles")).to_be_visible()


def test_two_fast_steps_render_only_the_second_page(look, curated, records):
    first, second, third = [record["id"] for record in records][:3]
    page = look(curated, f"#/episode/{first}")
    expect(page.locator("h1")).to_have_text(first)
    # Resolves once the page has handled both events, because its listener was added first.
    page.evaluate(
        """([one, other]) => new Promise((resolve) => {
            let events = 0;
            addEventListener('hashchange', () => {
                events += 1;
                if (events === 1) window.heading = document.querySelector('h1');
                else resolve();
            });
            location.hash = `#/episode/${one}`;
            location.hash = `#/episode/${other}`;
        })""",
        [second, third],
    )
    arrived(page, third)
    assert page.evaluate("window.heading.isConnected")


def test_a_key_pressed_before_the_list_is_rendered_counts(look, curated, records):
    page = look(curated, f"#/episode/{records[0]['id']}")
    page.evaluate(
        """() => {
            for (const key of 'lj') document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        }"""
    )
    expect(page.locator("a.open").first).to_be_focused()


def test_leaving_a_pending_search_does_not_return_to_the_list(look, curated, page):
    page.clock.install()
    look(curated, "#/episodes")
    page.evaluate(
        """() => {
            document.querySelector('#filter-q').value = 'nothing';
            document.querySelector('#filter-q').dispatchEvent(new Event('input'));
            document.querySelector("#nav a[href='#/']").click();
        }"""
    )
    expect(page.locator(".tiles")).to_be_visible()
    page.clock.run_for(1000)
    expect(page).to_have_url(re.compile("#/$"))
    expect(page.locator(".tiles")).to_be_visible()


def test_keys_before_the_report_is_loaded_do_nothing(curated, page, tmp_path):
    page.add_init_script("delete window.DecompressionStream")
    report = write_report(open_run(curated), tmp_path / "report.html")
    page.goto(f"file://{report.path}")
    expect(page.locator("#notice")).to_contain_text("too old for this report")
    page.keyboard.press("/")
    page.keyboard.press("j")
    expect(page.locator("#main > div")).to_have_count(0)


def test_a_link_opens_its_episode_with_filters_after_a_reload(look, curated, records):
    wanted = [record["id"] for record in records if record["outcome"] == "golden"]
    page = look(curated, f"#/episode/{wanted[1]}?outcome=golden")
    page.reload()
    expect(page.locator(".trajectory").first).to_be_visible()
    expect(page.locator("h1")).to_have_text(wanted[1])
    expect(page.locator(".rail li")).to_have_count(len(wanted))
    expect(page.locator(".steps .faint")).to_have_text(f"2 of {len(wanted)}")
    page.goto(page.url.partition("#")[0] + "#/episode/nobody")
    expect(page.locator("main")).to_contain_text("There is no episode nobody")


def test_search_covers_questions_and_optionally_full_texts(look, curated, records):
    one = records[3]
    words = " ".join(one["episode"]["problem"]["question"].split()[2:8])
    page = look(curated, "#/episodes")
    page.fill("#filter-q", words.upper())
    expect(page.locator(".hits b")).to_have_text(re.compile("^[1-5]$"))
    expect(page.locator("a.open", has_text=re.compile(f"^{re.escape(one['id'])}$"))).to_have_count(1)
    word = "CreateSolver"
    expected = failures_first(record for record in records if word in json.dumps(record))
    assert expected
    page.fill("#filter-q", word)
    expect(page.locator(".hits b")).to_have_text("0")
    page.check("#filter-whole")
    expect(page.locator(".hits b")).to_have_text(str(len(expected)))
    listed(page, expected)


def test_failures_are_first_and_results_and_stop_reasons_are_filters(look, made, many):
    right, wrong, unscored, other = many(4)
    for record in (right, other):
        record["outcome"] = "golden"
    wrong["outcome"] = "wrong_answer"
    wrong["episode"]["problem"]["answers"] = [123456.5]
    unscored["outcome"] = unscored["episode"]["stop"] = "infrastructure"
    page = look(made([right, wrong, unscored, other]), "#/episodes")
    listed(page, ["made-0001", "made-0002", "made-0000", "made-0003"])
    page.select_option("#filter-result", "wrong")
    listed(page, ["made-0001"])
    page.select_option("#filter-result", "unscored")
    listed(page, ["made-0002"])
    page.select_option("#filter-result", "golden")
    listed(page, ["made-0000", "made-0003"])
    page.goto(page.url.partition("#")[0] + "#/episodes?stop=infrastructure")
    listed(page, ["made-0002"])
    page.goto(page.url.partition("#")[0] + "#/episodes?sort=run")
    listed(page, ["made-0000", "made-0001", "made-0002", "made-0003"])


def test_a_long_list_is_paginated_and_filters_reset_the_page(look, made, many):
    page = look(made(many(230)), "#/episodes?sort=run&page=3")
    listed(page, [f"made-{number:04}" for number in range(200, 230)])
    page.click("#page-before")
    expect(page.locator("a.open").first).to_have_text("made-0100")
    page.select_option("#filter-outcome", "golden")
    expect(page).to_have_url(re.compile(r"#/episodes\?outcome=golden&sort=run$"))
    page.goto(page.url.partition("#")[0] + "#/episode/made-0150?sort=run")
    expect(page.locator("h1")).to_have_text("made-0150")
    expect(page.locator(".trajectory").first).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("made-0151")
    expect(page.locator(".body:not([aria-busy]) .trajectory").first).to_be_visible()


def test_llm_costs_and_rejected_hints_are_shown(look, made, many):
    first, second, third = many(3)
    cost = {"calls": 2, "cached": 1, "input_tokens": 900, "output_tokens": 50, "price": 0.0125, "seconds": 3.5}
    first |= {"cost": cost, "rejected_hints": [{"reason": "answer", "trigger": None, "text": "Wait, it is 42."}]}
    first["rejected_hints"] *= 2
    second |= {"cost": cost, "rejected_hints": [{"reason": "quote", "trigger": "solver_distrust", "text": "not there"}]}
    found = {"trigger": "wrong_formulation", "offset": 900, "evidence": "", "confidence": 0.5, "rule": "llm"}
    third |= {"outcome": "finding_left", "finding": found | {"why": "The sense is the wrong one."}}
    page = look(made([first, second, third]))
    assert values(page, "The intervener") == {"answer": 2, "quote": 1}
    card = page.locator(".card", has=page.locator("h2:text-is('The intervener')")).inner_text()
    for name, value in (("calls", "4"), ("answered from the cache", "2"), ("tokens in", "1,800"), ("price", "0.025")):
        assert re.search(rf"{name}\s+{value}\s", card + " ")
    page.locator(".bars a", has_text="quote").click()
    listed(page, ["made-0001"])
    page.locator("a.open").click()
    cells = page.locator("tbody tr", has_text="not there").locator("th, td")
    expect(cells.nth(0)).to_have_text("quote")
    expect(cells.nth(1)).to_have_text("solver distrust")
    page.goto(page.url.partition("#")[0] + "#/episode/made-0002")
    left = page.locator(".left .finding")
    for words in ("wrong formulation", "found by an LLM", "confidence 0.50", "The sense is the wrong one."):
        expect(left).to_contain_text(words, use_inner_text=True)


def test_an_evaluation_has_its_own_funnel(look, evaluated):
    results = json.loads((evaluated / "results.json").read_text())
    page = look(evaluated)
    funnel = values(page, "Funnel")
    assert funnel["trajectories"] == 12
    right = results["rules"]["paper"]["pass@1"]["mean"]
    assert funnel["right"] == round(12 * right)
    assert tile(page, "Right") == f"{100 * right:.1f} %"
    assert tile(page, "Problems") == "6"
    assert sum(values(page, "Flaws").values()) >= sum(results["behaviour"]["findings"].values()) > 0
    page.goto(page.url + "#/episodes?sort=run")
    expect(page.locator("a.open")).to_have_count(12)
    page.locator("a.open").nth(1).click()
    expect(page.locator(".trajectory")).to_be_visible()
    expect(page.locator("h1 small")).to_have_text("sample 2")


def test_the_theme_follows_the_system_until_changed(look, curated, page):
    look(curated)
    root = page.locator("html")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    expect(root).not_to_have_css("background-color", light)
    dark = page.evaluate(ground)
    page.click("#theme")
    expect(root).to_have_css("background-color", light)
    page.reload()
    expect(page.locator("body[data-ready]")).to_be_visible()
    expect(root).to_have_css("background-color", light)
    page.keyboard.press("t")
    expect(root).to_have_css("background-color", dark)
    page.emulate_media(color_scheme="light")
    until(page, "matchMedia('(prefers-color-scheme: light)').matches")
    expect(root).to_have_css("background-color", dark)


PLACES = [("", ".tiles"), ("#/episodes", "a.open"), ("#/episode/{id}", ".trajectory")]
"""Places in a report, each with an element that only its page has and that is rendered last."""


@pytest.mark.parametrize(("place", "part"), PLACES)
def test_the_page_fits_a_phone(look, curated, hinted, page, place, part):
    page.set_viewport_size({"width": 390, "height": 844})
    look(curated, place.format(id=hinted[0]["id"]))
    expect(page.locator(part).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(look, curated, hinted, page, scheme):
    """WCAG AA: a contrast of at least 4.5 for every piece of text, as the browser draws it."""
    page.emulate_media(color_scheme=scheme)
    for place, part in PLACES:
        look(curated, place.format(id=hinted[0]["id"]))
        expect(page.locator(part).first).to_be_visible()
        assert page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const drawn = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((c) => linear(c / 255))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    if (element.closest('.hidden, .off, .skip, script, noscript, option')) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const ground = light(drawn(grounds)), ink = light(drawn([...grounds, getComputedStyle(element).color]));
    const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
    if (ratio < 4.5) bad.add(`${element.tagName}.${element.className} ${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...bad];
}"""
