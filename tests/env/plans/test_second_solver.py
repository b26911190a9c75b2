"""Recorded models solved again: by another solver, with changes, and malformed ones."""

import dataclasses
import math

import numpy as np
import pytest
from ortools.sat.python import cp_model
from scipy.optimize import LinearConstraint, milp

from storm_calm.env.plans import feasibility, second_solver
from storm_calm.env.plans.model_change import ModelChange as Change
from storm_calm.env.plans.record import Cone, CpSatModel, RecordedSolve, TextModel
from storm_calm.env.plans.second_solver import SecondSolve, solve_again, what_if
from support.linear_models import linear_model, matrix_of, optimum, random_model, recorded, report

FURNITURE = linear_model(
    [40.0, 30.0], [(None, [2, 1], 100.0), (None, [1, 1], 80.0), (10.0, [0, 1], None)], maximize=True, offset=5.0
)
KNAPSACK = linear_model([9, 7, 4, 8], [(None, [5, 4, 2, 5], 9.0)], bounds=[(0.0, 1.0)] * 4, maximize=True)
KNAPSACK = dataclasses.replace(KNAPSACK, integer=(0, 1, 2, 3))
QUADRATIC = linear_model(
    [-2.0, -6.0], [(None, [1, 1], 2.0), (None, [-1, 2], 2.0)], quadratic=((0, 0, 0.5), (0, 1, -1.0), (1, 1, 1.0))
)


def whole_optimum(model):
    """Return the optimum of a model with integer variables, by SciPy; None without one."""
    sign = -1.0 if model.maximize else 1.0
    limits = [
        [math.inf * side if value is None else value for value in values]
        for values, side in ((model.row_lower, -1), (model.row_upper, 1), (model.lower, -1), (model.upper, 1))
    ]
    whole = [int(i in model.integer) for i in range(len(model.costs))]
    found = milp(
        sign * np.array(model.costs),
        integrality=whole,
        bounds=(limits[2], limits[3]),
        constraints=LinearConstraint(matrix_of(model), limits[0], limits[1]),
        options={"mip_rel_gap": 0.0},
    )
    return None if found.status else sign * found.fun + model.offset


def check_values(solve, found):
    """Assert that the values keep the model and have the objective."""
    assert feasibility.objective(solve.model, found.values) == pytest.approx(found.objective, rel=1e-5, abs=1e-5)
    worst = max((one.relative for one in feasibility.violations(solve, solve.model, found.values)), default=0.0)
    assert worst < 1e-5


@pytest.mark.parametrize(("first", "second"), [("CBC", "HiGHS"), ("SCIP", "HiGHS"), ("HIGHS", "SCIP")])
@pytest.mark.parametrize(("model", "best"), [(FURNITURE, 2605.0), (KNAPSACK, 16.0)])
def test_another_solver_gives_the_second_opinion(sandbox, first, second, model, best):
    solve = recorded(model, None, solver=first)
    found = solve_again(solve, sandbox)
    assert (found.status, found.solver, found.reason) == ("optimal", second, "")
    assert found.objective == pytest.approx(best)
    check_values(solve, found)


@pytest.mark.parametrize("solver", ["CBC", "HIGHS"])
@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_second_opinions_agree_with_scipy(sandbox, seed, integer, solver):
    model = random_model(seed, degenerate=False, integer=integer)
    best = whole_optimum(model)
    solve = recorded(model, None, solver=solver)
    found = solve_again(solve, sandbox)
    assert found.solver == ("SCIP" if solver == "HIGHS" else "HiGHS")
    assert (found.status == "optimal") == (best is not None)
    if best is not None:
        assert found.objective == pytest.approx(best, rel=1e-6, abs=1e-6)
        check_values(solve, found)


@pytest.mark.parametrize(("first", "second"), [("GUROBI", "HiGHS"), ("HIGHS", "CLARABEL")])
def test_a_convex_quadratic_model(sandbox, first, second):
    solve = recorded(QUADRATIC, None, solver=first)
    found = solve_again(solve, sandbox)
    assert (found.status, found.solver) == ("optimal", second)
    assert found.objective == pytest.approx(-74 / 9, rel=1e-6)
    assert found.values == pytest.approx((2 / 3, 4 / 3), abs=1e-5)
    maximized = dataclasses.replace(
        QUADRATIC, maximize=True, costs=(2.0, 6.0), quadratic=((0, 0, -0.5), (0, 1, 1.0), (1, 1, -1.0))
    )
    assert solve_again(recorded(maximized, None, solver=first), sandbox).objective == pytest.approx(74 / 9, rel=1e-6)


def test_scip_solves_quadratic_models_that_are_not_convex_or_have_integer_variables(sandbox):
    product = linear_model([0.0, 0.0], [(None, [1, 1], 5.0)], maximize=True, quadratic=((0, 1, 1.0),))
    found = solve_again(recorded(product, None, solver="GUROBI"), sandbox)
    assert (found.status, found.solver, found.objective) == ("optimal", "SCIP", pytest.approx(6.25, rel=1e-5))
    whole = dataclasses.replace(product, integer=(0, 1))
    found = solve_again(recorded(whole, None, solver="HIGHS"), sandbox)
    assert (found.status, found.solver, found.objective) == ("optimal", "SCIP", pytest.approx(6.0, rel=1e-5))
    same = solve_again(recorded(whole, None, solver="SCIP"), sandbox)
    assert same.status == "optimal"
    assert same.reason == "SCIP solved it before; no other solver here takes this kind of model"


@pytest.mark.parametrize("solver", ["CBC", "HIGHS"])
@pytest.mark.parametrize("integer", [(), (0, 1)])
@pytest.mark.parametrize("quadratic", [(), ((0, 0, -1.0),)])
def test_infeasible_and_unbounded_models(sandbox, solver, integer, quadratic):
    fields = {"maximize": True, "integer": integer, "quadratic": quadratic}
    infeasible = linear_model([1.0, 2.0], [(None, [1, 1], 3.0), (4.0, [1, 1], None)], **fields)
    assert solve_again(recorded(infeasible, None, solver=solver), sandbox).status == "infeasible"
    unbounded = linear_model([1.0, 2.0], [(None, [1, 0], 3.0), (4.0, [1, 1], None)], **fields)
    assert solve_again(recorded(unbounded, None, solver=solver), sandbox).status == "unbounded"
    crossing = dataclasses.replace(unbounded, lower=(5.0, 0.0), upper=(4.0, None))
    assert solve_again(recorded(crossing, None, solver=solver), sandbox).status == "infeasible"


@pytest.mark.parametrize("solver", ["CBC", "HIGHS"])
def test_rows_without_variables_and_models_without_either(sandbox, solver):
    rows = linear_model([1.0], [(None, [0], 3.0), (2.0, [1], None), (None, [1], None)])
    assert solve_again(recorded(rows, None, solver=solver), sandbox).objective == pytest.approx(2)
    never = dataclasses.replace(rows, row_upper=(-3.0, None, None))
    assert solve_again(recorded(never, None, solver=solver), sandbox).status == "infeasible"
    empty = linear_model([], [], offset=7.5)
    assert solve_again(recorded(empty, None, solver=solver), sandbox).objective == 7.5


def cones(kind, costs, *, bounds, maximize=False, exponent=None, scale=None, **fields):
    """Return a model whose variables themselves lie in a cone."""
    size = len(costs)
    rows = [(None, row, None) for row in np.diag(scale or [1.0] * size)]
    cone = Cone(kind=kind, first=0, size=size, exponent=exponent)
    return linear_model(costs, rows, bounds=bounds, maximize=maximize, cones=(cone,), **fields)


FREE = (None, None)
ROOT = math.sqrt(2)
CONES = [
    (cones("second_order", [0, 1, 2], bounds=[(None, 1.0), FREE, FREE], maximize=True, offset=1.0), 1 + math.sqrt(5)),
    (cones("second_order", [1, 0, 0], bounds=[FREE, (3.0, 3.0), (4.0, None)], quadratic=((0, 0, 1.0),)), 30.0),
    (cones("exponential", [0, 0, 1], bounds=[(1.5, None), (1.0, 1.0), FREE]), math.exp(1.5)),
    (cones("power", [0, 0, 1], bounds=[(0, 2.0), (0, 5.0), FREE], maximize=True, exponent=0.3), 2**0.3 * 5**0.7),
    (
        # The matrix [[1, a, b], [a, 2, c], [b, c, 3]] by columns of the lower triangle.
        cones(
            "positive_semidefinite",
            [0, 1, 0, 0, 0, 0],
            bounds=[(1, 1), FREE, (0, 0), (2, 2), (0, 0), (3, 3)],
            maximize=True,
            scale=[1, ROOT, ROOT, 1, ROOT, 1],
        ),
        ROOT,
    ),
    (
        cones(
            "positive_semidefinite",
            [0, 0, 0, 0, 1, 0],
            bounds=[(1, 1), (0, 0), (0, 0), (2, 2), FREE, (3, 3)],
            scale=[1, ROOT, ROOT, 1, ROOT, 1],
        ),
        -math.sqrt(6),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("SCS", "CLARABEL"), ("CLARABEL", "SCS")])
def test_models_with_cones(sandbox, first, second):
    for model, best in CONES:
        solve = recorded(model, None, solver=first)
        found = solve_again(solve, sandbox)
        assert (found.status, found.solver) == ("optimal", second), found
        assert found.objective == pytest.approx(best, rel=1e-4)
        check_values(solve, found)
    whole = dataclasses.replace(CONES[0][0], integer=(1,))
    assert solve_again(recorded(whole, None), sandbox).reason == "no second solver for cones with integer variables"


def schedule():
    model = cp_model.CpModel()
    x, y, on = model.new_int_var(0, 9, "x"), model.new_int_var(0, 9, "y"), model.new_bool_var("on")
    model.add(3 * x + 2 * y <= 17).with_name("hours")
    model.add(x + y >= 6).with_name("orders").only_enforce_if(on)
    model.add_all_different(x, y).with_name("differ")
    model.maximize(4 * x + 3 * y + on)
    return model


def cp_sat_record(model, text=None):
    proto = model.proto
    return RecordedSolve(
        report=report(library="ortools.cp_model", solver="CP-SAT"),
        variables=tuple(one.name for one in proto.variables),
        constraints=tuple(one.name for one in proto.constraints),
        model=CpSatModel(kind="cp_sat", text=str(proto) if text is None else text),
    )


def cp_sat_optimum(model):
    solver = cp_model.CpSolver()
    return solver.objective_value if solver.solve(model) == cp_model.OPTIMAL else None


def test_a_cp_sat_model_is_solved_by_cp_sat_again(sandbox):
    found = solve_again(cp_sat_record(schedule()), sandbox)
    assert (found.status, found.objective) == ("optimal", cp_sat_optimum(schedule()))
    assert found.reason == "CP-SAT solved it before; no other solver here takes this kind of model"
    infeasible = schedule()
    infeasible.add(infeasible.get_int_var_from_proto_index(0) > 9)
    assert solve_again(cp_sat_record(infeasible), sandbox).status == "infeasible"
    satisfied = cp_model.CpModel()
    satisfied.new_int_var(2, 3, "x")
    found = solve_again(cp_sat_record(satisfied), sandbox)
    assert (found.status, found.objective) == ("optimal", None)
    assert found.values[0] in (2, 3)


CHANGES = [
    [Change(kind="row_upper", name="row0", value=120.0)],
    [Change(kind="row_upper", name="row0", value=None)],
    [Change(kind="row_lower", name="row2", value=75.0), Change(kind="row_upper", name="row2", value=75.0)],
    [Change(kind="lower", name="x0", value=30.0)],
    [Change(kind="lower", name="x0", value=None), Change(kind="upper", name="x1", value=12.5)],
    [Change(kind="cost", name="x1", value=55.0)],
    [Change(kind="coefficient", name="row0", variable="x0", value=4.0)],
    [Change(kind="coefficient", name="row2", variable="x0", value=-1.0)],
    [
        Change(kind="coefficient", name="row1", variable="x1", value=0.0),
        Change(kind="cost", name="x0", value=-1.0),
    ],
    [Change(kind="lower", name="x0", value=60.0)],
]


@pytest.mark.parametrize("changes", CHANGES)
def test_changes_of_a_linear_model_against_scipy(sandbox, changes):
    model = FURNITURE
    for change in changes:
        number = int(change.name.strip("rowx"))
        if change.kind == "coefficient":
            rows = [
                [low, row, high]
                for low, row, high in zip(model.row_lower, matrix_of(model), model.row_upper, strict=True)
            ]
            rows[number][1][int(change.variable[1])] = change.value
            kept = {name: getattr(model, name) for name in ("costs", "maximize", "offset")}
            model = linear_model(
                kept.pop("costs"), rows, bounds=list(zip(model.lower, model.upper, strict=True)), **kept
            )
        else:
            part = "costs" if change.kind == "cost" else change.kind
            values = list(getattr(model, part))
            values[number] = change.value
            model = dataclasses.replace(model, **{part: tuple(values)})
    best = optimum(model)
    found = what_if(recorded(FURNITURE, None), changes, sandbox)
    assert (found.status == "optimal") == (best is not None)
    if best is not None:
        assert found.objective == pytest.approx(best[0])
        check_values(recorded(model, None), found)


def test_a_change_of_a_mip_and_no_change(sandbox):
    assert what_if(recorded(KNAPSACK, None), [], sandbox).objective == 16
    assert (
        what_if(recorded(KNAPSACK, None), [Change(kind="row_upper", name="row0", value=11.0)], sandbox).objective == 20
    )


def test_changes_of_a_cp_sat_model(sandbox):
    solve = cp_sat_record(schedule())
    cases = [
        (
            [Change(kind="row_upper", name="hours", value=20)],
            lambda m: m.proto.constraints[0].linear.domain,
            1,
            20,
        ),
        (
            [Change(kind="row_upper", name="hours", value=20.9)],
            lambda m: m.proto.constraints[0].linear.domain,
            1,
            20,
        ),
        ([Change(kind="upper", name="x", value=2)], lambda m: m.proto.variables[0].domain, 1, 2),
        ([Change(kind="upper", name="y", value=12)], lambda m: m.proto.variables[1].domain, 1, 12),
        ([Change(kind="lower", name="x", value=-4)], lambda m: m.proto.variables[0].domain, 0, -4),
        ([Change(kind="lower", name="x", value=1.5)], lambda m: m.proto.variables[0].domain, 0, 2),
        ([Change(kind="row_lower", name="orders", value=9)], lambda m: m.proto.constraints[1].linear.domain, 0, 9),
    ]
    for changes, domain, side, value in cases:
        changed = schedule()
        domain(changed)[side] = value
        found = what_if(solve, changes, sandbox)
        assert (found.status, found.objective) == ("optimal", cp_sat_optimum(changed)), changes
    moved = [Change(kind="lower", name="x", value=12), Change(kind="upper", name="x", value=14)]
    assert what_if(solve, moved, sandbox).status == "infeasible"
    more = [*moved, Change(kind="row_upper", name="hours", value=None)]
    assert what_if(solve, more, sandbox).objective == 4 * 14 + 3 * 9 + 1
    assert what_if(solve, [Change(kind="lower", name="x", value=10)], sandbox).status == "infeasible"
    # A constraint that cannot hold is not enforced.
    never = [
        Change(kind="row_lower", name="orders", value=30),
        Change(kind="row_upper", name="orders", value=20),
    ]
    assert what_if(solve, never, sandbox).objective == cp_sat_optimum(schedule()) - 1
    with pytest.raises(ValueError, match="constraint 3 is not linear, so it has no limits to change"):
        what_if(solve, [Change(kind="row_upper", name="differ", value=3)], sandbox)


def test_a_domain_keeps_its_gaps(sandbox):
    model = cp_model.CpModel()
    x = model.new_int_var_from_domain(cp_model.Domain.from_intervals([[0, 2], [6, 8], [12, 13]]), "x")
    model.maximize(x)
    solve = cp_sat_record(model)
    for limit, best in ((13, 13), (11, 8), (7, 7), (5, 2), (20, 20)):
        assert what_if(solve, [Change(kind="upper", name="x", value=limit)], sandbox).objective == best
    assert what_if(solve, [Change(kind="upper", name="x", value=-1)], sandbox).status == "infeasible"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            Change(kind="row_upper", name="row9", value=1.0),
            "'row9' is not a constraint of the model. Close names: 'row",
        ),
        (
            Change(kind="cost", name="price", value=1.0),
            "'price' is not a variable of the model. There are 2 variables.",
        ),
        (
            Change(kind="coefficient", name="row0", variable="xO", value=1.0),
            "'xO' is not a variable .* Close names: 'x",
        ),
        (Change(kind="cost", name="x0", value=None), "cost of 'x0': give a number"),
        (Change(kind="lower", name="x0", value=math.inf), "lower of 'x0' is inf; give a finite number"),
    ],
)
def test_an_impossible_change_is_an_error(sandbox, change, message):
    with pytest.raises(ValueError, match=message):
        what_if(recorded(FURNITURE, None), [change], sandbox)


def test_names_must_be_one_part_and_cp_sat_has_limits_only(sandbox):
    twice = dataclasses.replace(recorded(FURNITURE, None), constraints=("hours", "hours", ""))
    with pytest.raises(ValueError, match="'hours' is the name of 2 constraints"):
        what_if(twice, [Change(kind="row_upper", name="hours", value=1.0)], sandbox)
    assert what_if(twice, [Change(kind="row_lower", name="constraint 3", value=70.0)], sandbox).objective == 2505
    for change, message in (
        (Change(kind="cost", name="x", value=1.0), "only limits of a CP-SAT model can change"),
        (Change(kind="upper", name="x", value=None), "a variable of CP-SAT needs both limits"),
    ):
        with pytest.raises(ValueError, match=message):
            what_if(cp_sat_record(schedule()), [change], sandbox)


def test_a_malformed_model_is_a_reason(sandbox):
    twice = dataclasses.replace(FURNITURE, row_columns=(0, 0, 0, 1, 1))
    assert solve_again(recorded(twice, None), sandbox).reason == "HiGHS does not accept the model"
    for text in (
        "no model",
        "variables { domain: [9, 0] }",
        "variables { domain: 0 } constraints { linear { vars: 7 } }",
    ):
        found = solve_again(cp_sat_record(schedule(), text), sandbox)
        assert found.status == "open"
        assert found.reason
    fewer = cp_sat_record(schedule(), "variables { domain: 0 domain: 1 }")
    with pytest.raises(ValueError, match="the recorded model has no constraint 1"):
        what_if(fewer, [Change(kind="row_upper", name="hours", value=1)], sandbox)
    for solve in (
        RecordedSolve(report=report(), omitted="too large"),
        RecordedSolve(report=report(), model=TextModel(kind="text", format="lp", text=""), omitted="too large"),
    ):
        assert solve_again(solve, sandbox) == SecondSolve(status="open", reason="too large")
        with pytest.raises(ValueError, match="the model cannot be changed: too large"):
            what_if(solve, [], sandbox)


def test_without_time_the_result_is_open(sandbox):
    rng = np.random.default_rng(1)
    rows = [(None, rng.integers(1, 100, 40), 1000.0) for _ in range(10)]
    equal = [(float(row.sum() // 2), row, float(row.sum() // 2)) for _, row, _ in rows]
    split = dataclasses.replace(linear_model([1.0] * 40, equal, bounds=[(0.0, 1.0)] * 40), integer=tuple(range(40)))
    for solver, reason in (("CBC", "HiGHS ends with Time limit reached"), ("HIGHS", "SCIP ends with timelimit")):
        found = solve_again(recorded(split, None, solver=solver), sandbox, seconds=0.3)
        assert (found.status, found.reason) == ("open", reason)


def test_a_failed_or_forged_result_is_open(sandbox, monkeypatch):
    for result, reason in (
        ({"failed": "the examination ended with timeout: "}, "timeout"),
        ({}, "malformed"),
        ({"status": "best"}, "malformed"),
        ({"status": "optimal", "objective": math.inf}, "malformed"),
        ({"status": "optimal", "objective": 1.0, "values": [1.0]}, "another size"),
    ):
        monkeypatch.setattr(second_solver, "run_task", lambda *_, result=result, **__: result)
        for found in (solve_again(recorded(FURNITURE, None), sandbox), what_if(recorded(FURNITURE, None), [], sandbox)):
            assert found.status == "open"
            assert reason in found.reason
