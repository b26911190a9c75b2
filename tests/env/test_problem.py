"""A problem has a question and accepted answers."""

import pytest

from storm_calm.env import Problem
from storm_calm.env.serialize import from_json, to_json


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": ""}, "id is ''"),
        ({"question": "  "}, "question is '  '"),
        ({"rule": ""}, "rule is ''"),
        ({"source": None}, "source is None"),
        ({"answers": [5.0]}, "answers is"),
        ({"answers": (float("nan"),)}, "answer is nan"),
        ({"answers": ("none",)}, "answer is 'none'"),
        ({"answers": (True,)}, "answer is True"),
        ({"difficulty": "hard"}, "difficulty is 'hard'"),
    ],
)
def test_an_invalid_problem_is_an_error(fields, message):
    with pytest.raises(ValueError, match=message):
        Problem(**{"id": "a", "question": "Q", "answers": (5.0,), **fields})


def test_a_problem_round_trips():
    problem = Problem(id="a", question="Q", answers=(5.0, "unbounded"), rule="sirl", source="s", difficulty="easy")
    assert from_json(Problem, to_json(problem)) == problem
