"""Curation with a real server: prompts that are too long, loops, budgets, warnings, and resuming within a problem."""

import os
import signal
import subprocess
import sys
import time

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import read_records
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.graphs import native
from storm_calm.agents.graphs.components import Parts
from storm_calm.env import run_episode, write_problems
from storm_calm.env.episode import Episode
from storm_calm.env.problems.families import generate
from storm_calm.env.serialize import from_json, to_json
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import FakeReasoner, direct, mixed, workshop
from support.measurements import curation_results, without_measurements

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path):
    """Six problems. Settings are given later, with `replace` of the server's address."""
    write_problems(tmp_path / "problems.jsonl", [workshop(10 + number) for number in range(6)])

    def config(server, **more):
        return CurateConfig(
            problems=str(tmp_path / "problems.jsonl"), reasoner=server.url, minimum_isolation="limits", **more
        )

    return config


def looping(hours, hints, outputs):
    return "Let me check the hours once more, because the total may be wrong.\n" * 2000


def counting(hours, hints, outputs):
    return "".join(f"{number} and {number * number}, " for number in range(50_000))


def test_prompts_that_are_too_long_do_not_end_the_run(config, tmp_path):
    with FakeCompletionsServer(direct, fault="long") as server:
        summary = curate(config(server), tmp_path / "out")
    assert (summary.problems, summary.errors, summary.discarded) == (6, 0, {"context": 6})
    assert {record.native.stop for record in read_records(tmp_path / "out" / "episodes.jsonl")} == {"context"}


def test_a_model_that_loops_is_stopped_long_before_the_end_of_its_context(config, tmp_path):
    with FakeCompletionsServer(looping, piece=20) as server:
        summary = curate(config(server, limit=2, workers=1), tmp_path / "out")
        sent = server.sent
    assert summary.discarded == {"repetition": 2}
    assert summary.tokens < 4 * 400
    assert sent < 4 * len(looping(0, 0, 0)) / 5, "the connection is closed"


def test_the_token_limit_holds_for_a_server_without_token_ids(config, tmp_path):
    with FakeCompletionsServer(counting, piece=200) as server:
        summary = curate(config(server, limit=2, max_tokens=900), tmp_path / "out")
        asked = [(len(body["prompt"]), body["max_tokens"]) for body in server.asked]
    assert summary.problems == 2
    # Digits are tokens of their own: a prompt has more of them than a quarter of its characters.
    assert all(length / 4 + tokens <= 900 for length, tokens in asked)


def test_trajectories_that_cannot_be_trained_on_are_a_warning_before_the_first_problem(config, tmp_path):
    with FakeCompletionsServer(direct) as server:
        warnings = []
        summary = curate(
            config(server, limit=2),
            tmp_path / "out",
            on_warning=lambda warning: warnings.append((warning, len(server.asked))),
        )
    ((warning, asked),) = warnings
    assert asked == 0
    assert "no token ids" in warning
    assert "--tokenizer FOLDER" in warning
    assert summary.warnings == (warning,)


def test_held_out_problems_are_a_warning_and_trainable_ones_are_none(tmp_path):
    for split, expected in (("heldout", ["These problems are for evaluation only"]), ("train", [])):
        write_problems(tmp_path / f"{split}.jsonl", generate(["knapsack"], split=split, seed=1, limit=1))
        config = CurateConfig(problems=str(tmp_path / f"{split}.jsonl"), reasoner="nano-base")
        warnings = []
        summary = curate(config, tmp_path / split, on_warning=warnings.append)
        assert [warning.partition(" (")[0] for warning in warnings] == expected
        assert list(summary.warnings) == warnings


@pytest.mark.parametrize("hours", [8, 9, 10, 11])
def test_the_native_graph_gives_the_trajectory_of_the_solve_loop(sandbox, hours):
    parts = Parts(reasoner=FakeReasoner(mixed), sandbox=sandbox)
    problem = workshop(hours)
    state = native.build(lambda: parts).invoke({"problem": to_json(problem), "seed": 7})
    looped = run_episode(parts.env(), parts.reasoner, problem, seed=7)
    assert without_measurements(state["episode"]) == without_measurements(to_json(looped))
    assert from_json(Episode, state["episode"]).stop == looped.stop


@pytest.mark.timeout(600)
def test_a_killed_curation_repeats_at_most_the_request_in_flight(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(hours) for hours in (9, 10)])

    def start(server, out):
        code = "from storm_calm.cli.start import main; main()"
        arguments = ["--problems", tmp_path / "problems.jsonl", "--reasoner", server.url, "--workers", 1, "--out", out]
        more = ["--minimum-isolation", "limits", "--display", "none"]
        command = [sys.executable, "-c", code, "curate", *map(str, arguments), *more]
        return subprocess.Popen([*command, *(["--resume"] if out.exists() else [])], env=os.environ)

    with FakeCompletionsServer(mixed) as server:
        assert start(server, tmp_path / "whole").wait() == 0
        whole = len(server.asked)

    with FakeCompletionsServer(mixed, pause=0.5) as server:
        kills = 0
        # In the first native run, after it, and under CALM.
        for requests in (1, 3, whole - 1):
            process = start(server, tmp_path / "killed")
            while len(server.asked) < requests + kills and process.poll() is None:
                time.sleep(0.02)
            time.sleep(0.2)
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        assert start(server, tmp_path / "killed").wait() == 0
        asked = len(server.asked)

    assert kills >= 2
    assert whole <= asked <= whole + kills
    # The summaries name the servers.
    assert curation_results(tmp_path / "killed")[0] == curation_results(tmp_path / "whole")[0]
