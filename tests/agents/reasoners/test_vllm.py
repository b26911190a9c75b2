"""The nano model behind a real vLLM server gives what the embedded engine gives.

vLLM lives in an environment of its own (`make vllm`). One server serves all tests; the last test kills it.
"""

import json
import threading
import time
from contextlib import closing

import pytest

from benchmarks.served import sign_test, solve
from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.problems.families import generate
from storm_calm.env.reasoner import Sampling, collect
from support.vllm_server import FOLDER, VllmServer, open_served, skip_unless_possible

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PROBLEMS = 40
GREEDY = Sampling(temperature=0.0, seed=1)
STOP = ("```\n",)
LONG = 1200
"""Tokens that take the server seconds."""


class Endless(Completions):
    """The nano model, which may not end its turn before `LONG` tokens."""

    def _read(self, body, stop):
        return super()._read({**body, "min_tokens": LONG}, stop)


@pytest.fixture(scope="module")
def vllm(tmp_path_factory):
    skip_unless_possible()
    with closing(VllmServer(tmp_path_factory.mktemp("vllm") / "log.txt")) as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def served(vllm):
    with closing(open_served(vllm.url)) as reasoner:
        yield reasoner


def prompts(reasoner, count):
    problems = generate(["all"], split="heldout", seed=3, limit=count)
    messages = [[{"role": "user", "content": problem.question}] for problem in problems]
    return [reasoner.encode_marked(reasoner.render(each))[0] for each in messages]


def test_greedy_decoding_gives_the_embedded_engines_tokens(served, nano):
    asked = prompts(nano, 12)
    assert asked == prompts(served, 12)
    same = 0
    for prompt in asked:
        here, there = (one.generate(prompt, stop=STOP, max_tokens=200, sampling=GREEDY) for one in (nano, served))
        same += (here.text, here.ids, here.ends, here.finish) == (there.text, there.ids, there.ends, there.finish)
    # The rounding of two engines may turn a draw between two tokens.
    assert same >= 11


def test_accuracy_equals_the_embedded_engines_within_sampling_noise(served, nano, sandbox):
    problems = list(generate(["all"], split="heldout", seed=7, limit=PROBLEMS))
    embedded, behind = (solve(one, problems, sandbox, workers=8, seed=7) for one in (nano, served))
    assert 0.3 * PROBLEMS < sum(embedded) < 0.8 * PROBLEMS
    # With instructions, which nano was not trained with, the server solves a quarter as many.
    assert sign_test(behind, embedded) > 0.001, (sum(behind), sum(embedded))


def test_text_and_ids_arrive_while_the_server_generates(served, vllm):
    (prompt,) = prompts(served, 1)
    with closing(served.stream(prompt, stop=STOP, max_tokens=200, sampling=Sampling(seed=2))) as stream:
        chunks = [next(stream)]
        assert vllm.metric("num_requests_running") <= 1
        chunks += stream
    whole = served.generate(prompt, stop=STOP, max_tokens=200, sampling=Sampling(seed=2))
    assert len(chunks) > 10
    assert collect(chunks) == whole
    assert whole.finish == "stop"
    assert whole.text.endswith("```\n")
    decoder = ByteTokens(FOLDER / "tokenizer.json").decoder()
    assert "".join(decoder.feed(id) for id in whole.ids) == whole.text
    assert whole.ends[-1] == len(whole.text)


def test_a_closed_stream_stops_the_servers_generation(vllm):
    with closing(open_served(vllm.url, Endless)) as endless:
        (prompt,) = prompts(endless, 1)
        # The server prepares for `min_tokens` at its first request, and holds back the text meanwhile.
        for seed in (1, 2):
            before = vllm.metric("generation_tokens_total")
            stream = endless.stream(prompt, stop=(), max_tokens=LONG, sampling=Sampling(seed=seed))
            next(stream)
            stream.close()
            deadline = time.monotonic() + 60
            while vllm.metric("num_requests_running"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            generated = vllm.metric("generation_tokens_total") - before
    assert 1 <= generated < LONG / 2


def test_streams_at_once_share_batches_and_keep_apart(served, vllm):
    asked = prompts(served, 8)
    together = [None] * len(asked)
    begin = threading.Barrier(len(asked))

    def write(number):
        begin.wait()
        together[number] = served.generate(asked[number], stop=STOP, max_tokens=120, sampling=GREEDY)

    before = vllm.metric("iteration_tokens_total_count")
    alone = [served.generate(prompt, stop=STOP, max_tokens=120, sampling=GREEDY) for prompt in asked]
    between = vllm.metric("iteration_tokens_total_count")
    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One step of the engine computes the next token of all streams.
    assert vllm.metric("iteration_tokens_total_count") - between < (between - before) / 2
    assert sum(one == other for one, other in zip(alone, together, strict=True)) >= len(asked) - 1


def test_a_run_resumes_after_the_server_is_killed(vllm, tmp_path):
    """The last test of this file: it restarts the server."""
    out = tmp_path / "run"
    config = CurateConfig(
        families=("all",), split="heldout", limit=12, seed=7, workers=2, minimum_isolation="limits", max_interventions=1
    )
    raised = []

    def first():
        try:
            with closing(open_served(vllm.url)) as reasoner:
                curate(config, out, reasoner=reasoner)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    file = out / "episodes.jsonl"
    while not file.exists() or file.read_text().count("\n") < 3:
        assert thread.is_alive(), raised
        time.sleep(0.05)
    vllm.kill()
    thread.join(120)
    assert not thread.is_alive()
    done = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert 3 <= len(done) < 12
    assert len(raised) == 1
    assert vllm.url in str(raised[0])

    vllm.start()
    with closing(open_served(vllm.url)) as reasoner:
        summary = curate(config, out, resume=True, reasoner=reasoner)
    ids = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert len(set(ids)) == summary.problems == 12
    assert summary.errors == 0
