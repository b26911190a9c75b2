"""The check of CP-SAT solutions, against all solutions that CP-SAT itself finds."""

from itertools import product

import pytest
from ortools.sat.python import cp_model

from storm_calm.env.plans import cp_sat
from storm_calm.env.plans.record import CpSatModel, RecordedSolve
from storm_calm.sandbox import SolverReport

REPORT = SolverReport(library="ortools.cp_model", solver="CP-SAT", status="optimal")


def _linear(m, a, b, c, d):
    m.add(2 * a - b + 3 * c <= 5)
    m.add_linear_expression_in_domain(a + d, cp_model.Domain.from_values([1, 4, 5]))


def _enforced(m, a, b, c, d):
    on, off = m.new_bool_var("on"), m.new_bool_var("off")
    m.add(a + b == 3).only_enforce_if(on)
    m.add(c > d).only_enforce_if(on, ~off)


def _logic(m, a, b, c, d):
    p, q, r, s = (m.new_bool_var(name) for name in "pqrs")
    m.add_bool_or(p, ~q)
    m.add_bool_and(p, r).only_enforce_if(q)
    m.add_at_most_one(p, ~r, s)
    m.add_exactly_one(q, s, ~p)
    m.add_bool_xor(p, q, ~r)
    m.add(a + b + c + d == 0)


def _arithmetic(m, a, b, c, d):
    m.add_division_equality(a - 2, b - 3, 2)
    m.add_modulo_equality(c - 1, d - 4, 3)


def _products(m, a, b, c, d):
    m.add_multiplication_equality(a, b - 1, c - 1)
    m.add_max_equality(d, a, b - c)


def _positions(m, a, b, c, d):
    m.add_element(a, [b, 2, c + 1, 0], d)
    m.add_all_different(a, b + 1, c)


def _routes(m, a, b, c, d, add="add_circuit"):
    arcs = [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2), (1, 1)]
    getattr(m, add)([(tail, head, m.new_bool_var(f"{tail}{head}")) for tail, head in arcs])
    m.add(a + b + c + d == 0)


def _multiple(m, a, b, c, d):
    _routes(m, a, b, c, d, "add_multiple_circuit")


def _tables(m, a, b, c, d):
    m.add_allowed_assignments([a, b], [(0, 1), (2, 2), (3, 0)])
    m.add_forbidden_assignments([c, d], [(0, 0), (1, 3), (3, 3)])


def _automaton(m, a, b, c, d):
    m.add_automaton([a, b, c, d], 0, [1, 2], [(0, 1, 1), (1, 0, 0), (1, 2, 2), (2, 3, 1), (0, 0, 0)])


def _inverse(m, a, b, c, d):
    m.add_inverse([a, b], [c, d])


def _reservoir(m, a, b, c, d):
    on = m.new_bool_var("on")
    m.add_reservoir_constraint_with_active([a, b, c], [2, -1, 1], [1, on, 1], 0, 2)
    m.add(d == 0)


def _intervals(m, a, b, c, d):
    on = m.new_bool_var("on")
    first = m.new_interval_var(a, b, 3, "first")
    second = m.new_optional_interval_var(c, 2, c + 2, on, "second")
    m.add_no_overlap([first, second, m.new_fixed_size_interval_var(d, 0, "empty")])


def _rectangles(m, a, b, c, d):
    one = m.new_fixed_size_interval_var(a, 2, "one"), m.new_fixed_size_interval_var(b, 2, "two")
    other = m.new_fixed_size_interval_var(c, 1, "three"), m.new_fixed_size_interval_var(d, 2, "four")
    m.add_no_overlap_2d([one[0], other[0]], [one[1], other[1]])


def _cumulative(m, a, b, c, d):
    intervals = [m.new_fixed_size_interval_var(start, 2, "") for start in (a, b, c)]
    m.add_cumulative(intervals, [1, 2, d], 3)


KINDS = [
    _linear, _enforced, _logic, _arithmetic, _products, _positions, _routes, _multiple, _tables, _automaton, _inverse,
    _reservoir, _intervals, _rectangles, _cumulative,
]  # fmt: skip


class _All(cp_model.CpSolverSolutionCallback):
    def __init__(self, variables):
        super().__init__()
        self.variables, self.found = variables, set()

    def on_solution_callback(self):
        self.found.add(tuple(self.value(variable) for variable in self.variables))


def _record(model):
    text = str(model.proto)
    names = tuple(variable.name for variable in model.proto.variables)
    solve = RecordedSolve(report=REPORT, variables=names, model=CpSatModel(kind="cp_sat", text=text))
    return solve, cp_sat.parse(solve.model)


@pytest.mark.parametrize("build", KINDS)
def test_the_check_accepts_exactly_the_solutions_of_cp_sat(build):
    model = cp_model.CpModel()
    build(model, *(model.new_int_var(0, 3, name) for name in "abcd"))
    variables = [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]
    callback, solver = _All(variables), cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True
    solver.solve(model, callback)
    solve, proto = _record(model)
    domains = [range(variable.domain[0], variable.domain[-1] + 1) for variable in proto.variables]
    accepted = {values for values in product(*domains) if not list(cp_sat.violations(solve, proto, values))}
    assert accepted == callback.found
    assert 0 < len(accepted) < len(list(product(*domains)))


def test_the_objective_is_in_the_programs_own_sense():
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 3, "x"), model.new_int_var(0, 3, "y")
    for goal, maximize, value in ((2 * x - y + 7, True, 10), (2 * x - y + 7, False, 10), (0.5 * x + 2.25, True, 3.25)):
        (model.maximize if maximize else model.minimize)(goal)
        _, proto = _record(model)
        assert cp_sat.objective(proto, (2, 1)) == value
        assert cp_sat.maximizes(proto) is maximize
    model.clear_objective()
    assert cp_sat.objective(_record(model)[1], (2, 1)) is None


def test_a_violated_linear_constraint_has_its_amount_and_name():
    model = cp_model.CpModel()
    x = model.new_int_var(0, 9, "x")
    model.add(3 * x <= 10).with_name("budget")
    solve, proto = _record(model)
    solve = RecordedSolve(report=REPORT, variables=("x",), constraints=("budget",), model=solve.model)
    assert [(one.kind, one.name, one.amount) for one in cp_sat.violations(solve, proto, (5,))] == [
        ("constraint", "budget", 5)
    ]
    assert {one.kind for one in cp_sat.violations(solve, proto, (2.5,))} == {"integrality"}
    assert {one.kind for one in cp_sat.violations(solve, proto, (-1,))} == {"bound"}


def test_an_interval_is_computed_once_however_often_it_is_used(monkeypatch):
    model = cp_model.CpModel()
    x = model.new_int_var(0, 9, "x")
    interval = model.new_interval_var(x, 2, x + 2, "i")
    for _ in range(50):
        model.add_no_overlap([interval, model.new_fixed_size_interval_var(7, 1, "")])
        model.add_cumulative([interval], [1], 1)
    computed, original = [], cp_sat._span
    monkeypatch.setattr(cp_sat, "_span", lambda proto, x, number: computed.append(number) or original(proto, x, number))
    solve, proto = _record(model)
    assert not list(cp_sat.violations(solve, proto, (0, *[1] * (len(proto.variables) - 1))))
    assert len(computed) == len(set(computed)) > 50


@pytest.mark.parametrize(
    "text",
    [
        "variables {",
        "no model at all",
        "variables { domain: 0 domain: 1 } constraints { linear { vars: 7 coeffs: 1 domain: 0 domain: 1 } }",
        "variables { domain: 0 domain: 1 } constraints { linear { vars: 0 domain: 0 domain: 1 } }",
        "variables { domain: 0 } ",
        "variables { domain: 0 domain: 1 } constraints { lin_max { target { offset: 1 } } }",
        "variables { domain: 0 domain: 1 } constraints { no_overlap { intervals: 5 } }",
        "variables { domain: 0 domain: 1 } constraints { int_div { exprs { offset: 1 } exprs { } target { } } }",
    ],
)
def test_a_malformed_model_is_one_kind_of_error(text):
    solve = RecordedSolve(report=REPORT, variables=("x",))
    with pytest.raises(cp_sat.MalformedModelError):
        list(cp_sat.violations(solve, cp_sat.parse(CpSatModel(kind="cp_sat", text=text)), (1,)))
