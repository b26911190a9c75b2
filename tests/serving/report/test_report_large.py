"""The page of a run in parts: the same as that of a small run, but the server filters, sorts and pages."""

import importlib
import json
from contextlib import ExitStack

import httpx
import pytest

from storm_calm.agents.curation.records import CURATION_RECORDS
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.runs import record_files, record_store
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.serving.report import open_run, write_report
from support.browser_pages import expect
from support.report_server import Served

pytestmark = pytest.mark.slow

COUNT = 230

ADDRESSES = (
    "",
    "page=9",
    "result=golden&sort=tokens",
    "course=corrected&sort=seconds",
    "trigger=manual_computation&sort=run",
    "family=knapsack&hinted=no",
    "stop=answer&sort=share&page=2",
    "q=MADE-01 bakery",
    "q=%25' OR 1",
    "outcome=none_of_them",
)
"""Lists of the page, by their filters."""


@pytest.fixture
def large(tmp_path, curated, monkeypatch):
    """Return a function that writes a run folder in parts of 50 records."""

    def large(records, kind=CURATION_RECORDS, settings=curated, name="large"):
        folder = tmp_path / name
        folder.mkdir()
        for file in settings.iterdir():
            if file.suffix in (".toml", ".json"):
                (folder / file.name).write_text(file.read_text())
        monkeypatch.setattr(record_store, "PARTS_FROM", 0)
        monkeypatch.setattr(record_files, "PART_RECORDS", 50)
        with RecordStore.open(folder, kind, write=True, expected=1) as store:
            for record in records:
                store.append(record)
        assert kind.parts_folder(folder).is_dir()
        return folder

    return large


@pytest.fixture
def served():
    """Return a function that serves a folder."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(Served(folder))


def list_of(page, address, query):
    """Return the texts of a list, once it is there."""
    page.goto("about:blank")
    page.goto(f"{address}#/episodes?{query}")
    expect(page.locator("body[data-ready]")).to_be_visible()
    expect(page.locator(".choices select").first).to_be_visible()
    expect(page.locator(".found:not([aria-busy])")).to_be_visible()
    pager = page.locator(".pager")
    # The order of equal counts differs.
    options = sorted(one.strip() for one in page.locator(".choices option").all_inner_texts())
    return page.locator(".found").inner_text(), pager.inner_text() if pager.count() else "", options


def test_figures_filters_orders_and_pages_equal_those_of_a_small_run(large, made, many, served, page):
    records = list(many(COUNT))
    small, parts = served(made(records)).url, served(large(records)).url
    overviews = []
    for address in (small, parts):
        page.goto(address)
        expect(page.locator(".tiles")).to_be_visible()
        overviews.append(page.locator(".overview").inner_text())
    assert overviews[0] == overviews[1]
    assert "230 problems" in overviews[1]
    for query in ADDRESSES:
        one, two = list_of(page, small, query), list_of(page, parts, query)
        assert one[0].splitlines() == two[0].splitlines(), query
        assert one[1:] == two[1:], query


def test_the_browser_has_only_the_rows_that_it_shows(large, many, served, page):
    sizes = {}
    page.on("response", lambda found: sizes.update({found.url: found.request.sizes()["responseBodySize"]}))
    found, pager, _ = list_of(page, served(large(many(COUNT))).url, "sort=run&page=2")
    assert "made-0100" in found
    assert "made-0199" in found
    assert "made-0200" not in found
    assert "2 of 3" in pager
    rows = [size for url, size in sizes.items() if "/rows?" in url]
    assert max(rows) < 10_000, "polling sends figures and no rows"


def test_an_episode_has_its_place_and_neighbours_in_the_filtered_list(large, many, served, page):
    url = served(large(many(COUNT))).url
    page.goto(f"{url}#/episode/made-0120?sort=run")
    expect(page.locator(".trajectory").first).to_be_visible()
    expect(page.locator(".steps")).to_contain_text("121 of 230")
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("made-0121")
    expect(page.locator(".trajectory").first).to_be_visible()
    page.keyboard.press("k")
    expect(page.locator("h1")).to_have_text("made-0120")
    # A filter that excludes it: it is shown among all.
    page.goto(f"{url}#/episode/made-0120?outcome=none_of_them")
    expect(page.locator(".steps")).to_contain_text("of 230")
    page.goto(f"{url}#/episode/made-9999")
    expect(page.locator("#main")).to_contain_text("There is no episode made-9999 here.")


def test_records_appear_while_the_run_continues(large, many, served, page):
    records = list(many(60))
    folder = large(records[:55])
    page.goto(f"{served(folder).url}#/episodes?sort=run")
    expect(page.locator(".hits")).to_have_text("55 of 55 episodes")
    with RecordStore.open(folder, CURATION_RECORDS, write=True) as store:
        for record in records[55:]:
            store.append(record)
    expect(page.locator(".hits")).to_have_text("60 of 60 episodes", timeout=20_000)
    expect(page.locator(".found")).to_contain_text("made-0059")


def test_wrong_requests_are_answered_and_change_nothing(large, many, served):
    url = served(large(many(60))).url
    with httpx.Client(base_url=url) as client:
        assert client.get("window?first=-1&count=10").status_code == 400
        assert client.get("window?first=0").status_code == 400
        assert client.get("window?first=999999&count=10").json() == {"rows": [], "first": 999999, "total": 60}
        assert len(client.get("window?first=0&count=999999").json()["rows"]) == 60
        assert client.get("window?first=0&count=9&sort=position; DROP TABLE records").json()["total"] == 60
        assert client.get("window?first=0&count=9&family=' OR 1=1 --").json()["total"] == 0
        assert client.get("trajectory?key=nothing").json() is None
        assert client.get("around?key=nothing&count=9").json()["place"] == -1


def test_samples_of_a_large_evaluation_are_scored_under_its_rule(large, evaluated, served, page):
    lines = [json.loads(line) for line in (evaluated / "samples.jsonl").read_text().splitlines()]
    url = served(large(lines, EVALUATION_SAMPLES, evaluated, name="figures")).url
    small = served(evaluated).url
    tiles = []
    for address in (small, url):
        page.goto(address)
        expect(page.locator(".tiles")).to_be_visible()
        tiles.append([one for one in page.locator(".tile").all_inner_texts() if "Backed" not in one])
    assert tiles[0] == tiles[1]
    for query in ("", "outcome=correct", "result=wrong&sort=tokens"):
        one, two = list_of(page, small, query), list_of(page, url, query)
        assert one[0].splitlines()[0] == two[0].splitlines()[0]
    page.locator("a.open").first.click()
    expect(page.locator(".trajectory").first).to_be_visible()


def test_a_file_has_all_figures_and_the_first_records_of_each_outcome(large, many, page, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("storm_calm.serving.report.write_report"), "OF_EACH_OUTCOME", 5)
    records = list(many(COUNT))
    folder = large(records)
    report = write_report(open_run(folder), tmp_path / "report.html")
    outcomes = {record["outcome"] for record in records}
    assert (report.entries, report.total) == (5 * len(outcomes), COUNT)
    page.goto(f"file://{report.path}")
    expect(page.locator("h1")).to_have_text("230 problems")
    expect(page.locator(".overview .note").first).to_contain_text(
        f"The figures are of all 230 records. This page can show {5 * len(outcomes)} of them"
    )
    page.goto(f"file://{report.path}#/episodes")
    expect(page.locator(".found")).to_contain_text("storm view --serve shows all")
    page.locator("a.open").first.click()
    expect(page.locator(".trajectory").first).to_be_visible()


def test_a_large_run_beside_another_names_the_commands_to_use(large, evaluated, tmp_path):
    lines = [json.loads(line) for line in (evaluated / "samples.jsonl").read_text().splitlines()]
    folder = large(lines, EVALUATION_SAMPLES, evaluated, name="second")
    with pytest.raises(ValueError, match="too large for a page with two runs; for the figures use storm compare"):
        write_report(open_run(evaluated), tmp_path / "x.html", other=open_run(folder))
