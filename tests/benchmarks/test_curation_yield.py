"""The table of curations, on a real run of the nano model."""

import subprocess
import sys
from pathlib import Path

import pytest

from storm_calm.agents.curation.records import read_records


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yield") / "run"
    command = [Path(sys.executable).with_name("storm"), "curate", "--families", "knapsack,diet", "--limit", "12"]
    subprocess.run([*command, "--reasoner", "nano-base", "--out", folder], check=True, capture_output=True)
    return folder


def table(*runs):
    command = [sys.executable, "-m", "benchmarks.curation_yield", *runs]
    return subprocess.run(command, capture_output=True, text=True)


def test_each_family_and_the_whole_run_have_a_row(run):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(run).stdout.splitlines() if "(" in line]
    records = read_records(run / "episodes.jsonl")
    assert [row[0] for row in rows] == ["run: diet", "run: knapsack", "run"]
    assert [int(row[1]) for row in rows] == [6, 6, 12]
    for column, counts in (
        (2, [record.native_correct for record in records]),
        (3, [record.final_correct for record in records]),
        (5, [record.outcome == "golden" for record in records]),
    ):
        assert rows[2][column].split()[0] == str(sum(counts))
        assert int(rows[0][column].split()[0]) + int(rows[1][column].split()[0]) == sum(counts)
    assert int(rows[2][6]) == sum(len(record.episode.interventions) for record in records)


def test_a_run_without_a_finished_problem_is_an_error(tmp_path):
    (tmp_path / "episodes.jsonl").touch()
    failed = table(tmp_path)
    assert failed.returncode == 2
    assert f"{tmp_path} has no finished problem" in failed.stderr
