"""Duals, reduced costs and ranges, each against solving changed models again with SciPy."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from storm_calm.env.plans import sensitivity
from storm_calm.env.plans.feasibility import objective
from storm_calm.env.plans.record import Cone, CpSatModel, RecordedSolve
from storm_calm.env.plans.sensitivity import analyze
from support.linear_models import linear_model, matrix_of, optimum, random_model, recorded, replaced, report


def with_limit(model, number, limit, value):
    sides = ("row_lower", "row_upper") if limit == "both" else (f"row_{limit}",)
    return dataclasses.replace(model, **{side: replaced(getattr(model, side), number, value) for side in sides})


def points(ends, value):
    """Return the ends of a range, or points far away on sides without an end, and one between each and the value."""
    low, high = ends
    far = [value - 50.0 if low is None else low, value + 50.0 if high is None else high]
    return [*far, *((one + value) / 2 for one in far)]


def check_against_scipy(model, found, best, x):
    """Check all duals and ranges of a linear model by solving it again at the ends of the ranges."""
    for number, row in enumerate(found.rows):
        if row.limit is None:
            assert row.range is None
            continue
        limit = row.upper if row.limit == "upper" else row.lower
        assert row.range[0] is None or row.range[0] <= limit
        assert row.range[1] is None or row.range[1] >= limit
        for value in points(row.range, limit):
            changed = optimum(with_limit(model, number, row.limit, value))
            assert changed is not None, (row, value)
            assert changed[0] == pytest.approx(best + row.dual * (value - limit), rel=1e-6, abs=1e-6), (row, value)
    for number, variable in enumerate(found.variables):
        for value in points(variable.cost_range, variable.cost) if variable.cost_range else ():
            changed = optimum(dataclasses.replace(model, costs=replaced(model.costs, number, value)))
            assert changed is not None, (variable, value)
            kept = best + (value - variable.cost) * x[number]
            assert changed[0] == pytest.approx(kept, rel=1e-6, abs=1e-6), (variable, value)


FURNITURE = linear_model(
    [40.0, 30.0], [(None, [2, 1], 100.0), (None, [1, 1], 80.0), (10.0, [0, 1], None)], maximize=True
)


def test_the_dual_of_a_binding_resource_of_a_maximization_is_positive(sandbox):
    found = analyze(recorded(FURNITURE, [20.0, 60.0]), sandbox)
    assert (found.fixed, found.reason) == (False, "")
    first, second, third = found.rows
    assert (first.name, first.activity, first.upper, first.slack, first.binding) == ("row0", 100.0, 100.0, 0.0, True)
    assert (first.dual, first.limit, first.range) == (pytest.approx(10), "upper", pytest.approx((80, 150)))
    assert (second.dual, second.range) == (pytest.approx(20), pytest.approx((55, 100)))
    assert (third.slack, third.binding, third.dual, third.limit, third.range) == (50.0, False, 0.0, "lower", (None, 60))
    assert [one.cost_range for one in found.variables] == [pytest.approx((30, 60)), pytest.approx((20, 40))]
    assert [one.reduced_cost for one in found.variables] == [0.0, 0.0]


def test_the_dual_of_a_requirement_of_a_minimization_is_positive(sandbox):
    diet = linear_model([2.0, 5.0], [(8.0, [1, 2], None)])
    found = analyze(recorded(diet, [8.0, 0.0]), sandbox)
    assert (found.rows[0].dual, found.rows[0].range) == (pytest.approx(2), (0, None))
    assert [one.reduced_cost for one in found.variables] == [0.0, pytest.approx(1)]
    assert [one.cost_range for one in found.variables] == [pytest.approx((0, 2.5)), (pytest.approx(4), None)]


@pytest.mark.parametrize("degenerate", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_duals_and_ranges_hold_when_models_are_solved_again(sandbox, seed, degenerate):
    model = random_model(seed, degenerate=degenerate)
    solved = optimum(model)
    if solved is None:
        return  # Unbounded.
    found = analyze(recorded(model, solved[1]), sandbox)
    assert found.reason == ""
    check_against_scipy(model, found, *solved)
    for number, variable in enumerate(found.variables):
        costs = [row.dual * a for r, row in enumerate(found.rows) for column, a in model.row(r) if column == number]
        assert variable.reduced_cost == pytest.approx(variable.cost - sum(costs), abs=1e-7)


def test_most_of_the_random_models_have_a_solution_with_rows_at_limits():
    models = [random_model(seed, degenerate=degenerate) for seed in range(12) for degenerate in (False, True)]
    solved = [(model, found[1]) for model in models if (found := optimum(model))]
    assert len(solved) >= 16
    binding = [row.binding for model, x in solved for row in sensitivity._rows(recorded(model, x), model, x)]
    assert binding.count(True) >= 30
    assert binding.count(False) >= 30


@pytest.mark.parametrize("seed", range(6))
def test_integer_variables_are_fixed_at_the_plan(sandbox, seed):
    model = random_model(seed, degenerate=False, integer=True)
    rng = np.random.default_rng(seed)
    for _ in range(100):
        whole = {i: float(rng.integers(-1, 4)) for i in model.integer}
        bounds = [
            (whole.get(i, low), whole.get(i, high))
            for i, (low, high) in enumerate(zip(model.lower, model.upper, strict=True))
        ]
        lower, upper = zip(*bounds, strict=True)
        fixed = dataclasses.replace(model, lower=lower, upper=upper, integer=())
        solved = optimum(fixed)
        if solved is not None:
            break
    else:
        return
    nearly = solved[1] + [1e-7 * (i in model.integer) for i in range(len(solved[1]))]
    found = analyze(recorded(model, nearly), sandbox)
    assert (found.fixed, found.reason) == (True, "")
    assert all(found.variables[i].cost_range is None for i in model.integer)
    check_against_scipy(fixed, found, *solved)


def test_a_plan_that_is_one_of_several_optimal_ones_has_its_own_cost_ranges(sandbox):
    costs, supply = [1.0, 1.0, 2.0], linear_model([1.0, 1.0, 2.0], [(10.0, [1, 1, 1], None)])
    for plan, first in (([10.0, 0.0, 0.0], (0, 1)), ([0.0, 10.0, 0.0], (1, None))):
        found = analyze(recorded(supply, plan), sandbox)
        assert found.variables[0].cost_range == first
        assert found.rows[0].dual == 1
    between = analyze(recorded(supply, [4.0, 6.0, 0.0]), sandbox)
    assert [one.cost_range for one in between.variables] == [None] * len(costs)
    assert between.rows[0].dual == 1


def test_a_degenerate_row_says_only_what_holds(sandbox):
    # The optimum x = 4 has two binding rows for one variable; more of either limit alone is worth nothing.
    model = linear_model([3.0], [(None, [1], 4.0), (None, [2], 8.0)], maximize=True)
    found = analyze(recorded(model, [4.0]), sandbox)
    assert all(row.binding for row in found.rows)
    check_against_scipy(model, found, 12.0, [4.0])
    assert sum(row.dual * a for row, a in zip(found.rows, (1, 2), strict=True)) == pytest.approx(3)


def test_rows_of_all_kinds(sandbox):
    rows = [(2.0, [1, 1], 6.0), (-9.0, [1, -1], 9.0), (None, [1, 0], None), (3.0, [0, 1], 3.0), (0.0, [0, 0], 5.0)]
    model = linear_model([1.0, 2.0], rows, maximize=True, bounds=[(None, None)] * 2)
    found = analyze(recorded(model, [3.0, 3.0]), sandbox)
    assert [row.slack for row in found.rows] == [0.0, 9.0, None, 0.0, 0.0]
    assert [row.binding for row in found.rows] == [True, False, False, True, True]
    assert [row.limit for row in found.rows] == ["upper", None, None, "both", None]
    assert [row.dual for row in found.rows] == [1.0, 0.0, 0.0, 1.0, 0.0]
    # The upper limit cannot go below the lower one.
    assert found.rows[0].range == (2.0, 15.0)
    check_against_scipy(model, found, 9.0, [3.0, 3.0])


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_duals_of_a_convex_quadratic_model_are_slopes(sandbox, seed, maximize):
    rng = np.random.default_rng(seed)
    sign = -1.0 if maximize else 1.0
    factor = rng.integers(-2, 3, (3, 3)) + 3 * np.eye(3)
    square = sign * factor.T @ factor
    quadratic = tuple((i, j, float(square[i, j])) for i in range(3) for j in range(3))
    model = linear_model(
        -sign * rng.uniform(1, 9, 3),
        [(None, [1, 1, 1], 0.4), (0.1, [1, -1, 0], None), (None, [1, 2, 3], 50.0)],
        quadratic=quadratic,
        maximize=maximize,
        bounds=[(None, None)] * 3,
    )
    _, x = quadratic_optimum(model)
    found = analyze(recorded(model, x), sandbox)
    assert found.reason == ""
    assert all(row.range is None for row in found.rows)
    for number, row in enumerate(found.rows):
        limit, step = (
            ("lower", model.row_lower[number]) if row.upper is None else ("upper", model.row_upper[number]),
            1e-3,
        )
        side, value = limit
        high, low = (quadratic_optimum(with_limit(model, number, side, value + one))[0] for one in (step, -step))
        assert row.dual == pytest.approx((high - low) / (2 * step), abs=2e-2 * max(1.0, abs(row.dual)))
    assert any(abs(row.dual) > 0.1 for row in found.rows)


def quadratic_optimum(model):
    """Return the optimum of a convex quadratic model without bounds, by solving the optimality conditions."""
    size = len(model.costs)
    square, linear = np.zeros((size, size)), np.array(model.costs)
    for i, j, a in model.quadratic:
        square[i, j] += a
        square[j, i] += a
    matrix = matrix_of(model)
    limits = [high if low is None else low for low, high in zip(model.row_lower, model.row_upper, strict=True)]
    best = None
    for chosen in range(2 ** len(matrix)):
        active = [row for row in range(len(matrix)) if chosen >> row & 1]
        system = np.block([[square, matrix[active].T], [matrix[active], np.zeros((len(active), len(active)))]])
        x = np.linalg.solve(system, [*-linear, *(limits[row] for row in active)])[:size]
        values = matrix @ x
        kept = all(
            (low is None or value >= low - 1e-9) and (high is None or value <= high + 1e-9)
            for value, low, high in zip(values, model.row_lower, model.row_upper, strict=True)
        )
        if kept:
            value = objective(model, x)
            if best is None or (value > best[0] if model.maximize else value < best[0]):
                best = value, x
    return best


def test_what_has_no_duals_has_a_reason(sandbox):
    cases = {
        "there is no recorded plan": recorded(FURNITURE, None),
        "its objective is 2000, and HiGHS finds 2600": recorded(FURNITURE, [50.0, 0.0]),
        "not convex": recorded(dataclasses.replace(FURNITURE, quadratic=((0, 1, 1.0),)), [20.0, 60.0]),
        "cones": recorded(
            dataclasses.replace(FURNITURE, cones=(Cone(kind="second_order", first=0, size=2),)), [20.0, 60.0]
        ),
        "HiGHS does not accept the model": recorded(
            dataclasses.replace(FURNITURE, row_columns=(0, 0, 0, 1, 1)), [20.0, 60.0]
        ),
        "infeasible": recorded(
            dataclasses.replace(FURNITURE, integer=(0,), row_lower=(None, None, 1000.0)), [20.0, 60.0]
        ),
        "only linear": RecordedSolve(report=report(), model=CpSatModel(kind="cp_sat", text="")),
        "it was too large": RecordedSolve(report=report(), omitted="it was too large"),
    }
    for reason, solve in cases.items():
        found = analyze(solve, sandbox)
        assert reason in found.reason
        assert all(row.dual is None and row.range is None for row in found.rows)
    assert analyze(recorded(FURNITURE, [50.0, 0.0]), sandbox).rows[1].slack == 30.0


def test_a_failed_or_forged_result_is_a_reason(sandbox, monkeypatch):
    solve = recorded(FURNITURE, [20.0, 60.0])
    good = {"objective": 2600.0, "duals": [1.0] * 3, "reduced_costs": [0.0] * 2}
    for result, reason in (
        ({"failed": "the examination ended with timeout: "}, "timeout"),
        (good | {"duals": [1.0] * 2}, "another size"),
        (good | {"duals": [1.0, float("nan"), 1.0]}, "malformed"),
        (good | {"duals": "111"}, "malformed"),
        (good | {"row_ranges": [["middle", 0.0, 1.0], None, None]}, "malformed"),
        (good | {"cost_ranges": [[0.0, 1.0]]}, "another size"),
        (good | {"more": 1}, "malformed"),
    ):
        monkeypatch.setattr(sensitivity, "run_task", lambda *_, result=result, **__: result)
        assert reason in analyze(solve, sandbox).reason
    monkeypatch.setattr(sensitivity, "run_task", lambda *_, **__: good)
    assert analyze(solve, sandbox).reason == ""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("maximize", [False, True])
def test_one_unit_more_of_a_binding_limit_is_solved_again_in_models_with_whole_variables(sandbox, seed, maximize):
    rng = np.random.default_rng(seed)
    costs, weights = rng.integers(3, 30, 5).tolist(), rng.integers(1, 9, (2, 5)).tolist()
    sides = rng.integers(12, 40, 2).tolist()
    rows = [(None, weights[i], float(sides[i])) if maximize else (float(sides[i]), weights[i], None) for i in range(2)]

    def model(extra):
        changed = [
            (low and low + extra.get(i, 0), a, high and high + extra.get(i, 0)) for i, (low, a, high) in enumerate(rows)
        ]
        return linear_model(costs, changed, bounds=[(0.0, 6.0)] * 5, integer=[0, 1, 2, 3], maximize=maximize)

    def best(extra):
        side = LinearConstraint(
            weights,
            *(
                (-np.inf, [sides[i] + extra.get(i, 0) for i in range(2)])
                if maximize
                else ([sides[i] + extra.get(i, 0) for i in range(2)], np.inf)
            ),
        )
        sign = -1 if maximize else 1
        solved = milp(sign * np.array(costs), constraints=side, bounds=Bounds(0, 6), integrality=[1, 1, 1, 1, 0])
        return sign * solved.fun, solved.x

    objective, plan = best({})
    found = analyze(recorded(model({}), plan.tolist()), sandbox)
    assert found.fixed
    for number, row in enumerate(found.rows):
        if row.binding:
            assert row.one_more == pytest.approx(best({number: 1})[0] - objective, abs=1e-5)
        else:
            assert row.one_more is None


def test_a_limit_that_cannot_be_raised_leaves_no_plan(sandbox):
    equality = linear_model([1.0, 1.0], [(4.0, [2, 2], 4.0)], bounds=[(0.0, 9.0)] * 2, integer=[0, 1])
    [row] = analyze(recorded(equality, [1.0, 1.0]), sandbox).rows
    assert row.one_more == "infeasible"


def test_a_large_model_has_a_reason(sandbox, monkeypatch):
    monkeypatch.setattr(sensitivity, "MAX_SIZE", 3)
    found = analyze(recorded(linear_model([1.0, 1.0], [(None, [1, 1], 4.0)] * 2), [0.0, 0.0]), sandbox)
    assert (found.rows, found.reason) == ((), "the model has 4 variables and constraints, more than 3")
