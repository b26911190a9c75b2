"""The page as a reader has it, opened from disk in Chromium."""

import json
import re

import pytest

from env import TRIGGERS


def values(page, card):
    """The bars of a card: label to count."""
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


def shown(page):
    """The ids in the list."""
    return page.locator("a.open").all_inner_texts()


def test_the_first_page_has_the_figures_of_the_summary(look, curated, summary):
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
        for one in re.findall(r"interventions\s+([\d,]+)|runs\s+([\d,]+)", tokens)
        for one in one
        if one
    ]
    assert sum(numbers) == summary["tokens"]


def test_families_and_their_triggers_stand_in_one_table(look, curated, summary, records):
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


def test_a_figure_leads_to_the_episodes_behind_it(look, curated, records):
    page = look(curated)
    page.locator(".bars a", has_text="corrected").click()
    corrected = [
        record["id"]
        for record in records
        if record["score"]["reason"] == "correct" and record["native_score"]["reason"] != "correct"
    ]
    assert corrected
    assert shown(page) == corrected
    assert "course=corrected" in page.url


def test_a_hint_stands_beside_what_it_replaced_with_the_evidence_and_the_native_run(look, curated, hinted):
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
    assert runs.count() == 2
    last = record["native"]["transcript"]["spans"][-1]["text"].splitlines()[-1]
    assert last.strip() in runs.nth(1).text_content()
    assert last.strip() not in runs.nth(0).locator(".span.model").last.text_content()


def test_spans_come_in_order_by_source_with_code_output_and_solver_reports(look, curated, hinted):
    record = hinted[0]
    spans = record["episode"]["transcript"]["spans"]
    page = look(curated, f"#/episode/{record['id']}")
    page.wait_for_selector(".trajectory")
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
    assert not output.locator("pre").first.is_visible()
    output.locator("summary").first.click()
    assert execution["stdout"].strip() in output.locator("pre").first.inner_text()


def test_the_keyboard_walks_through_what_is_filtered(look, curated, records):
    wanted = [record["id"] for record in records if record["episode"]["interventions"]]
    assert len(wanted) >= 3
    page = look(curated, "#/episodes?hinted=yes")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("h1:focus", has_text=wanted[0]).wait_for()
    for key, place in (("j", 1), ("ArrowRight", 2), ("k", 1), ("ArrowLeft", 0), ("k", 0)):
        page.keyboard.press(key)
        page.locator("h1:focus", has_text=wanted[place]).wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.locator("h1:focus", has_text=wanted[2]).wait_for()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter-q"
    page.keyboard.type("jjo?")
    assert page.input_value("#filter-q") == "jjo?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("g")
    page.locator(".tiles").wait_for()


def test_a_link_opens_its_episode_among_its_filters_and_survives_a_reload(look, curated, records):
    wanted = [record["id"] for record in records if record["outcome"] == "golden"]
    page = look(curated, f"#/episode/{wanted[1]}?outcome=golden")
    page.reload()
    page.wait_for_selector(".trajectory")
    assert page.locator("h1").inner_text() == wanted[1]
    assert page.locator(".rail li").count() == len(wanted)
    assert page.locator(".steps .faint").inner_text() == f"2 of {len(wanted)}"
    page.goto(page.url.partition("#")[0] + "#/episode/nobody")
    assert "There is no episode nobody" in page.inner_text("main")


def test_the_search_finds_words_of_questions_and_with_whole_texts_words_of_runs(look, curated, records):
    one = records[3]
    words = " ".join(one["episode"]["problem"]["question"].split()[2:8])
    page = look(curated, "#/episodes")
    page.fill("#filter-q", words.upper())
    page.locator(".hits b", has_text=re.compile("^[1-5]$")).wait_for()
    assert one["id"] in shown(page)
    word = "CreateSolver"
    expected = [record["id"] for record in records if word in json.dumps(record)]
    assert expected
    page.fill("#filter-q", word)
    page.locator(".hits b", has_text=re.compile("^0$")).wait_for()
    page.check("#filter-whole")
    page.locator(".hits b", has_text=re.compile(f"^{len(expected)}$")).wait_for()
    assert shown(page) == expected


def test_a_long_list_comes_in_pages_and_each_filter_starts_at_the_first(look, made, many):
    page = look(made(many(230)), "#/episodes?page=3")
    assert shown(page) == [f"made-{number:04}" for number in range(200, 230)]
    page.click("#page-before")
    assert shown(page)[0] == "made-0100"
    page.select_option("#filter-outcome", "golden")
    assert "page=" not in page.url
    page.goto(page.url.partition("#")[0] + "#/episode/made-0150")
    page.wait_for_selector(".trajectory")
    page.keyboard.press("j")
    page.wait_for_selector(".body:not([aria-busy]) .trajectory")
    assert page.locator("h1").inner_text() == "made-0151"


def test_what_an_llm_took_and_what_was_refused_is_counted_and_shown(look, made, many):
    first, second, third = many(3)
    spent = {"calls": 2, "cached": 1, "input_tokens": 900, "output_tokens": 50, "price": 0.0125, "seconds": 3.5}
    first |= {"spent": spent, "refusals": [{"reason": "answer", "trigger": None, "text": "Wait, it is 42."}]}
    first["refusals"] *= 2
    second |= {"spent": spent, "refusals": [{"reason": "quote", "trigger": "solver_distrust", "text": "not there"}]}
    found = {"trigger": "wrong_formulation", "offset": 900, "evidence": "", "confidence": 0.5, "rule": "llm"}
    third |= {"outcome": "finding_left", "finding": found | {"why": "The sense is the wrong one."}}
    page = look(made([first, second, third]))
    assert values(page, "The intervener") == {"answer": 2, "quote": 1}
    told = page.locator(".card", has=page.locator("h2:text-is('The intervener')")).inner_text()
    for name, value in (("calls", "4"), ("answered from the cache", "2"), ("tokens in", "1,800"), ("price", "0.025")):
        assert re.search(rf"{name}\s+{value}\s", told + " ")
    page.locator(".bars a", has_text="quote").click()
    assert shown(page) == ["made-0001"]
    page.locator("a.open").click()
    page.wait_for_selector(".trajectory")
    assert page.locator("tbody", has_text="not there").inner_text().split("\t")[:2] == ["quote", "solver distrust"]
    page.goto(page.url.partition("#")[0] + "#/episode/made-0002")
    left = page.locator(".left .finding")
    left.wait_for()
    for words in ("wrong formulation", "found by an LLM", "confidence 0.50", "The sense is the wrong one."):
        assert words in left.inner_text()


def test_an_evaluation_has_a_funnel_of_its_own(look, evaluated):
    results = json.loads((evaluated / "results.json").read_text())
    page = look(evaluated)
    funnel = values(page, "Funnel")
    assert funnel["runs"] == 12
    right = results["rules"]["paper"]["pass@1"]["mean"]
    assert funnel["right"] == round(12 * right)
    assert tile(page, "Right") == f"{100 * right:.1f} %"
    assert tile(page, "Problems") == "6"
    assert sum(values(page, "Flaws").values()) >= sum(results["behaviour"]["findings"].values()) > 0
    page.goto(page.url + "#/episodes")
    assert len(shown(page)) == 12
    page.locator("a.open").nth(1).click()
    page.wait_for_selector(".trajectory")
    assert page.locator("h1 small").inner_text() == "run 2"


def test_the_theme_is_the_systems_until_somebody_chooses(look, curated, page):
    look(curated)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(ground) == light
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate(ground) == light
    page.keyboard.press("t")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == dark


@pytest.mark.parametrize("place", ["", "#/episodes", "#/episode/{id}"])
def test_nothing_is_wider_than_a_phone(look, curated, hinted, page, place):
    page.set_viewport_size({"width": 390, "height": 844})
    look(curated, place.format(id=hinted[0]["id"]))
    page.locator(".tiles, .open, .trajectory").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(look, curated, hinted, page, scheme):
    """WCAG AA: a contrast of at least 4.5 for every piece of text, as the browser draws it."""
    page.emulate_media(color_scheme=scheme)
    for place in ("", "#/episodes", f"#/episode/{hinted[0]['id']}"):
        look(curated, place)
        page.locator(".tiles, .open, .trajectory").first.wait_for()
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
