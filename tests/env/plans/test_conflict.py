"""Conflicts and relaxations of infeasible models, checked with SciPy and CP-SAT on the record's numbers."""

import random
from dataclasses import replace
from itertools import combinations

import numpy
import pytest
from google.protobuf import text_format
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model
from scipy.optimize import Bounds, LinearConstraint, milp

from storm_calm.env.plans import conflict
from storm_calm.env.plans.conflict import cheapest_relaxation, find_conflict
from storm_calm.env.plans.record import Cone, CpSatModel, LinearModel, RecordedSolve, TextModel
from storm_calm.sandbox import SolverReport
from support.solve_records import recorded

REPORT = SolverReport(library="highspy", solver="HiGHS", status="infeasible")


def _linear(rows, lower, upper, integer=()):
    """Return a solve of a linear model. rows: (lower, {variable: coefficient}, upper)."""
    starts = numpy.cumsum([0, *(len(terms) for _, terms, _ in rows)]).tolist()
    model = LinearModel(
        kind="linear",
        maximize=False,
        offset=0.0,
        costs=(1.0,) * len(lower),
        quadratic=(),
        lower=tuple(lower),
        upper=tuple(upper),
        integer=tuple(integer),
        row_lower=tuple(row[0] for row in rows),
        row_upper=tuple(row[2] for row in rows),
        row_starts=tuple(starts),
        row_columns=tuple(i for _, terms, _ in rows for i in terms),
        row_values=tuple(float(a) for _, terms, _ in rows for a in terms.values()),
        cones=(),
    )
    variables = tuple(f"item{number}" for number in range(len(lower)))
    constraints = tuple(f"rule{number}" for number in range(len(rows)))
    return RecordedSolve(report=REPORT, variables=variables, constraints=constraints, model=model)


def _cp_sat(model):
    """Return a solve of a CP-SAT model."""
    proto = text_format.Parse(str(model.proto), cp_model_pb2.CpModelProto())
    return RecordedSolve(
        report=REPORT,
        variables=tuple(variable.name for variable in proto.variables),
        constraints=tuple(constraint.name for constraint in proto.constraints),
        model=CpSatModel(kind="cp_sat", text=str(model.proto)),
    )


def _has_solution(model, members=None, changes=()):
    """Return whether SciPy finds a solution of some members, or of all after changes of limits."""
    limits = {
        ("constraint", "lower"): [-numpy.inf if one is None else one for one in model.row_lower],
        ("constraint", "upper"): [numpy.inf if one is None else one for one in model.row_upper],
        ("lower", "lower"): [-numpy.inf if one is None else one for one in model.lower],
        ("upper", "upper"): [numpy.inf if one is None else one for one in model.upper],
    }
    if members is not None:
        kept = {(one.kind, side, one.index) for one in members for side in _sides(one)}
        for (kind, side), values in limits.items():
            for number in range(len(values)):
                if (kind, side, number) not in kept:
                    values[number] = -numpy.inf if side == "lower" else numpy.inf
    for member, amount in changes:
        limits[member.kind, member.side][member.index] += -amount if member.side == "lower" else amount
    matrix = numpy.zeros((len(model.row_lower), len(model.lower)))
    for row in range(len(matrix)):
        for column, value in model.row(row):
            matrix[row, column] += value
    whole = [number in model.integer for number in range(len(model.lower))]
    bounds = Bounds(limits["lower", "lower"], limits["upper", "upper"])
    if any(bounds.lb > bounds.ub):
        return False
    rows = LinearConstraint(matrix, limits["constraint", "lower"], limits["constraint", "upper"]) if len(matrix) else ()
    found = milp(numpy.zeros(len(whole)), integrality=whole, bounds=bounds, constraints=rows)
    assert found.status in (0, 2), found.message
    return found.status == 0


def _sides(member):
    return ("lower", "upper") if member.side == "both" else (member.side,)


def _cp_sat_has_solution(solve, members):
    """Return whether CP-SAT finds a solution with only these members, and with the intervals of its packings."""
    proto = text_format.Parse(solve.model.text, cp_model_pb2.CpModelProto())
    proto.ClearField("objective")
    kept = {(one.kind, one.index) for one in members}
    referred = {number for one in proto.constraints for kind in ("no_overlap", "cumulative")
                for number in getattr(one, kind).intervals}  # fmt: skip
    for number, constraint in enumerate(proto.constraints):
        if ("constraint", number) not in kept and number not in referred:
            constraint.Clear()
    for number, variable in enumerate(proto.variables):
        if list(variable.domain) != [0, 1] and variable.name:
            for kind, place, wide in (("lower", 0, -1000), ("upper", -1, 1000)):
                if (kind, number) not in kept:
                    variable.domain[place] = wide
    return _solve(proto) != "INFEASIBLE"


def _solve(proto):
    model, solver = cp_model.CpModel(), cp_model.CpSolver()
    model.proto.parse_text_format(text_format.MessageToString(proto))
    assert not model.validate()
    solver.parameters.num_workers = 1
    status = solver.status_name(solver.solve(model))
    assert status in ("OPTIMAL", "FEASIBLE", "INFEASIBLE")
    return status


def _random_linear(seed, whole):
    """Return an infeasible linear model; with `whole`, every second one is feasible without integrality."""
    numbers = random.Random(seed)
    while True:
        columns = numbers.randint(2, 7)
        rows = []
        for _ in range(numbers.randint(2, 10)):
            chosen = numbers.sample(range(columns), numbers.randint(1, min(4, columns)))
            limit = numbers.randint(-12, 12)
            lower, upper = numbers.choice([(limit, None), (None, limit), (limit, limit), (limit, limit + 3)])
            rows.append((lower, {i: numbers.choice([-5, -3, -2, -1, 1, 2, 3, 4]) for i in chosen}, upper))
        lower = [numbers.choice([0, 0, -4, 1, None]) for _ in range(columns)]
        upper = [numbers.choice([None, 9, 4, 6]) for _ in range(columns)]
        if whole:  # Searching for a whole number without limits might not end.
            lower, upper = [one or 0 for one in lower], [9 if one is None else one for one in upper]
        integer = [i for i in range(columns) if numbers.random() < 0.8] if whole else []
        solve = _linear(rows, lower, upper, integer)
        if _has_solution(solve.model):
            continue
        relaxed = replace(solve.model, integer=())
        if not whole or seed % 2 or _has_solution(relaxed):
            return solve


def _random_cp_sat(seed):
    numbers = random.Random(seed)
    while True:
        solve = _cp_sat(_random_cp_sat_model(numbers))
        if _solve(text_format.Parse(solve.model.text, cp_model_pb2.CpModelProto())) == "INFEASIBLE":
            return solve


def _random_cp_sat_model(numbers):
    model = cp_model.CpModel()
    x = [model.new_int_var(0, numbers.randint(2, 6), f"item{i}") for i in range(5)]
    on = [model.new_bool_var(f"on{i}") for i in range(3)]
    tasks = [model.new_fixed_size_interval_var(one, numbers.randint(1, 3), f"task{i}") for i, one in enumerate(x)]
    kinds = [
        lambda a, b, c: model.add(a + b <= numbers.randint(0, 6)),
        lambda a, b, c: model.add(2 * a - 3 * b >= numbers.randint(-3, 5)),
        lambda a, b, c: model.add(a + b - c == numbers.randint(-2, 8)).only_enforce_if(numbers.choice(on)),
        lambda a, b, c: model.add(a != b),
        lambda a, b, c: model.add_bool_or(numbers.sample(on, 2)),
        lambda a, b, c: model.add_exactly_one(numbers.sample(on, 2)),
        lambda a, b, c: model.add_implication(on[0], ~on[1]),
        lambda a, b, c: model.add_all_different(a, b, c),
        lambda a, b, c: model.add_max_equality(a, b, c + 1),
        lambda a, b, c: model.add_element(a, [3, 1, b], c),
        lambda a, b, c: model.add_allowed_assignments([a, b], [(0, 1), (2, 2), (5, 0)]),
        lambda a, b, c: model.add_no_overlap(numbers.sample(tasks, numbers.randint(2, 5))),
        lambda a, b, c: model.add_cumulative(tasks, [numbers.randint(0, 3) for _ in tasks], 3),
    ]
    for number in range(numbers.randint(4, 12)):
        numbers.choice(kinds)(*numbers.sample(x, 3)).with_name(f"rule{number}")
    model.minimize(sum(x))
    return model


def _check_irreducible(solve, sandbox):
    """Assert that the members have no solution, and that they have one without any one of them."""
    found = find_conflict(solve, sandbox)
    assert found.irreducible, found.reason
    assert found.reason == ""

    def has_solution(members):
        if isinstance(solve.model, CpSatModel):
            return _cp_sat_has_solution(solve, members)
        return _has_solution(solve.model, members)

    assert not has_solution(found.members)
    for left_out in found.members:
        assert has_solution([member for member in found.members if member != left_out]), left_out
    return found


def _check_conflict(solve, sandbox):
    """Assert that the conflict is irreducible, and that its names are those of the model."""
    found = _check_irreducible(solve, sandbox)
    for member in found.members:
        names = solve.constraints if member.kind == "constraint" else solve.variables
        assert member.name == names[member.index] != ""
        assert member.text.startswith(member.name)
    return found


def _instance(number):
    """Return one of 100 infeasible models: LP, MIP and CP-SAT in turn."""
    if number % 3 == 2:
        return _random_cp_sat(number)
    return _random_linear(number, whole=number % 3 == 1)


@pytest.mark.parametrize("number", range(6))
def test_a_conflict_is_irreducible(number, sandbox):
    _check_conflict(_instance(number), sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6, 100))
def test_more_conflicts_are_irreducible(number, sandbox):
    _check_conflict(_instance(number), sandbox)


def test_the_names_are_those_of_the_program(sandbox):
    solve = recorded(
        sandbox,
        "import pulp\n"
        "model = pulp.LpProblem('workshop', pulp.LpMaximize)\n"
        "chairs = pulp.LpVariable('chairs', 0, cat='Integer')\n"
        "tables = pulp.LpVariable('tables', 19, cat='Integer')\n"
        "model += 20 * chairs + 60 * tables\n"
        "model += 5 * chairs + 20 * tables <= 400, 'wood'\n"
        "model += chairs >= 5, 'orders'\n"
        "model += chairs + tables <= 500, 'room'\n"
        "model.solve(pulp.PULP_CBC_CMD(msg=0))\n",
    )
    found = _check_conflict(solve, sandbox)
    assert {member.text for member in found.members} == {
        "wood: 5 chairs + 20 tables <= 400",
        "orders: chairs >= 5",
        "tables >= 19",
    }
    assert found.integer == ("chairs", "tables")
    assert found.checked > len(found.members)


def test_integrality_alone_is_a_conflict_of_one_constraint(sandbox):
    solve = _linear([(3, {0: 2}, 3), (0, {1: 1}, 5)], [0, 0], [9, 9], integer=[0])
    found = find_conflict(solve, sandbox)
    assert [member.text for member in found.members] == ["rule0: 2 item0 = 3"]
    assert found.irreducible
    assert found.integer == ("item0",)


def test_conflicting_bounds_are_found(sandbox):
    for integer, lower, upper in (((), 7, 4), ((1,), 0.2, 0.7)):
        solve = _linear([(0, {0: 1, 1: 1}, 10)], [0, lower], [3, upper], integer)
        found = find_conflict(solve, sandbox)
        assert [member.text for member in found.members] == [f"item1 >= {lower}", f"item1 <= {upper}"]
        assert found.irreducible


def test_conflicting_limits_of_one_constraint_and_a_constraint_without_variables_are_found(sandbox):
    found = find_conflict(_linear([(5, {0: 1}, 3)], [0], [None]), sandbox)
    assert [member.text for member in found.members] == ["rule0: item0 >= 5", "rule0: item0 <= 3"]
    found = find_conflict(_linear([(None, {}, 3), (2, {}, None)], [0], [None]), sandbox)
    assert [member.text for member in found.members] == ["rule1: 0 >= 2"]
    relaxed = cheapest_relaxation(_linear([(5, {0: 1}, 3)], [0], [None]), sandbox)
    assert sum(change.amount for change in relaxed.changes) == 2


def test_every_kind_of_cp_sat_constraint_can_be_a_member(sandbox):
    def start(size, count=2):
        model = cp_model.CpModel()
        return model, [model.new_int_var(0, size, f"x{i}") for i in range(count)], model.new_bool_var("on")

    def circuit():
        model, _, on = start(1)
        model.add_circuit([(0, 1, on), (1, 2, on), (2, 0, ~on)])
        return model

    def all_different():
        model, x, _ = start(1, 3)
        model.add_all_different(x)
        return model

    def automaton():
        model, x, _ = start(1)
        model.add_automaton(x, 0, [9], [(0, 1, 1), (1, 1, 2)])
        return model

    def reservoir():
        model, x, _ = start(3)
        model.add_reservoir_constraint(x, [2, 2], 0, 3)
        return model

    def inverse():
        model, x, _ = start(1)
        model.add_inverse(x, x)
        model.add_element(x[1], [x[1], 3], 3)
        model.add(x[0] == x[1])
        return model

    def product():
        model, x, _ = start(9)
        model.add_multiplication_equality(7, x)
        model.add(x[0] + x[1] == 9)
        return model

    def division():
        model, x, _ = start(9)
        model.add_division_equality(x[1], x[0], 3)
        model.add_modulo_equality(x[1], x[0], 2)
        model.add(x[0] >= 6)
        return model

    for build in (circuit, all_different, automaton, reservoir, inverse, product, division):
        found = _check_irreducible(_cp_sat(build()), sandbox)
        assert found.members[0].kind == "constraint"


def test_intervals_stay_where_other_constraints_refer_to_them(sandbox):
    model = cp_model.CpModel()
    starts = [model.new_int_var(0, 4, name) for name in ("wash", "dry", "fold")]
    model.add_no_overlap([model.new_fixed_size_interval_var(one, 3, f"{one.name} time") for one in starts])
    model.add(starts[0] <= 9).with_name("early")
    found = _check_irreducible(_cp_sat(model), sandbox)
    assert found.members[0].text == "constraint 4: no_overlap of 3 intervals"
    assert {member.name for member in found.members[1:]} == {"wash", "dry", "fold"}

    alone = cp_model.CpModel()
    start, end = alone.new_int_var(4, 9, "start"), alone.new_int_var(0, 5, "end")
    alone.new_interval_var(start, 3, end, "work")
    found = _check_irreducible(_cp_sat(alone), sandbox)
    assert [member.text for member in found.members] == [
        "work: interval from start to end, size 3",
        "start >= 4",
        "end <= 5",
    ]


def test_a_conflict_of_always_present_parts_gives_a_reason(sandbox):
    model = cp_model.CpModel()
    start = model.new_int_var(0, 9, "start")
    model.add_no_overlap([model.new_interval_var(start, 3, start + 2, "work")])
    found = find_conflict(_cp_sat(model), sandbox)
    assert found.members == ()
    assert found.reason == "the parts that are always present conflict by themselves"
    assert cheapest_relaxation(_cp_sat(model), sandbox).reason


def test_a_feasible_model_gives_a_reason(sandbox):
    model = cp_model.CpModel()
    model.add(model.new_int_var(0, 5, "x") >= 2)
    for solve in (_linear([(0, {0: 1}, 3)], [0], [None]), _cp_sat(model)):
        found = find_conflict(solve, sandbox)
        assert (found.members, found.irreducible) == ((), False)
        assert found.reason == "the model has a solution"
        relaxed = cheapest_relaxation(solve, sandbox)
        assert (relaxed.status, relaxed.changes, relaxed.dropped, relaxed.cost) == ("optimal", (), (), 0.0)


def _market_split(size=40, rows=5):
    """Return equations over 0-1 variables that solvers need hours for (Cornuejols and Dawande 1998)."""
    numbers = random.Random(3)
    values = [[numbers.randint(0, 99) for _ in range(size)] for _ in range(rows)]
    equations = [(sum(row) // 2, dict(enumerate(row)), sum(row) // 2) for row in values]
    return _linear(equations, [0] * size, [1] * size, range(size))


def test_too_little_time_gives_a_reason(sandbox):
    found = find_conflict(_market_split(), sandbox, seconds=0.5)
    assert (found.members, found.irreducible) == ((), False)
    assert found.reason == "no result in 0.5 s"
    relaxed = cheapest_relaxation(_market_split(), sandbox, seconds=0.5)
    assert relaxed.status == "open"
    assert relaxed.reason
    model = cp_model.CpModel()
    model.add(model.new_int_var(0, 5, "x") >= 7)
    for solve in (_linear([(9, {0: 1}, None)], [0], [3]), _cp_sat(model)):
        assert find_conflict(solve, sandbox, seconds=1e-9).reason == "no result in 1e-09 s"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("variables {", "the recorded model is malformed"),
        ("variables { domain: 5 domain: 1 }", "CP-SAT does not accept the model"),
        ("variables { domain: 0 domain: 1 } constraints { no_overlap { intervals: 5 } }", "CP-SAT does not accept"),
        ("variables { }", "CP-SAT does not accept the model"),
    ],
)
def test_a_malformed_model_gives_a_reason(text, reason, sandbox):
    solve = RecordedSolve(report=REPORT, variables=("x",), model=CpSatModel(kind="cp_sat", text=text))
    assert reason in find_conflict(solve, sandbox).reason
    assert reason in cheapest_relaxation(solve, sandbox).reason


def test_a_model_that_cannot_be_examined_gives_a_reason(sandbox):
    huge = _linear([(5, {0: 1e300}, None)], [0], [3])
    assert "HiGHS does not accept the model" in find_conflict(huge, sandbox).reason
    cone = _linear([(5, {0: 1}, None)], [0], [3])
    cone = replace(cone, model=replace(cone.model, cones=(Cone(kind="second_order", first=0, size=1),)))
    assert find_conflict(cone, sandbox).reason == "models with cones are not examined"
    assert cheapest_relaxation(cone, sandbox).reason == "models with cones are not examined"
    text = RecordedSolve(report=REPORT, model=TextModel(kind="text", format="lp", text=""), omitted="it is nonlinear")
    for solve, reason in ((text, "it is nonlinear"), (RecordedSolve(report=REPORT), "without a model")):
        assert reason in find_conflict(solve, sandbox).reason
        assert reason in cheapest_relaxation(solve, sandbox).reason


MEMBER = {"kind": "constraint", "index": 0, "side": "lower"}
CONFLICT = {"members": [MEMBER], "irreducible": True, "checked": 2, "reason": ""}


@pytest.mark.parametrize(
    "result",
    [
        {"failed": "it ended with timeout"},
        {},
        CONFLICT | {"checked": "2"},
        CONFLICT | {"more": 1},
        CONFLICT | {"members": [MEMBER, MEMBER]},
        *(
            CONFLICT | {"members": [MEMBER | wrong]}
            for wrong in (
                {"index": 1},
                {"index": -1},
                {"index": 0.5},
                {"side": "upper"},
                {"side": "both"},
                {"kind": "row"},
                {"kind": "upper", "side": "lower"},
                {"kind": "lower", "index": 9},
            )
        ),
    ],
)
def test_a_wrong_result_of_the_process_gives_a_reason(result, monkeypatch):
    solve = _linear([(5, {0: 1}, None)], [0], [3])
    monkeypatch.setattr(conflict, "run_task", lambda *_, **__: result)
    found = find_conflict(solve, None)
    assert (found.members, found.irreducible) == ((), False)
    assert found.reason
    assert cheapest_relaxation(solve, None).reason


def test_a_missing_limit_is_relaxed_by_the_missing_amount(sandbox):
    # 45 chairs need 5 * 45 + 20 * 13.75 = 500 of wood.
    solve = _linear([(None, {0: 5, 1: 20}, 400), (45, {0: 1}, None)], [0, 13.75], [None, None])
    solve = replace(solve, variables=("chairs", "tables"), constraints=("wood", "orders"))
    found = cheapest_relaxation(solve, sandbox)
    assert found.status == "optimal"
    assert [(one.member.name, one.member.side, one.amount) for one in found.changes] == [("wood", "upper", 100)]
    assert found.changes[0].text == "wood: 5 chairs + 20 tables <= 400, with 500 instead of 400"
    assert found.cost == pytest.approx(100 / 400)


def test_bounds_are_relaxed_only_if_rows_do_not_suffice(sandbox):
    found = cheapest_relaxation(_linear([(8, {0: 1}, None)], [0, 5], [3, 4]), sandbox)
    assert [(one.member.kind, one.member.index, one.amount) for one in found.changes] == [
        ("constraint", 0, 5),
        ("lower", 1, 1),
    ]
    assert found.changes[1].text == "item1 >= 5, with 4 instead of 5"


@pytest.mark.parametrize(
    "number", [0, 1, 3, *(pytest.param(i, marks=pytest.mark.slow) for i in (4, 6, 7, 9, 10, 12, 13))]
)
def test_the_changes_make_a_linear_model_feasible_and_smaller_ones_do_not(number, sandbox):
    solve = _instance(number)
    found = cheapest_relaxation(solve, sandbox)
    assert found.status == "optimal"
    assert _has_solution(solve.model, changes=[(one.member, one.amount) for one in found.changes])
    assert not _has_solution(solve.model, changes=[(one.member, 0.999 * one.amount) for one in found.changes])
    assert all(one.member.name in solve.constraints for one in found.changes)


@pytest.mark.parametrize("number", [2, 5, *(pytest.param(i, marks=pytest.mark.slow) for i in (8, 11, 14, 17))])
def test_no_fewer_constraints_can_be_dropped(number, sandbox):
    solve = _instance(number)
    found = cheapest_relaxation(solve, sandbox)
    assert found.status == "optimal"
    assert found.cost == len(found.dropped) > 0
    assert all(member.name == solve.constraints[member.index] for member in found.dropped)
    proto = text_format.Parse(solve.model.text, cp_model_pb2.CpModelProto())

    def has_solution(dropped):
        rest = cp_model_pb2.CpModelProto()
        rest.CopyFrom(proto)
        for index in dropped:
            rest.constraints[index].Clear()
        return _solve(rest) != "INFEASIBLE"

    assert has_solution([member.index for member in found.dropped])
    rules = [i for i, one in enumerate(proto.constraints) if one.WhichOneof("constraint") != "interval"]
    assert not any(map(has_solution, combinations(rules, len(found.dropped) - 1)))
