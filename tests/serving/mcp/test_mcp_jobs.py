"""Long solves as jobs, progress, cancellation, and the agent as a tool."""

import concurrent.futures
import time

import pytest

from storm_calm.env.problems.families import generate
from support.fake_upstream import FakeUpstream
from support.mcp_clients import MODES, Connection, wait_until
from support.mcp_programs import SLEEP
from support.running_mcp_server import RunningMcpServer


def followed(connection, job, seconds=60):
    """Return the last status of a job, and how many calls it took."""
    deadline, calls = time.monotonic() + seconds, 0
    while job["state"] == "running":
        assert time.monotonic() < deadline
        began = time.monotonic()
        job = connection.facts("status", job_id=job["job_id"], wait_seconds=20)
        assert time.monotonic() - began < 25
        calls += 1
    return job, calls


def test_a_submitted_program_is_followed_to_its_result(connection):
    job = connection.facts("submit", code=SLEEP.format(seconds=1.5), seconds=30)
    assert job["state"] == "running"
    assert connection.category("result", job_id=job["job_id"]) == "busy"
    ended, calls = followed(connection, job)
    assert (ended["state"], ended["limit_seconds"]) == ("finished", 30)
    assert calls <= 3
    result = connection.facts("result", job_id=job["job_id"])
    assert result["program"]["stdout"] == "asleep\nawake\n"
    assert connection.facts("result", job_id=job["job_id"]) == result


@pytest.mark.slow
def test_a_solve_of_twenty_seconds_through_submit_and_status(client):
    job = client.facts("submit", code=SLEEP.format(seconds=20), seconds=60)
    ended, calls = followed(client, job)
    assert ended["state"] == "finished"
    assert calls <= 4
    assert client.facts("result", job_id=job["job_id"])["program"]["seconds"] > 19


def test_a_submitted_program_that_fails_is_an_error_of_result(client):
    job = client.facts("submit", code="print('so far')\n1 / 0")
    ended, _ = followed(client, job)
    assert ended["state"] == "finished"
    result = client.call("result", job_id=job["job_id"])
    assert result.is_error
    assert result.structured_content["error"]["category"] == "program_error"
    assert result.structured_content["program"]["stdout"] == "so far\n"


def test_a_cancelled_job_kills_its_program(client, mcp_server):
    job = client.facts("submit", code=SLEEP.format(seconds=60))
    wait_until(lambda: mcp_server.programs == 1)
    assert client.facts("cancel", job_id=job["job_id"])["state"] == "cancelled"
    assert mcp_server.programs == 0
    assert client.category("result", job_id=job["job_id"]) == "cancelled"
    assert client.facts("cancel", job_id=job["job_id"])["state"] == "cancelled"


def test_a_client_has_a_limited_number_of_jobs(client, mcp_server):
    jobs = [client.facts("submit", code=SLEEP.format(seconds=60)) for _ in range(8)]
    assert client.category("submit", code="print(1)") == "busy"
    assert client.category("run_program", code="print(1)") == "busy"
    for job in jobs:
        client.facts("cancel", job_id=job["job_id"])
    assert mcp_server.programs == 0
    assert client.facts("run_program", code="print(1)")["stdout"] == "1\n"


def test_a_program_that_waits_too_long_for_a_processor_becomes_a_job(client, monkeypatch):
    from storm_calm.serving.mcp import programs

    monkeypatch.setattr(programs, "CALL_SECONDS", 0.0)
    run = client.facts("run_program", code=SLEEP.format(seconds=3), seconds=0)
    assert (run["status"], run["record_id"]) == ("running", None)
    monkeypatch.undo()
    followed(client, {"state": "running", "job_id": run["job_id"]})
    assert client.facts("result", job_id=run["job_id"])["program"]["stdout"] == "asleep\nawake\n"


def test_progress_is_reported_while_a_program_runs(connection):
    seen = []

    async def on_progress(progress, total, message):
        seen.append((progress, total, message))

    connection.call("run_program", code=SLEEP.format(seconds=2.5), seconds=9, progress=on_progress)
    assert len(seen) >= 2
    assert [one[0] for one in seen] == sorted(one[0] for one in seen)
    assert seen[-1][1:] == (9, "running the program")


# Programs of a server over standard input and output run in another process: test_mcp_stdio.py.
@pytest.mark.parametrize("connection", [f"http-{mode}" for mode in MODES], indirect=True)
def test_a_call_that_the_client_cancels_kills_its_program(connection, mcp_server):
    future = connection.start(
        connection.client.call_tool("run_program", {"code": SLEEP.format(seconds=20), "seconds": 25})
    )
    wait_until(lambda: mcp_server.programs == 1)
    future.cancel()
    wait_until(lambda: mcp_server.programs == 0)
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(1)
    assert connection.facts("run_program", code="print(1)")["stdout"] == "1\n"


def test_a_session_runs_one_program_at_a_time(client, mcp_server):
    session = client.facts("run_program", code="x = 1", session="new")["session_id"]
    future = client.start(
        client.client.call_tool("run_program", {"code": SLEEP.format(seconds=20), "session": session})
    )
    wait_until(lambda: mcp_server.programs == 1)
    assert client.category("run_program", code="print(x)", session=session) == "busy"
    future.cancel()
    wait_until(lambda: mcp_server.programs == 0)
    assert client.facts("run_program", code="print(x)", session=session)["stdout"] == "1\n"


def test_the_nano_model_answers_questions_of_its_families(connection):
    question = next(generate(["product_mix"], split="heldout", seed=0, limit=1)).question
    answer = connection.facts("ask", question=question)
    assert answer["status"] == "answered"
    assert answer["record_ids"]


@pytest.fixture(scope="module")
def scripted():
    """Yield an upstream that follows the play in a question, and a server that asks it."""
    with FakeUpstream() as upstream, RunningMcpServer(upstream.url) as live:
        yield upstream, live


def test_the_plan_behind_an_answer_can_be_examined(scripted):
    _, live = scripted
    with Connection(live.url) as client:
        answer = client.facts("ask", question="A workshop has 40 hours. What is the largest profit? [[solve]]")
        assert (answer["status"], answer["value"], answer["backed"]) == ("answered", 120, True)
        assert answer["record_ids"] == [answer["record_id"]]
        checked = client.facts("check_plan", record_id=answer["record_id"])
        assert checked["outcome"] == "passed"
        assert checked["plan"] == answer["plan"]
        assert "pywraplp" in client.read(f"storm://runs/{answer['record_id']}/program.py").text


def test_the_agent_gets_files(scripted):
    upstream, live = scripted
    with Connection(live.url) as client:
        answer = client.facts("ask", question="What does it cost? [[file]]", files={"costs.csv": "a,b\n1,2\n"})
    assert "The file says a,b\n1,2" in answer["answer"]
    assert "costs.csv: CSV, 1 row, 2 columns" in upstream.asked[-1]["prompt"]


def test_a_long_answer_becomes_a_job_and_can_be_cancelled(scripted, monkeypatch):
    from storm_calm.serving.mcp import answers

    upstream, live = scripted
    monkeypatch.setattr(answers, "CALL_SECONDS", 1.0)
    with Connection(live.url) as client:
        answer = client.facts("ask", question="How long? [[sleep]]")
        assert answer["status"] == "running"
        status = client.facts("status", job_id=answer["job_id"], wait_seconds=0)
        assert (status["kind"], status["state"]) == ("agent", "running")
        wait_until(lambda: live.programs == 1)
        assert client.facts("cancel", job_id=answer["job_id"])["state"] == "cancelled"
        wait_until(lambda: live.programs == 0)
        wait_until(lambda: upstream.open == 0)


def test_a_question_whose_call_is_cancelled_stops_the_model(scripted):
    upstream, live = scripted
    with Connection(live.url) as client:
        future = client.start(client.client.call_tool("ask", {"question": "Go on. [[endless]]"}))
        wait_until(lambda: upstream.open == 1)
        future.cancel()
        wait_until(lambda: upstream.open == 0)
    assert upstream.ended[-1] == "left"
