"""Shards divide the problems by their ids alone: each problem is in one shard, on every machine."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.shard import Shard, ShardProblem, read_shard_problems, write_shard_problems
from support.fake_reasoner import workshop


def shards(count):
    return [Shard(number=number, count=count) for number in range(1, count + 1)]


@given(ids=st.lists(st.text(), unique=True), count=st.integers(1, 40))
def test_each_problem_is_in_exactly_one_shard(ids, count):
    for id in ids:
        assert sum(shard.holds(id) for shard in shards(count)) == 1


@given(count=st.integers(1, 16), prefix=st.text(max_size=5))
def test_shards_are_of_about_the_same_size(count, prefix):
    ids = [f"{prefix}{number}" for number in range(200 * count)]
    sizes = [sum(map(shard.holds, ids)) for shard in shards(count)]
    # Six standard deviations of a binomial distribution.
    assert max(abs(size - 200) for size in sizes) <= 6 * 200**0.5


def test_the_shard_of_a_problem_is_the_same_in_every_process():
    code = "from storm_calm.agents.runs.shard import Shard; print(Shard.parse('2/3').holds('knapsack-7'))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {f"{Shard.parse('2/3').holds('knapsack-7')}\n"}
    # Fixed for good: a run whose shards come from several versions must not lose problems.
    assert [n for n in range(1, 9) if Shard(number=n, count=8).holds("knapsack-7")] == [5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/8", "0/8: shards are numbered from 1 to 8"),
        ("9/8", "9/8: shards are numbered from 1 to 8"),
        ("1/0", "1/0: a run has at least one shard; example: 2/8 for the second of eight shards"),
        ("2", '"2" is not a shard; example: 2/8 for the second of eight shards'),
        ("2/8/3", '"2/8/3" is not a shard; example: 2/8 for the second of eight shards'),
        ("-1/8", '"-1/8" is not a shard; example: 2/8 for the second of eight shards'),
    ],
)
@pytest.mark.parametrize("config", [CurateConfig, EvalConfig])
def test_an_invalid_shard_is_an_error_with_the_fix(config, text, message):
    with pytest.raises(OptionError) as error:
        config(families=("all",), shard=text)
    assert (error.value.name, error.value.problem) == ("shard", message)


def test_all_problems_belong_to_a_run_without_shards():
    problems = [workshop(hours) for hours in range(10, 30)]
    whole = CurateConfig(families=("all",))
    assert whole.in_shard(problems) == problems
    parts = [replace(whole, shard=f"{number}/3").in_shard(problems) for number in (1, 2, 3)]
    assert all(parts)
    assert sorted(one.id for part in parts for one in part) == [one.id for one in problems]


def test_a_folder_has_the_positions_of_its_problems_among_all(tmp_path):
    problems = [workshop(hours) for hours in range(10, 30)]
    shard = Shard.parse("2/3")
    write_shard_problems(tmp_path, shard, problems)
    expected = [ShardProblem(position=n, id=one.id) for n, one in enumerate(problems) if shard.holds(one.id)]
    assert list(read_shard_problems(tmp_path)) == expected
