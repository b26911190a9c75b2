"""`storm merge`: shards on several machines, killed and resumed, become one run that other commands read."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storm_calm.env import write_problems
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import mixed, workshop
from support.measurements import curation_results, without_measurements

pytestmark = pytest.mark.slow

LENIENT = ("--minimum-isolation", "limits", "--display", "none")
COUNT = 12


@pytest.fixture
def problems(tmp_path):
    """Write a file of twelve problems, which are in each of three shards."""
    path = tmp_path / "problems.jsonl"
    write_problems(path, [workshop(10 + number, family=("chairs", "stools")[number % 2]) for number in range(COUNT)])
    return path


def slowly(*situation):
    time.sleep(0.2)
    return mixed(*situation)


@pytest.mark.timeout(300)
def test_a_killed_shard_is_named_resumed_and_merged(storm, problems, tmp_path):
    with FakeCompletionsServer(slowly) as endpoint:
        settings = ("curate", "--problems", problems, "--reasoner", endpoint.url, *LENIENT)
        assert storm(*settings, "--out", "single").exit_code == 0
        for number in (1, 3):
            assert storm(*settings, "--shard", f"{number}/3", "--out", f"parts/{number}").exit_code == 0
        second = [*map(str, settings), "--shard", "2/3", "--out", str(tmp_path / "parts/2"), "--workers", "1"]
        process = subprocess.Popen(
            [sys.executable, "-c", "from storm_calm.cli.start import main; main()", *second],
            cwd=Path(__file__).resolve().parents[2],
        )
        while not (tmp_path / "parts/2/episodes.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        refused = storm("merge", "parts", "--out", "merged")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr.startswith("storm: not finished: parts/2 (")
        assert refused.stderr.endswith("problems missing). Resume it with: storm curate --out parts/2 --resume\n")
        assert not (tmp_path / "merged").exists()
        assert storm("curate", "--out", "parts/2", "--resume", "--display", "none").exit_code == 0
        merged = storm("merge", "parts", "--out", "merged")
    assert (merged.exit_code, merged.stderr) == (0, "")
    assert "12 problems by " in merged.stdout
    assert merged.stdout.endswith("merged: golden.jsonl has the golden trajectories, episodes.jsonl has all\n")
    assert max(map(len, merged.stdout.splitlines()[:-1])) <= 60
    assert curation_results(tmp_path / "merged") == curation_results(tmp_path / "single")
    assert storm("view", "merged", "--out", "report.html").exit_code == 0
    assert storm("export", "merged", "--format", "messages").exit_code == 0
    assert storm("doctor", "merged").exit_code in (0, 1)
    again = storm("curate", "--out", "merged", "--resume", "--json", "--display", "none")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["problems"] == COUNT


def test_shards_of_an_evaluation_are_merged_and_compared(storm, problems, endpoint, tmp_path):
    settings = ("eval", "--problems", problems, "--reasoner", endpoint.url, *LENIENT)
    single = storm(*settings, "--json", "--out", "single")
    for number in (1, 2, 3):
        # The same command starts a shard and resumes it.
        for _ in range(2):
            part = storm(*settings, "--shard", f"{number}/3", "--out", f"parts/{number}", "--resume")
            assert part.exit_code == 0, part.stderr
    merged = storm("merge", "parts/1", "parts/2", "parts/3", "--out", "merged", "--json")
    assert (merged.exit_code, merged.stderr) == (0, "")
    results = json.loads(merged.stdout)
    assert results == json.loads((tmp_path / "merged" / "results.json").read_text())
    assert without_measurements(results) == without_measurements(json.loads(single.stdout))
    assert storm("compare", "single", "merged").exit_code == 0
    assert storm("view", "merged", "--out", "report.html").exit_code == 0


def test_a_dry_run_counts_the_problems_of_the_shard(storm, problems, endpoint):
    counts = [
        json.loads(storm(command, "--problems", problems, "--shard", f"{number}/3", "--dry-run", "--json").stdout)
        for command in ("curate", "eval")
        for number in (1, 2, 3)
    ]
    assert [sum(plan["problems"] for plan in counts[part : part + 3]) for part in (0, 3)] == [COUNT, COUNT]
    assert counts[1]["config"]["shard"] == "2/3"


@pytest.mark.parametrize(
    "source", [("--stress", "all"), ("--families", "easy"), ("--families", "diet", "--size", "30")]
)
def test_problems_of_every_source_have_shards(storm, source):
    def count(*more):
        return json.loads(storm("eval", *source, "--limit", 20, *more, "--dry-run", "--json").stdout)["problems"]

    parts = [count("--shard", f"{number}/2") for number in (1, 2)]
    assert all(parts)
    assert sum(parts) == count() == 20


def test_the_command_that_the_error_shows_runs_the_missing_shard(storm, problems, endpoint):
    settings = ("eval", "--problems", problems, "--reasoner", endpoint.url, *LENIENT)
    assert storm(*settings, "--shard", "1/2", "--out", "parts/1").exit_code == 0
    refused = storm("merge", "parts", "--out", "merged").stderr
    assert "storm eval --config parts/1/config.toml --shard 2/2 --out DIR" in refused
    assert storm("eval", "--config", "parts/1/config.toml", "--shard", "2/2", "--out", "parts/2").exit_code == 0
    assert storm("merge", "parts", "--out", "merged").exit_code == 0


@pytest.mark.parametrize("command", ["curate", "eval"])
def test_a_wrong_shard_is_a_one_line_error(storm, command):
    result = storm(command, "--families", "all", "--shard", "0/8")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "storm: --shard: 0/8: shards are numbered from 1 to 8\n"


def test_a_shard_cannot_be_resumed_as_another_one(storm, problems, endpoint):
    settings = ("eval", "--problems", problems, "--reasoner", endpoint.url, *LENIENT, "--out", "part")
    assert storm(*settings, "--shard", "1/3").exit_code == 0
    result = storm(*settings, "--shard", "2/3", "--resume")
    assert result.exit_code == 2
    assert "part: made with other settings (shard: 1/3 -> 2/3)" in result.stderr


def test_merge_needs_a_folder_and_shards(storm, tmp_path):
    assert storm("merge", "parts").exit_code == 2
    result = storm("merge", "parts", "--out", "merged")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("storm: parts: no such folder; give folders of storm curate --shard")
