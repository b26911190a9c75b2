"""A stream is never silent for long: comments are sent before the first text, while a program runs, while text is held
back for the guard, and while a plan is examined."""

import json
import threading

import httpx
import pytest

from storm_calm.serving.api import agent_tasks, sse
from support.fake_upstream import FakeUpstream
from support.running_server import RunningServer

SHOP = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit?"


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.1)
    monkeypatch.setattr("storm_calm.serving.api.app.FIRST_TEXT_SECONDS", 0.1)


def lines(live, path, question, **fields):
    """Yield the lines of a stream."""
    asked = {"input": question} if path == "/responses" else {"messages": [{"role": "user", "content": question}]}
    body = {"model": "storm", "stream": True, **asked, **fields}
    with httpx.stream("POST", f"{live.url}{path}", json=body, timeout=30) as response:
        yield from response.iter_lines()


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
@pytest.mark.parametrize("play", ["silent", "sleep"])
def test_comments_are_sent_before_the_first_text_and_while_a_program_runs(served, path, play):
    seen = 0
    for line in lines(served, path, f"[[{play}]]"):
        seen += line == ": keep-alive"
        if seen == 5:
            break
    assert seen == 5


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_comments_are_sent_while_the_answer_is_held_back(path):
    with FakeUpstream(rate=30) as slow, RunningServer(slow.url, guard=True) as live:
        found = list(lines(live, path, f"{'many words ' * 9} [[chat]]"))
    after_thoughts = found[next(n for n, line in enumerate(found) if "Hm." in line) :]
    held = after_thoughts[: next(n for n, line in enumerate(after_thoughts) if "many words" in line)]
    assert held.count(": keep-alive") >= 5


def test_comments_are_sent_while_the_plan_is_examined(served, monkeypatch):
    examined, judge = threading.Event(), agent_tasks.judge

    def slow(*arguments):
        examined.wait(20)
        return judge(*arguments)

    monkeypatch.setattr(agent_tasks, "judge", slow)
    answered = seen = 0
    for line in lines(served, "/chat/completions", f"{SHOP} [[solve]]"):
        answered += "**120**" in line
        seen += bool(answered) and line == ": keep-alive"
        if seen == 3:
            examined.set()
        if line.startswith("data: {") and "verdict" in (json.loads(line[6:]).get("storm") or {}):
            break
    assert seen >= 3


def test_comments_are_sent_to_followers_of_an_answer_in_the_background(served):
    seen = 0
    for line in lines(served, "/responses", "[[sleep]]", background=True):
        seen += line == ": keep-alive"
        if seen == 5:
            break
    assert seen == 5


def test_a_busy_stream_has_no_comments(served, monkeypatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE", 10.0)
    assert ": keep-alive" not in list(lines(served, "/chat/completions", f"{SHOP} [[solve]]"))
