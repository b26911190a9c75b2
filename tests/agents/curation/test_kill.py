"""After `kill -9` at any moment, a resumed run has each problem once, with the same results."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from storm_calm.env import write_problems
from support import TESTS
from support.fake_reasoner import workshop
from support.measurements import curation_results

pytestmark = pytest.mark.slow

COUNT = 16
SESSIONS = 4
"""The most sessions that are killed."""


def finished(episodes):
    """Return the ids in the complete lines of a file."""
    text = episodes.read_text() if episodes.exists() else ""
    return {json.loads(line)["id"] for line in text.splitlines(keepends=True) if line.endswith("\n")}


def start(problems, out):
    command = [sys.executable, "-m", "support.curate_process", str(problems), str(out)]
    return subprocess.Popen(command, cwd=TESTS)


@pytest.mark.timeout(600)
def test_a_repeatedly_killed_curation_gives_the_same_results(tmp_path):
    problems = tmp_path / "problems.jsonl"
    write_problems(problems, [workshop(10 + number) for number in range(COUNT)])
    whole = tmp_path / "whole"
    started = time.monotonic()
    assert start(problems, whole).wait() == 0
    duration = time.monotonic() - started

    rng = random.Random()
    killed = tmp_path / "killed"
    kills, seen = 0, set()
    for session in range(SESSIONS + 1):
        process = start(problems, killed)
        try:
            code = process.wait(timeout=rng.uniform(0.2, 0.8) * duration if session < SESSIONS else None)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
            kills += 1
        assert code in (0, -signal.SIGKILL)
        now = finished(killed / "episodes.jsonl")
        assert now >= seen, "what was there stays"
        seen = now
        if code == 0:
            break

    assert kills >= 1
    assert curation_results(killed) == curation_results(whole)
    lines, summary = curation_results(killed)
    assert [line["id"] for line in lines["episodes.jsonl"]] == [f"workshop-{10 + number}" for number in range(COUNT)]
    assert (summary["problems"], summary["native_correct"], summary["final_correct"]) == (16, 4, 12)
    assert not (killed / "checkpoints.sqlite").exists()
