"""The direction of an unbounded model."""

import pytest

from storm_calm.env.plans.record import read_records
from storm_calm.env.plans.unbounded import find_ray

MODEL = """
import pulp
p = pulp.LpProblem("p", pulp.LpMaximize)
buy, sell, store = pulp.LpVariable("buy", 0), pulp.LpVariable("sell", 0), pulp.LpVariable("store", 0, 20)
p += 5 * sell - 3 * buy
p += buy - sell == store
p.solve(pulp.PULP_CBC_CMD(msg=0))
"""


@pytest.mark.parametrize("sense", ["Max", "Min"])
def test_an_unbounded_model_has_a_direction(sandbox, sense):
    code = (
        MODEL
        if sense == "Max"
        else MODEL.replace("Maximize", "Minimize").replace("5 * sell - 3", "3 * buy - 5 * sell + 0")
    )
    [solve] = read_records(sandbox.run(code, record=True))
    ray = find_ray(solve, sandbox)
    assert {line.name: line.value for line in ray.lines} == {"buy": 1, "sell": 1}
    assert ray.gain == (2 if sense == "Max" else -2)


def test_a_bounded_model_has_none(sandbox):
    [solve] = read_records(sandbox.run(MODEL.replace("5 * sell", "2 * sell"), record=True))
    assert find_ray(solve, sandbox) is None
