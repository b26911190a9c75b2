"""Keys and limits: who is let in, how much at once, and that no key is ever told."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Keys, digest, new_key, read_keys
from support.fake_upstream import FakeUpstream
from support.running_server import RunningServer

pytestmark = pytest.mark.slow

ANA, BEN = "storm-ana-0123456789abcdef", "storm-ben-0123456789abcdef"
BODY = {"model": "storm", "messages": [{"role": "user", "content": "[[chat]] What is it?"}]}


@pytest.fixture(scope="module")
def guarded():
    """A server that lets in Ana and Ben, with two answers each at once and five requests a minute."""
    with FakeUpstream(rate=200) as upstream:
        keys = Keys({"ana": digest(ANA), "ben": digest(BEN)})
        with RunningServer(upstream.url, keys=keys, key_running=2, key_per_minute=5, max_running=3) as live:
            live.upstream = upstream
            yield live


def posting(live, key, play="chat"):
    body = {"model": "storm", "messages": [{"role": "user", "content": f"[[{play}]] What is it?"}]}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.post(f"{live.url}/chat/completions", json=body, headers=headers, timeout=30)


@pytest.mark.parametrize("header", [None, "", "Bearer", f"Basic {ANA}", "Bearer wrong", f"Bearer {ANA}x"])
def test_who_has_no_key_is_turned_away_before_the_body_is_read(guarded, header):
    headers = {"authorization": header} if header is not None else {}
    for path in ("/chat/completions", "/responses"):
        response = httpx.post(
            f"{guarded.url}{path}", content="{", headers={**headers, "content-type": "application/json"}
        )
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert "wrong" not in response.text
    assert httpx.get(f"{guarded.url}/models", headers=headers).status_code == 401


def test_health_and_metrics_are_open(guarded):
    root = guarded.url.removesuffix("/v1")
    assert httpx.get(f"{root}/health").json() == {"status": "ok"}
    assert "storm_running 0.0" in httpx.get(f"{root}/metrics").text


def test_one_key_has_so_many_answers_at_once_and_another_key_has_its_own(guarded):
    with ThreadPoolExecutor(4) as crew:
        running = [crew.submit(posting, guarded, ANA, "silent") for _ in range(2)]
        while guarded.running < 2:
            time.sleep(0.01)
        refused = posting(guarded, ANA)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert posting(guarded, BEN).status_code == 200
        running.append(crew.submit(posting, guarded, BEN, "silent"))
        while guarded.running < 3:
            time.sleep(0.01)
        assert "busy" in posting(guarded, BEN).json()["error"]["message"]
        for run in list(guarded.agent.running):
            guarded.loop.call_soon_threadsafe(run.cancel)


def test_a_key_has_so_many_requests_a_minute(guarded):
    codes = [posting(guarded, BEN).status_code for _ in range(6)]
    assert codes[-1] == 429
    assert 200 in codes
    wait = int(posting(guarded, BEN).headers["retry-after"])
    assert 30 <= wait <= 60


def test_no_key_and_no_question_is_in_the_log(guarded, caplog):
    with caplog.at_level(logging.DEBUG):
        posting(guarded, BEN, "half")
        posting(guarded, BEN + "x")
    assert ANA not in caplog.text
    assert BEN not in caplog.text
    assert "What is it?" not in caplog.text


def test_keys_come_from_a_file_the_environment_and_the_command_line(tmp_path):
    made = new_key()
    file = tmp_path / "keys.txt"
    file.write_text(f"# our keys\nana {digest(made)}  # until May\n\n", encoding="utf-8")
    keys = read_keys(file, f"{BEN}, ", ["a-key-of-the-command-line"])
    assert keys.caller(f"Bearer {made}").name == "ana"
    assert keys.caller(f"bearer {BEN}").name == "STORM_API_KEYS-1"
    assert keys.caller("Bearer a-key-of-the-command-line").name == "--api-key-1"
    with pytest.raises(ApiError):
        keys.caller(f"Bearer {digest(made)}")
    assert made not in file.read_text()


def test_without_keys_everybody_is_let_in():
    keys = read_keys(None, None)
    assert keys.open
    assert keys.caller(None) is keys.caller("Bearer x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ANA, ":1: give a name and a hash"),
        (f"ana {ANA}", ":1: give a name and a hash"),
        (f"ana {'a' * 64}\nana {'b' * 64}", ":2: duplicate name 'ana'"),
        ("# nobody", "no keys; add one"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_without_repeating_it(tmp_path, text, words):
    file = tmp_path / "keys.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words) as caught:
        read_keys(file, None)
    assert ANA not in str(caught.value)


def test_a_key_that_is_easily_guessed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="key 1 has fewer than 16 characters"):
        read_keys(None, "secret")


def test_a_browser_may_come_from_pages_that_are_named_and_from_no_others():
    page = "https://plans.example"
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with (
        FakeUpstream() as upstream,
        RunningServer(upstream.url, keys=Keys({"ana": digest(ANA)}), origins=(page,)) as live,
    ):
        path = f"{live.url}/chat/completions"
        allowed = httpx.options(path, headers={"origin": page, **asking})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == page
        assert httpx.options(path, headers={"origin": "https://evil.example", **asking}).status_code == 400
        refused = httpx.post(path, json=BODY, headers={"origin": page})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, page)


def test_without_a_named_page_no_browser_is_let_in(guarded):
    response = httpx.get(
        f"{guarded.url}/models", headers={"authorization": f"Bearer {ANA}", "origin": "https://a.example"}
    )
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
