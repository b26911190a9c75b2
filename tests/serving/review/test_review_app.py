"""The page's server over real HTTP: for its own page alone, and what it answers is on disk."""

import http.client
import json
from urllib.parse import urlsplit

import httpx
import pytest

from storm_calm.serving.review.ratings import MAX_COMMENT
from storm_calm.serving.review.review_sample import sampled
from storm_calm.serving.review.reviewer import reviewer_file, reviewing
from support.review_process import ReviewProcess

pytestmark = pytest.mark.slow

FINE = {"finding": "yes", "trigger": "yes", "hint": "yes", "lightweight": "yes", "leak": "no"}


@pytest.fixture
def ana(run):
    """A client of ana's page, whose review follows ben's."""
    with reviewing(run, "ben", sampled(run)) as ben:
        ben.save(0, {"answers": {**FINE, "leak": "yes"}, "comment": "ben thinks so"})
    with ReviewProcess(run, "ana") as opened, httpx.Client(base_url=opened.url, timeout=20) as client:
        client.headers["origin"] = opened.url.rsplit("/", 2)[0]
        client.folder = run
        yield client


def kept(client):
    """The lines of ana's file."""
    file = reviewer_file(client.folder, "ana")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_rating_is_on_disk_when_the_answer_comes(ana):
    draft = ana.put("items/1", json={"answers": {"finding": "no"}, "comment": "é"})
    assert (draft.status_code, draft.json()) == (200, {"state": "draft", "reviewed": 0})
    assert [(line["answers"], line["comment"]) for line in kept(ana)] == [({"finding": "no"}, "é")]
    assert ana.put("items/1", json={"answers": FINE}).json() == {"state": "reviewed", "reviewed": 1}
    assert kept(ana)[-1]["answers"] == FINE
    assert ana.get("review").json()["states"] == ["open", "reviewed", "open", "open", "open", "open"]
    assert ana.get("items/1").json()["rating"] == {"answers": FINE, "right_trigger": None, "comment": ""}


def test_nothing_of_another_reviewer_or_of_who_found_it_is_sent(ana):
    sent = ana.get("review").text + "".join(ana.get(f"items/{number}").text for number in range(6))
    assert "ben" not in sent.replace("number", "")
    assert '"reviewed"' not in sent
    item = ana.get("items/0").json()
    assert item["rating"] is None
    assert set(item) == {
        *("id", "about", "question", "answers", "before", "removed", "hint", "trigger", "evidence", "why", "rating"),
    }


def test_whoever_does_not_know_the_address_gets_nothing(ana):
    place = str(ana.base_url)
    root = place.rsplit("/", 2)[0]
    for url in (f"{root}/", f"{root}/review", f"{root}/review.js", f"{root}/{'a' * 22}/review", f"{place}../review"):
        assert httpx.get(url).status_code == 404, url
    assert ana.get("review").status_code == 200
    assert len(urlsplit(place).path) > 20


def test_a_host_of_another_name_is_turned_away(ana):
    """As when a page of another site makes its name point here."""
    port = ana.base_url.port
    assert ana.get("review", headers={"host": f"localhost:{port}"}).status_code == 200
    for host in (f"evil.example:{port}", "", f"127.0.0.1.evil.example:{port}"):
        assert ana.get("review", headers={"host": host}).status_code == 400, host


def test_another_page_cannot_rate(ana):
    port = ana.base_url.port
    for origin in ("http://evil.example", "null", f"http://localhost:{port}", f"https://127.0.0.1:{port}"):
        refused = ana.put("items/0", json={"answers": FINE}, headers={"origin": origin})
        assert refused.status_code == 403
        assert "must come from the review page" in refused.json()["error"]
    del ana.headers["origin"]
    assert ana.put("items/0", json={"answers": FINE}).status_code == 403
    assert ana.post("items/0", json={"answers": FINE}).status_code == 405
    assert kept(ana) == []


def test_every_answer_forbids_what_the_page_does_not_need(ana):
    for path in ("", "review.js", "review", "items/0", "items/99", "nothing"):
        headers = ana.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_what_is_no_rating_is_refused_with_what_is_wrong(ana):
    for body, status, fault in [
        (b"", 422, "Expecting value"),
        (b"[]", 422, "a rating must be a JSON object"),
        (b"\xff", 422, "utf-8"),
        (b'{"answers": {"leak": "perhaps"}}', 422, '"answers.leak" is "perhaps"; give "yes", "no" or "cannot_say"'),
        (b'{"comment": "\\ud83d"}', 422, "the comment is not valid text from character 1"),
        (b"[" * 100_000, 422, "the rating is nested too deep"),
        (json.dumps({"comment": "a" * 17 * MAX_COMMENT}).encode(), 413, "a rating can have at most 160000 bytes"),
    ]:
        refused = ana.put("items/0", content=body)
        assert (refused.status_code, fault in refused.json()["error"]) == (status, True), fault
    assert ana.put("items/6", json={}).status_code == 404
    assert ana.put("items/-1", json={}).status_code == 404
    assert kept(ana) == []


def test_the_longest_comment_goes_through_however_it_is_written(ana):
    comment = "\U0001f600" * MAX_COMMENT
    assert ana.put("items/0", content=json.dumps({"comment": comment})).status_code == 200
    assert kept(ana)[-1]["comment"] == comment


def test_a_disk_that_does_not_take_it_is_said_so_and_the_next_try_may_do(ana):
    file = reviewer_file(ana.folder, "ana")
    file.mkdir()
    refused = ana.put("items/0", json={"answers": FINE})
    assert (refused.status_code, refused.json()["error"]) == (
        507,
        "the rating cannot be written: Is a directory",
    )
    assert ana.get("items/0").json()["rating"] is None
    file.rmdir()
    assert ana.put("items/0", json={"answers": FINE}).status_code == 200
    assert len(kept(ana)) == 1


def test_it_listens_on_this_machine_alone_and_speaks_plain_http(ana):
    assert ana.base_url.host == "127.0.0.1"
    connection = http.client.HTTPConnection("127.0.0.1", ana.base_url.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 404
    connection.close()
