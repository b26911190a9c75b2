"""Several servers of a model behind one reasoner, over real HTTP: affinity, failing servers, back-pressure."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import read_records
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.reasoners import open_reasoner, retry, routing, split_urls
from storm_calm.agents.reasoners.async_reasoners import open_async
from storm_calm.agents.reasoners.replicas import Replicas
from storm_calm.env import Problem, ReasonerError, Sampling, SolverEnv, run_episode, write_problems
from storm_calm.env.solve_loop import solve_async
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import direct, mixed, workshop
from support.fake_upstream import FakeUpstream
from support.scripted_chat_server import ScriptedChatServer, chat_reply

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(routing, "FIRST_BACKOFF_SECONDS", 0.01)


class CallingServer(ScriptedChatServer):
    """A chat server whose model calls a program, and then answers with its output."""

    def answer(self, path, body):
        last = body["messages"][-1]
        if last["role"] == "tool":
            number = re.search(r"\d+", last["content"])[0]
            return chat_reply({"role": "assistant", "content": f"It is \\boxed{{{number}}}."}, "stop", stream=True)
        hours = re.search(r"(\d+) hours", last["content"])[1]
        function = {"name": "run_python", "arguments": json.dumps({"code": f"print(3 * {hours})"})}
        call = {"index": 0, "id": "1", "type": "function", "function": function}
        return chat_reply({"role": "assistant", "tool_calls": [call]}, "tool_calls", stream=True)


def hours_of(body):
    """Return the workshop of a request: its hours identify the problem."""
    text = body["prompt"] if "prompt" in body else json.dumps(body["messages"])
    return re.search(r"has (\d+) hours", text)[1]


def places(servers):
    """Return the servers and the number of requests of each trajectory."""
    found = {}
    for number, server in enumerate(servers):
        for body in server.asked:
            found.setdefault(hours_of(body), []).append(number)
    return found


def check_affinity(servers, trajectories, turns):
    found = places(servers)
    assert len(found) == trajectories
    assert all(len(places) >= turns and len(set(places)) == 1 for places in found.values())
    # Both share the work.
    assert all(len({hours for hours, places in found.items() if places[0] == number}) >= 3 for number in (0, 1))


def servers(stack, kind, count=2):
    opened = [stack.enter_context(kind()) for _ in range(count)]
    return opened, ",".join(server.url for server in opened)


@pytest.mark.parametrize("kind", ["completions", "chat"])
def test_all_turns_of_a_trajectory_go_to_one_server(kind, sandbox):
    with ExitStack() as stack:
        make = CallingServer if kind == "chat" else lambda: FakeCompletionsServer(direct, pause=0.01)
        opened, urls = servers(stack, make)
        reasoner = stack.enter_context(closing(open_reasoner(f"chat:{urls}" if kind == "chat" else urls)))
        assert isinstance(reasoner, Replicas)
        with ThreadPoolExecutor(6) as pool:
            run = lambda problem: run_episode(SolverEnv(sandbox, reasoner), reasoner, problem)  # noqa: E731
            episodes = list(pool.map(run, [workshop(10 + number) for number in range(12)]))
        assert {episode.stop for episode in episodes} == {"answer"}
        check_affinity(opened, 12, 2)


def test_all_turns_of_a_trajectory_go_to_one_server_on_an_event_loop(sandbox):
    problems = [
        Problem(id=str(hours), question=f"[[solve]] A workshop has {hours} hours.", answers=(120.0,))
        for hours in range(10, 22)
    ]

    async def solve(reasoner, problem):
        env = SolverEnv(sandbox, reasoner)
        env.reset(problem)

        async def write(request):
            return (await reasoner.write(**request, on_text=lambda *_: None)).generation

        act = lambda: asyncio.to_thread(env.act)  # noqa: E731
        return await solve_async(env, write, act, seed=1, sampling=reasoner.sampling)

    async def solve_all(urls):
        async with open_async(urls.split(",")) as reasoner:
            return await asyncio.gather(*(solve(reasoner, problem) for problem in problems))

    with ExitStack() as stack:
        opened, urls = servers(stack, lambda: FakeUpstream(rate=5000.0))
        episodes = asyncio.run(solve_all(urls))
        assert {episode.stop for episode in episodes} == {"answer"}
        check_affinity(opened, 12, 2)


def test_a_server_that_is_killed_during_a_run_loses_no_record(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(10 + number) for number in range(16)])
    with FakeCompletionsServer(mixed, pause=0.02) as one, FakeCompletionsServer(mixed, pause=0.02) as other:
        config = CurateConfig(
            problems=str(tmp_path / "problems.jsonl"),
            reasoner=f"{one.url},{other.url}",
            minimum_isolation="limits",
            workers=4,
        )

        killed = []

        def kill_in_the_middle(progress):
            if progress.done >= 4 and not killed:
                killed.append(len(one.asked))
                one.close()

        summary = curate(config, tmp_path / "out", on_progress=kill_in_the_middle)
        assert killed
        assert killed[0] > 2
        assert (summary.problems, summary.errors) == (16, 0)
        alone = curate(
            CurateConfig(problems=config.problems, reasoner=other.url, minimum_isolation="limits"), tmp_path / "alone"
        )
    records, same = (read_records(tmp_path / name / "episodes.jsonl") for name in ("out", "alone"))
    assert [record.episode.transcript for record in records] == [record.episode.transcript for record in same]
    assert summary.golden == alone.golden


def test_a_server_that_was_down_at_the_start_gets_work_when_it_answers(sandbox, caplog):
    with FakeCompletionsServer(direct) as one:
        late = FakeCompletionsServer(direct)
        late.close()
        with closing(open_reasoner(f"{late.url},{one.url}")) as reasoner:
            assert "The other replicas do the work" in caplog.text
            answer = lambda hours: run_episode(SolverEnv(sandbox, reasoner), reasoner, workshop(hours))  # noqa: E731
            assert answer(10).stop == "answer"
            returned = FakeCompletionsServer(direct, port=int(late.url.split(":")[2].split("/")[0]))
            with returned:
                threading.Event().wait(0.05)  # The backoff.
                assert answer(11).stop == "answer"
                assert returned.asked


def test_if_all_servers_are_down_the_error_is_that_of_the_last_one():
    with FakeCompletionsServer(direct) as one, FakeCompletionsServer(direct) as other:
        reasoner = open_reasoner(f"{one.url},{other.url}")
    with closing(reasoner), pytest.raises(ReasonerError, match=r"127.0.0.1:\d+/v1 .*(cannot be reached|not answer)"):
        reasoner.generate("x", stop=(), max_tokens=5, sampling=Sampling())
    with pytest.raises(ReasonerError, match="cannot be reached"):
        open_reasoner(f"{one.url},{other.url}")


def test_servers_of_different_models_are_an_error(server):
    with FakeCompletionsServer(direct) as one:
        with pytest.raises(ValueError, match=r"cannot be a replica of .*: its model is 'tiny', not 'actor'"):
            open_reasoner(f"{one.url},{server.url}")
        with pytest.raises(ValueError, match="cannot be a replica of"):
            asyncio.run(open_and_close([one.url, server.url]))


async def open_and_close(urls):
    async with open_async(urls):
        pass


def test_a_list_of_urls_is_split_and_chat_counts_for_all():
    assert split_urls("http://a/v1, http://b/v1,http://a/v1") == ("http://a/v1", "http://b/v1")
    assert split_urls("chat:http://a/v1,http://b/v1") == ("chat:http://a/v1", "chat:http://b/v1")
    with pytest.raises(ValueError, match=r"reasoner 'nano': only URLs of servers can be combined with commas"):
        open_reasoner("http://127.0.0.1:9/v1,nano")


class BusyServer(ScriptedChatServer):
    """A chat server that answers two requests at once, and 429 to further ones."""

    def __init__(self):
        self.working, self.most, self.rejected = 0, 0, 0
        self._lock = threading.Lock()
        super().__init__()

    def status(self, body):
        with self._lock:
            if self.working >= 2:
                self.rejected += 1
                return 429
            self.working += 1
            return 200

    def answer(self, path, body):
        threading.Event().wait(0.02)  # The work.
        with self._lock:
            self.working -= 1
        return chat_reply({"role": "assistant", "content": "It is \\boxed{1}."}, "stop", stream=True)


def test_a_server_that_answers_429_gets_fewer_requests_and_none_is_lost():
    with BusyServer() as busy, closing(open_reasoner(f"chat:{busy.url}")) as reasoner:

        def ask(number):
            prompt = reasoner.render([{"role": "user", "content": f"{number} hours"}])
            return reasoner.generate(prompt, stop=(), max_tokens=50, sampling=Sampling()).text

        with ThreadPoolExecutor(16) as pool:
            texts = list(pool.map(ask, range(100)))
        assert texts == ["It is \\boxed{1}."] * 100
        # Without back-pressure 14 of 16 requests are rejected again and again.
        assert busy.rejected < 100
        assert reasoner.load.most < 8
