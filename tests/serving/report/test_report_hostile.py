"""Model text is hostile: the page shows it as text only, within the limits of a browser."""

import base64
import copy
import gzip
import html.parser
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.sandbox import SolverReport
from storm_calm.serving.report import open_run, write_report
from storm_calm.serving.report.report_page import as_json, packed, script_text, style_text
from support.browser_pages import expect, until

pytestmark = pytest.mark.slow

MARKUP = [
    "</script><script>window.pwned = 1; alert(1)</script>",
    "<img src=x onerror='window.pwned = 2; alert(2)'>",
    "<!-- --><svg onload=alert(3)>]]>",
    "[a](javascript:alert(4)) javascript:alert(5)",
    "<iframe srcdoc='<script>parent.pwned = 6</script>'></iframe>",
    "<base href=https://example.com/><link rel=stylesheet href=https://example.com/x.css>",
    "{{ 7 * 7 }} {% raw %} ${window.pwned = 8} &lt;b&gt;",
    "</template></textarea></style></title><b id=bold>bold</b>",
    "__proto__ constructor",
]
UNSEEN = {
    "\x00": "\\x00",
    "\x1b[31m": "\\x1b",
    "\u2028": "\\u2028",
    "\u202egnirts": "\\u202e",
    "\u200b": "\\u200b",
    "\ufeff": "\\ufeff",
    "\ud800": "\\ud800",
    "\udfff!": "\\udfff",
    "\u2066": "\\u2066",
}
EVIL = "\n".join([*MARKUP, *UNSEEN])


@pytest.fixture
def poisoned(hinted, made, monkeypatch):
    """Write the folder of a curation in which every untrusted text is hostile. Return it and the id."""
    # Parsing rejects a solver report with such names and numbers. The page must be safe without that check.
    monkeypatch.setattr(SolverReport, "__post_init__", lambda self: None)
    record = copy.deepcopy(hinted[0])
    record["id"] = name = f"<b>#/..%2F?&\ud800{MARKUP[1]}"
    for side in ("episode", "native"):
        run = record[side]
        run["problem"] |= {"id": name, "question": f"How much? {EVIL}", "family": MARKUP[0], "source": MARKUP[1]}
        for span in run["transcript"]["spans"]:
            span |= {"text": span["text"] + EVIL, "ids": None, "ends": None}
        for execution in run["executions"]:
            execution |= {"stdout": EVIL, "stderr": EVIL, "files": {MARKUP[1]: "aGk="}}
            for report in execution["reports"]:
                report |= {"solver": MARKUP[1], "library": MARKUP[0], "bound": 1e308, "gap": None}
        for one in run["interventions"]:
            one |= {"hint": one["hint"] + EVIL, "removed": f"{EVIL}\n```python\nprint('{EVIL}')\n```\n"}
            one["finding"] |= {"evidence": MARKUP[0], "rule": MARKUP[1], "why": EVIL}
    record["rejected_hints"] = [{"reason": "format", "trigger": None, "text": EVIL}]
    return made([record], name="<script>alert(9)<"), name


def test_model_text_is_never_markup_or_script(look, poisoned, page):
    folder, _ = poisoned
    look(folder)
    page.goto(page.url.partition("#")[0] + "#/episodes")
    page.locator("a.open").click()
    expect(page.locator(".trajectory").first).to_be_visible()
    for fold in page.locator("details").all():
        fold.evaluate("fold => { fold.open = true; }")
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert page.locator("img, svg, iframe, base, #bold, main script, main a:not([href^='#'])").count() == 0
    expect(page.locator("link")).to_have_count(1)
    text = page.locator(".run").first.locator(".part").first.text_content()
    for words in MARKUP:
        assert words in text
    # The text has a dollar, so that it is parsed as Markdown.
    expect(page.locator(".run").first.locator(".markdown").first).to_be_visible()
    for part in (".put", ".output", ".question", ".finding", "table.reports", ".meta"):
        assert (
            "<img src=x" in page.locator(part).first.text_content()
            or "<script>" in page.locator(part).first.text_content()
        )


def test_invisible_characters_are_shown_by_their_code(look, poisoned, page):
    folder, _ = poisoned
    look(folder, "#/episodes")
    page.locator("a.open").click()
    expect(page.locator(".trajectory").first).to_be_visible()
    text = page.locator(".span.hint .put .prose").first.text_content()
    for odd, code in UNSEEN.items():
        assert code in text
        assert odd[0] not in text


def test_untrusted_text_in_the_file_is_base64_except_the_name(poisoned, tmp_path):
    folder, _ = poisoned
    report = write_report(open_run(folder), tmp_path / "report.html")
    written = report.path.read_text(encoding="utf-8")
    for words in MARKUP:
        assert words not in written
    found = Elements()
    found.feed(written)
    assert found.scripts == [("index", "text/plain"), (None, None), ("block-0", "text/plain")]
    assert set(found.addresses) <= {"data:,", "#main"}
    assert written.count("<title>") == 1


class Elements(html.parser.HTMLParser):
    """The scripts of a page, and every URL in it."""

    def __init__(self):
        super().__init__()
        self.scripts, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        given_ = dict(attributes)
        if tag == "script":
            self.scripts.append((given_.get("id"), given_.get("type")))
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "srcset", "data")]


def test_the_content_security_policy_blocks_injected_scripts(curated, page, tmp_path):
    report = write_report(open_run(curated), tmp_path / "report.html")
    slipped = "<script>document.title = 'pwned'</script><img src=x onerror=\"document.title = 'pwned'\">"
    text = report.path.read_text().replace("</main>", f"</main>{slipped}")
    report.path.write_text(text)
    with (
        page.expect_console_message(lambda one: "inline script" in one.text),
        page.expect_console_message(lambda one: "inline event handler" in one.text),
    ):
        page.goto(f"file://{report.path}")
    expect(page.locator("body[data-ready]")).to_be_visible()
    expect(page).to_have_title(curated.name)
    assert page.complaints
    assert all("Content Security Policy" in complaint or "Failed to load" in complaint for complaint in page.complaints)
    page.complaints.clear()


def test_a_text_of_five_megabytes_is_shown_in_pieces(look, hinted, made, page):
    record = copy.deepcopy(hinted[0])
    record["native"]["transcript"]["spans"][-1] |= {"text": "a<b>" * 1_250_000, "ids": None, "ends": None}
    look(made([record]), f"#/episode/{record['id']}")
    page.locator(".run").nth(1).locator("details.long").last.evaluate("fold => { fold.open = true; }")
    more = page.locator(".run").nth(1).locator("button.more")
    expect(more).to_contain_text("4,980,000 more characters")
    shown = "document.querySelectorAll('.run')[1].querySelector('.span.model:last-of-type .prose').textContent.length"
    before = page.evaluate(shown)
    assert before < 25_000
    more.click()
    until(page, f"{shown} >= {before + 100_000}")


def test_scripts_and_styles_cannot_close_their_own_elements():
    assert "</script" not in script_text().lower()
    assert "<!--" not in script_text()
    assert "</style" not in style_text().lower()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script_text())
    assert not re.search(r"https?://|url\(|@import", script_text() + style_text())


TEXTS = st.text(st.characters(codec=None, exclude_categories=())) | st.sampled_from(MARKUP)
DATA = st.recursive(
    TEXTS | st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(DATA)
def test_packed_data_round_trips_and_has_no_html_characters(data):
    encoded = packed(as_json(data))
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", encoded)
    assert json.loads(gzip.decompress(base64.b64decode(encoded))) == data


@given(st.floats())
def test_non_finite_numbers_are_encoded_as_strings(value):
    (number,) = json.loads(as_json([value]), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert float(number) == value or value != value
