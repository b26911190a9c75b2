"""The page over HTTP while its run continues."""

import json
import re
import socket

import httpx
import pytest

from storm_calm.serving.report import open_run
from storm_calm.serving.report.live_server import LiveIndex, serve
from support.browser_pages import expect
from support.report_server import Served

pytestmark = pytest.mark.slow


@pytest.fixture
def served():
    """Return a function that serves a folder."""
    opened = []

    def served(folder):
        opened.append(Served(folder))
        return opened[-1]

    yield served
    for one in opened:
        one.__exit__()


def add(folder, record, *, end="\n"):
    with (folder / "episodes.jsonl").open("a") as file:
        file.write(json.dumps(record) + end)


def settled(page, selector, words):
    """Wait until an element has this text."""
    expect(page.locator(selector)).to_contain_text(words)


def test_new_records_appear_without_disturbing_an_open_episode(served, made, many, page):
    first, second, third, fourth = many(4)
    folder = made([first])
    live = served(folder)
    page.goto(live.url)
    settled(page, "h1", "1 of 14 problems")
    add(folder, second)
    settled(page, "h1", "2 of 14 problems")
    page.goto(f"{live.url}#/episode/made-0000")
    expect(page.locator(".trajectory").first).to_be_visible()
    page.locator("details.prompt").first.evaluate("fold => { fold.open = true; fold.dataset.mine = 'yes'; }")
    page.evaluate("window.mine = document.querySelector('.trajectory'); window.scrollTo(0, 120)")
    place = page.evaluate("scrollY")
    add(folder, third)
    settled(page, "#nav", "Episodes 3")
    # Content that must not change is read once: waiting for it could miss a change.
    assert page.evaluate("window.mine.isConnected")
    assert page.evaluate("scrollY") == place
    assert page.locator("details[data-mine]").first.evaluate("fold => fold.open")
    page.goto(f"{live.url}#/episodes")
    page.fill("#filter-q", "made-000")
    expect(page).to_have_url(f"{live.url}#/episodes?q=made-000")
    add(folder, fourth)
    settled(page, ".hits", "4 of 4 episodes")
    expect(page.locator("#filter-q")).to_have_value("made-000")
    expect(page.locator("#filter-q")).to_be_focused()


def test_an_incomplete_line_is_read_once_complete(made, many):
    first, second = many(2)
    folder = made([first])
    index = LiveIndex(open_run(folder))
    stamp, rows, wrong = index.since(0, "")
    assert (len(rows), wrong) == (1, "")
    text = json.dumps(second)
    with (folder / "episodes.jsonl").open("a") as file:
        for part in (text[:100], text[100:]):
            file.write(part)
            file.flush()
            assert index.since(1, stamp) == (stamp, [], "")
        file.write("\n")
    same, rows, wrong = index.since(1, stamp)
    assert (same, [row[0] for row in rows], wrong) == (stamp, ["made-0001"], "")


def test_a_rewritten_run_is_read_again(served, made, many, page):
    records = list(many(3))
    folder = made(records[::-1])
    live = served(folder)
    page.goto(f"{live.url}#/episode/made-0000?sort=run")
    expect(page.locator(".trajectory").first).to_be_visible()
    asked = httpx.get(f"{live.url}rows?have=0").json()
    draft = folder / "draft"
    draft.write_text("".join(json.dumps(record) + "\n" for record in records))
    draft.replace(folder / "episodes.jsonl")
    (folder / "summary.json").write_text("{}")
    assert httpx.get(f"{live.url}runs?first=0&last=1&stamp={asked['stamp']}").json() is None
    expect(page.locator("#run-state:not(.going)")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("made-0001")
    expect(page.locator(".trajectory").first).to_be_visible()
    expect(page.locator(".rail a").nth(1)).to_have_text(re.compile("^made-0000"))


def test_an_episode_requested_during_a_rewrite_appears_with_the_next_rows(served, made, many, page):
    records = list(many(3))
    folder = made(records[::-1])
    live = served(folder)
    held, holding = [], []
    page.route(re.compile("/rows"), lambda route: held.append(route) if holding else route.continue_())
    page.goto(live.url)
    settled(page, "h1", "3 of 14 problems")
    # The page gets no rows from now on. It requests them one at a time, so no earlier request is pending.
    with page.expect_request(re.compile("/rows")):
        holding.append(True)
    draft = folder / "draft"
    draft.write_text("".join(json.dumps(record) + "\n" for record in records))
    draft.replace(folder / "episodes.jsonl")
    with page.expect_response(re.compile("/runs")) as answer:
        page.goto(f"{live.url}#/episode/made-0000")
    assert answer.value.json() is None
    expect(page.locator("h1")).to_have_text("made-0000")
    expect(page.locator(".body[aria-busy]")).to_have_count(1)
    holding.clear()
    for route in held:
        route.continue_()
    expect(page.locator(".trajectory").first).to_be_visible()


def test_full_text_search_uses_the_server(served, made, many, page):
    records = list(many(30))
    records[27]["native"]["transcript"]["spans"][-1] |= {"text": "the aardvark", "ids": None, "ends": None}
    live = served(made(records))
    page.goto(f"{live.url}#/episodes?q=AARDVARK&whole=1")
    settled(page, ".hits", "1 of 30 episodes")
    expect(page.locator("a.open")).to_have_text(["made-0027"])


def test_an_invalid_line_is_reported_and_earlier_rows_stay(served, made, many, page):
    folder = made(many(2))
    live = served(folder)
    page.goto(live.url)
    settled(page, "h1", "2 of 14 problems")
    with (folder / "episodes.jsonl").open("a") as file:
        file.write('{"id": "<img src=x onerror=alert(1)>"}\n')
    settled(page, "#notice", "episodes.jsonl:3: not a record")
    expect(page.locator(".tile")).to_have_count(6)
    with pytest.raises(ValueError, match=r"episodes\.jsonl:3: not a record"):
        serve(open_run(folder), port=0, on_listening=lambda address: pytest.fail("it listens"))


def test_the_page_reports_a_lost_server_and_stays_usable(served, made, many, page):
    live = served(made(many(2)))
    page.goto(live.url)
    settled(page, "h1", "2 of 14 problems")
    live.__exit__()
    settled(page, "#notice", "The server is gone")
    expect(page.locator(".tile")).to_have_count(6)
    assert all("ERR_CONNECTION" in complaint for complaint in page.complaints)
    page.complaints.clear()


def test_the_server_accepts_only_local_hosts_and_its_own_page(served, curated):
    live = served(curated)
    assert httpx.get(live.url, headers={"host": "evil.example"}).status_code == 400
    response = httpx.get(f"{live.url}rows?have=0")
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in response.headers
    assert "script-src 'sha256-" in httpx.get(live.url).headers["content-security-policy"]
    assert httpx.post(live.url).status_code == 405
    for asked in ("rows?have=-1", "rows?have=x", "runs?first=1", "runs?first=0&last=1e3"):
        assert httpx.get(live.url + asked).status_code == 400
    everything = httpx.get(f"{live.url}runs?first=0&last=99999&stamp={response.json()['stamp']}").json()
    assert len(everything) == 14


def test_a_used_port_is_an_error(curated):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"cannot listen at 127\.0\.0\.1:{port}: .*; choose another --port"):
            serve(open_run(curated), port=port, on_listening=lambda address: pytest.fail("it listens"))
