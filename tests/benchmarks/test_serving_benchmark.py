"""The serving benchmark: its scripted upstream, its client, its tables, and a small complete run."""

import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.serving import __main__ as command
from benchmarks.serving import faults, leaving, loads, nano, servers, table
from benchmarks.serving.client import Reply, ask, chat, read, wrong
from benchmarks.serving.leaving import effects
from benchmarks.serving.script import ANSWER, BEFORE_SILENCE, MARK, OUTPUT, SHOWN, Script
from benchmarks.serving.upstream import Played
from benchmarks.serving.wire import CHUNKED_END, chunk, post, read_response, response, take_request
from storm_calm.env import read_answer
from storm_calm.env.problems.families import generate
from storm_calm.env.protocol import Inline
from storm_calm.env.transcript import Span, Transcript
from storm_calm.sandbox import open_sandbox

pytestmark = pytest.mark.slow

QUICK = Script(tokens=12, rate=400, first=0.01)
CORE = min(os.sched_getaffinity(0))

SCRIPTS = st.builds(
    Script,
    id=st.from_regex(r"[A-Za-z0-9-]{1,9}", fullmatch=True),
    mode=st.sampled_from(["ok", "script", "429", "500", "half", "silence"]),
    tokens=st.integers(4, 500),
    rate=st.floats(0.1, 1e4),
    first=st.floats(0, 10),
    sleep=st.floats(0, 10),
    silence=st.floats(0, 100),
)


@pytest.fixture(scope="module")
def upstream():
    with servers.upstream(CORE) as target:
        yield target


@pytest.fixture(autouse=True)
def empty_log(request):
    if "upstream" in request.fixturenames:
        loads.clear(request.getfixturevalue("upstream"))


def exchange_with(upstream, script, *, stream=True, stay=None):
    body = chat(script, model="scripted", stream=stream)
    return uvloop.run(ask(upstream.address, body, stay=stay))


def posted(upstream, path, body):
    """Send a POST request without the benchmark's client; return status, headers and body."""
    connection = http.client.HTTPConnection(urlsplit(upstream.address).netloc, timeout=10)
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


@given(SCRIPTS)
def test_a_prompt_encodes_its_whole_script(script):
    assert Script.read(f"Instructions: [[1]] and ```output.\n{script.prompt}\nmore") == script


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Sell 3.", "no directive"),
        ("[[id=a mood=ok]]", "'mood'"),
        ("[[id=a mode=fine]]", "'fine'"),
        ("[[id=a rate=fast]]", "fast"),
        ("[[id=a tokens=3]]", "4 or more"),
        ("[[id=a rate=0]]", "greater than 0"),
        ("[[id=a sleep=-1]]", "sleep is -1"),
    ],
)
def test_an_invalid_directive_is_an_error_that_names_the_fault(text, fault):
    with pytest.raises(ValueError, match=fault):
        Script.read(text)


def test_the_segment_depends_only_on_the_output_after_the_directive():
    script = Script(mode="script", tokens=5)
    first = script.pieces(f"you see ```output blocks {script.prompt}")
    assert "".join(first) == "~0 ~1 \n```python\nprint(6 * 7)\n```\n"
    assert "".join(script.pieces(script.prompt + "".join(first) + OUTPUT)) == "~0 ~1 </think>\n\n\\boxed{42}"


def test_the_expected_text_of_an_agent_is_both_segments_with_the_output_between():
    script = Script(mode="script", tokens=5)
    second = script.pieces(script.prompt + OUTPUT)
    assert script.thoughts == "".join(script.pieces(script.prompt)) + OUTPUT + "~0 ~1 "
    assert script.written == len(script.pieces(script.prompt)) + len(second)
    answer = read_answer(Transcript(spans=(Span(source="model", text=script.thoughts + ANSWER),)))
    assert answer.value == 42


@given(st.lists(st.binary(min_size=1, max_size=40)))
def test_a_chunked_body_is_decoded(parts):
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    data = head + b"".join(map(chunk, parts))
    assert read_response(data + CHUNKED_END) == (200, b"".join(parts), True)
    assert read_response(data) == (200, b"".join(parts), False)
    if parts:
        assert read_response(data[:-3]) == (200, b"".join(parts[:-1]), False)


@given(st.binary(max_size=50), st.binary(max_size=50), st.integers(0, 400))
def test_a_request_is_parsed_only_when_it_is_complete(body, rest, cut):
    request = post("/v1/x?y=1", "localhost", body)
    taken, left = take_request(request + rest)
    assert (taken.method, taken.path, taken.body, taken.close, left) == ("POST", "/v1/x", body, True, rest)
    if cut < len(request):
        assert take_request(request[:cut]) is None


@given(st.binary(max_size=50))
def test_a_response_with_a_length_is_complete_at_that_length(body):
    assert read_response(response(429, body)) == (429, body, True)
    assert read_response(response(429, body + b"!")[:-1]) == (429, body, False)
    assert read_response(b"HTTP/1.1 200")[0] is None


@pytest.mark.parametrize("stream", [True, False])
def test_the_client_reads_what_the_upstream_sends(upstream, stream):
    exchange = exchange_with(upstream, QUICK, stream=stream)
    reply = read(exchange.data)
    assert reply.content == "".join(QUICK.pieces(QUICK.prompt))
    assert (reply.status, reply.complete, reply.finish, reply.error) == (200, True, "stop", None)
    assert reply.usage["completion_tokens"] == 12
    assert list(wrong(reply, QUICK, agent=False)) == []
    assert exchange.fillers == reply.content.count(MARK) == QUICK.fillers
    (played,) = loads.log(upstream)
    assert (played.id, played.end, played.sent, played.stream) == ("any", "done", 12, stream)


def test_tokens_arrive_at_their_times(upstream):
    script = Script(tokens=40, rate=200, first=0.1)
    exchange = exchange_with(upstream, script)
    assert 0.099 <= exchange.first - exchange.began < 0.3
    assert script.seconds(script.prompt) - 0.001 <= exchange.ended - exchange.began < 1.0
    (played,) = loads.log(upstream)
    assert 0 <= exchange.ended - played.ended < 0.2, "both processes use the same clock"


def test_a_completion_ends_at_max_tokens(upstream):
    body = {"model": "m", "prompt": f"system\n{QUICK.prompt}", "max_tokens": 7}
    status, _, data = posted(upstream, "/v1/completions", body)
    choice = json.loads(data)["choices"][0]
    assert (status, choice["text"], choice["finish_reason"]) == (200, "~0 ~1 ~2 ~3 ~4 ~5 ~6 ", "length")
    status, headers, data = posted(upstream, "/v1/completions", {**body, "stream": True})
    events = [json.loads(line[5:]) for line in data.split(b"\n\n")[:-2]]
    assert headers["content-type"] == "text/event-stream"
    assert data.endswith(b"data: [DONE]\n\n")
    assert "".join(event["choices"][0]["text"] for event in events) == choice["text"]
    assert [event["choices"][0]["finish_reason"] for event in events][-2:] == [None, "length"]
    assert {event["object"] for event in events} == {"text_completion"}


def test_a_connection_serves_sequential_requests(upstream):
    connection = http.client.HTTPConnection(urlsplit(upstream.address).netloc, timeout=10)
    for _ in range(2):
        connection.request("POST", "/v1/chat/completions", json.dumps(chat(QUICK, model="m")))
        assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
    connection.request("GET", "/v1/models")
    assert [entry["id"] for entry in json.load(connection.getresponse())["data"]] == ["scripted"]
    connection.close()


def test_a_failure_before_the_first_token_has_its_status(upstream):
    for mode in ("429", "500"):
        status, headers, data = posted(upstream, "/v1/completions", {"prompt": replace(QUICK, mode=mode).prompt})
        assert status == int(mode)
        assert headers["retry-after"] == ("1" if mode == "429" else None)
        assert json.loads(data)["error"]["message"] == "as scripted"
    assert posted(upstream, "/v1/completions", {"prompt": "Sell 3."})[0] == 400
    assert posted(upstream, "/v1/elsewhere", {})[0] == 404
    assert [played.end for played in loads.log(upstream)] == ["failed", "failed"]


@pytest.mark.parametrize("stream", [True, False])
def test_half_an_answer_is_recognized(upstream, stream):
    script = replace(QUICK, mode="half")
    exchange = exchange_with(upstream, script, stream=stream)
    assert exchange.fillers == (6 if stream else 0)
    assert faults.outcome(exchange, script, agent=False).startswith("broken off" if stream else "nothing")


def test_a_stall_has_the_scripted_length(upstream):
    script = replace(QUICK, mode="silence", silence=0.4, tokens=20)
    exchange = exchange_with(upstream, script, stay=0.2)
    assert exchange.fillers == BEFORE_SILENCE
    exchange = exchange_with(upstream, script)
    assert exchange.ended - exchange.began > 0.4
    assert faults.outcome(exchange, script, agent=False).startswith("complete")


@pytest.mark.parametrize("stream", [True, False])
def test_the_upstream_logs_which_client_disconnects_and_when(upstream, stream):
    exchange = exchange_with(upstream, Script(id="away", tokens=100, rate=50), stream=stream, stay=0.2)
    time.sleep(0.1)
    (played,) = loads.log(upstream)
    assert (played.id, played.end) == ("away", "left")
    assert 0 <= played.ended - exchange.left < 0.1
    assert effects(Script(id="away"), [played], left=exchange.left)["ended_by_leaving"] == 1


def test_each_flaw_of_an_answer_has_its_label():
    script = Script(mode="script", tokens=5)
    good = Reply(
        status=200,
        complete=True,
        reasoning=script.thoughts,
        content=f"{SHOWN}\n\nNote: so and so.",
        finish="stop",
        usage={"completion_tokens": script.written},
    )
    assert list(wrong(good, script, agent=True)) == []
    flaws = {
        "status 502": {"status": 502},
        "error": {"error": "it failed"},
        "cut off": {"complete": False},
        "text": {"reasoning": script.thoughts.replace("~1", "~2")},
        "usage": {"usage": None},
        "finish": {"finish": "length"},
    }
    for label, change in flaws.items():
        assert list(wrong(replace(good, **change), script, agent=True)) == [label]
    assert list(wrong(replace(good, content="42"), script, agent=True)) == ["text"]


def test_an_incomplete_event_stream_is_read_up_to_its_last_event():
    def event(**fields):
        return b"data: " + json.dumps(fields).encode() + b"\n\n"

    events = [
        event(choices=[{"delta": {"reasoning": "I run it."}, "finish_reason": None}], usage=None),
        b": keep-alive\n\n",
        event(choices=[{"delta": {}, "finish_reason": "stop"}], storm={"executions": [{"wall_seconds": 0.5}]}),
        event(choices=[], usage={"completion_tokens": 3}),
    ]
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    body = b"".join(chunk(part) for part in events)
    reply = read(head + body + chunk(b"data: [DONE]\n\n") + CHUNKED_END)
    assert (reply.reasoning, reply.finish, reply.comments, reply.complete) == ("I run it.", "stop", 1, True)
    assert (reply.executions, reply.usage) == ([{"wall_seconds": 0.5}], {"completion_tokens": 3})
    assert not read(head + body + CHUNKED_END).complete, "without [DONE]"
    failed = read(head + body + chunk(event(error={"message": "no model"})) + CHUNKED_END)
    assert failed.error == "no model"
    assert read(head + chunk(events[0][:-9]) + CHUNKED_END).reasoning == ""


def test_a_disconnect_is_measured_by_the_requests_that_continue():
    def request(segment, began, ended, end="done"):
        return Played(id="r0", segment=segment, stream=True, began=began, ended=ended, end=end)

    script = Script(mode="script")
    in_text = effects(script, [request(1, 0.0, 1.25, "left")], left=1.0)
    assert (in_text["left_writing"], in_text["left_running"], in_text["lag_ms"]) == (1, 0, [250.0])
    assert in_text["requests_after"] == 0
    in_code = effects(script, [request(1, 0.0, 0.5)], left=1.0)
    assert (in_code["left_writing"], in_code["left_running"], in_code["requests_after"]) == (0, 1, 0)
    continued = effects(script, [request(1, 0.0, 0.5), request(2, 1.5, None)], left=1.0)
    assert (continued["left_running"], continued["ended_by_leaving"], continued["requests_after"]) == (1, 0, 1)
    to_the_end = effects(script, [request(1, 0.0, 3.5)], left=1.0)
    assert (to_the_end["ended_by_leaving"], to_the_end["requests_after"]) == (0, 1)


def test_differences_to_direct_are_computed_within_each_run():
    def row(first, speed, **wrong):
        return {"first_ms": first, "first_p95_ms": 2 * first, "tokens_per_second": speed, "wrong": wrong}

    runs = [
        {"direct": row(50, 100.0), "storm serve": row(58, 100.0)},
        {"direct": row(90, 50.0), "storm serve": row(95, 25.0, text=2)},
        {"direct": row(51, 100.0), "storm serve": row(60, 90.0, text=1, usage=1)},
    ]
    merged = table.answers(runs)["storm serve"]
    assert (merged["added_first_ms"], merged["added_first_p95_ms"], merged["share"]) == (8, 16, 0.9)
    assert merged["first_ms"] == 60
    assert merged["wrong"] == {"text": 3, "usage": 1}


def test_the_error_of_a_server_that_does_not_start_has_its_log():
    with (
        pytest.raises(SystemExit, match=r"storm serve did not start: storm: .*'no-such-model'"),
        servers.storm("no-such-model", {CORE}),
    ):
        pass


def test_a_program_that_still_runs_is_found_among_the_processes_of_its_server():
    script = Script(id="r7", mode="script", tokens=5, sleep=1.0)
    code = Inline().read("".join(script.pieces(script.prompt))).code
    here = servers.Target(name="here", address="", model="", agent=True, pid=os.getpid())
    with open_sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        ran = pool.submit(sandbox.run, code)
        while script.process not in here.names():
            assert not ran.done(), "the process was never found"
            time.sleep(0.05)
        assert (ran.result().status, ran.result().stdout) == ("ok", "42\n")
        # The sandbox returns the result before the process has ended.
        deadline = time.monotonic() + 5
        while script.process in here.names():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_engine_generates_the_tokens_of_the_episodes():
    problems = [replace(problem, id="chat") for problem in generate(["all"], split="heldout", seed=3, limit=2)]
    with open_sandbox() as sandbox:
        jobs, kept = nano.record_calls(sandbox, problems)
        reasoner = nano.Nano(nano.built_in(nano.REASONER))
        tokens, seconds = nano.engine(reasoner, jobs, streams=2)
        assert nano.episodes(reasoner, sandbox, problems, streams=2)[0] == kept
    assert len(jobs) == 2
    assert tokens >= kept > 0
    assert seconds > 0


def test_a_small_run_measures_everything_and_finds_no_flaws(monkeypatch, capsys):
    for module, name, value in [
        (loads, "RAMP", 0.1),
        (loads, "WARM", 1),
        (leaving, "LONG", 1.0),
        (leaving, "SLEEP", 1.0),
        (leaving, "AFTER", 0.3),
        (faults, "SILENCE", 0.2),
        (faults, "MODES", ("half", "silence")),
    ]:
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("sys.argv", ["serving", "--runs", "1", "--streams", "3", "--tokens", "10", "--rate", "200"])
    before = os.sched_getaffinity(0)
    command.main()
    assert os.sched_getaffinity(0) == before
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:31].strip(): line[31:].split() for line in lines}
    assert rows["3 streams, direct"][-1] == "1.00"
    assert len(rows["3 streams, passthrough"]) == len(rows["3 streams, storm serve"]) == 9
    assert float(rows["3 streams, storm serve"][-3]) > 0, "CPU seconds"
    assert float(rows["3 streams, storm serve"][-2]) > 60, "the server's own MB"
    program_seconds, ideal = map(float, rows["storm serve"][:2])
    assert program_seconds > ideal > 0.1
    # Disconnecting from a stream ends the upstream request; without streaming, only storm serve ends it.
    assert rows["passthrough, streamed"][:4] == rows["storm serve, streamed"][:4] == ["1", "1", "0", "1"]
    assert rows["passthrough, whole"][3] == "0"
    assert rows["storm serve, whole"][3] == "1"
    for row in ("streamed", "whole", "program, streamed", "program, whole"):
        assert rows[f"storm serve, {row}"][-2:] == ["0", "0"]
    assert "storm serve, half        an error in the stream" in "\n".join(lines)
