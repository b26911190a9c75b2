"""Many problems are in a temporary file, and are the same as in memory."""

from dataclasses import replace

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.runs import stored_problems as module
from storm_calm.agents.runs.stored_problems import StoredProblems, stored_problems
from storm_calm.env import Problem
from storm_calm.env.records import write_problems

PROBLEMS = tuple(Problem(id=f"p{n}", question=f"Wieviele Stühle? {n}", answers=(float(n),)) for n in range(30))


@pytest.fixture(autouse=True)
def few_in_memory(monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", 20)


def test_few_problems_are_a_tuple_and_many_are_in_a_file():
    assert stored_problems(iter(PROBLEMS[:20])) == PROBLEMS[:20]
    many = stored_problems(iter(PROBLEMS))
    assert isinstance(many, StoredProblems)
    assert (len(many), tuple(many), many[-1], tuple(many[3:5])) == (30, PROBLEMS, PROBLEMS[-1], PROBLEMS[3:5])


def test_a_shard_of_stored_problems_has_the_same_ones(tmp_path):
    write_problems(tmp_path / "problems.jsonl", PROBLEMS)
    config = CurateConfig(problems=str(tmp_path / "problems.jsonl"))
    every = config.read_problems()
    assert [one.id for one in every] == [one.id for one in PROBLEMS]
    assert len(replace(config, limit=3).read_problems()) == 3
    parts = [replace(config, shard=f"{number}/3").in_shard(every) for number in (1, 2, 3)]
    assert sorted(one.id for part in parts for one in part) == sorted(one.id for one in PROBLEMS)
    in_memory = [replace(config, shard=f"{number}/3").in_shard(tuple(every)) for number in (1, 2, 3)]
    assert [tuple(part) for part in parts] == in_memory
