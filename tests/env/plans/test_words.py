"""Constraints of recorded models in words."""

import pytest
from google.protobuf import text_format
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model

from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.plans.words import bound_text, constraint_text, number_text, row_text
from storm_calm.sandbox import SolverReport

REPORT = SolverReport(library="highspy", solver="HiGHS", status="infeasible")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (400.0, "400"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (299.99999999999994, "300"),
        (1 / 3, "0.333333"),
        (1234567.0, "1234567"),
        (1234567.5, "1.23457e+06"),
        (1e15, "1e+15"),
        (-2.5e-9, "-2.5e-09"),
    ],
)
def test_numbers_are_short(value, text):
    assert number_text(value) == text


def _row(terms, lower, upper, variables=("chairs", "tables", ""), constraints=("wood",)):
    size = len(variables)
    model = LinearModel(
        kind="linear",
        maximize=False,
        offset=0.0,
        costs=(0.0,) * size,
        quadratic=(),
        lower=(None,) * size,
        upper=(None,) * size,
        integer=(),
        row_lower=(lower,),
        row_upper=(upper,),
        row_starts=(0, len(terms)),
        row_columns=tuple(i for i, _ in terms),
        row_values=tuple(float(a) for _, a in terms),
        cones=(),
    )
    return RecordedSolve(report=REPORT, variables=variables, constraints=constraints, model=model), model


@pytest.mark.parametrize(
    ("terms", "lower", "upper", "text"),
    [
        ([(0, 5), (1, 20)], None, 400, "wood: 5 chairs + 20 tables <= 400"),
        ([(0, -1), (1, -2.5)], 3, None, "wood: -chairs - 2.5 tables >= 3"),
        ([(0, 1), (2, 0.5)], 7, 7, "wood: chairs + 0.5 variable 3 = 7"),
        ([(0, 1), (1, 0)], 1, 2, "wood: 1 <= chairs <= 2"),
        ([(0, 1)], None, None, "wood: chairs without a limit"),
        ([], 5, None, "wood: 0 >= 5"),
        ([(0, 1)], None, 0, "wood: chairs <= 0"),
    ],
)
def test_a_row_reads_like_a_formula(terms, lower, upper, text):
    solve, model = _row(terms, lower, upper)
    assert row_text(solve, model, 0) == text


def test_one_side_of_a_row_can_be_shown():
    solve, model = _row([(0, 1)], 1, 2, constraints=("",))
    assert row_text(solve, model, 0, "lower") == "constraint 1: chairs >= 1"
    assert row_text(solve, model, 0, "upper") == "constraint 1: chairs <= 2"


def test_a_long_row_is_shortened_to_its_first_8_terms():
    names = tuple(f"x{number}" for number in range(120))
    solve, model = _row([(number, 1) for number in range(120)], None, 9, names)
    shown = " + ".join(names[:8])
    assert row_text(solve, model, 0) == f"wood: {shown} + ... (120 terms) <= 9"
    solve, model = _row([(number, 1) for number in range(8)], None, 9, names)
    assert row_text(solve, model, 0) == f"wood: {shown} <= 9"


def test_a_name_cannot_break_the_line():
    solve, model = _row([(0, 2)], None, 9, ("a\n\u202eb",), ("c\r\nd",))
    assert row_text(solve, model, 0) == "c d: 2 a b <= 9"


def test_bounds_have_their_direction():
    assert bound_text("tables", "lower", 19.0) == "tables >= 19"
    assert bound_text("tables", "upper", 2.5) == "tables <= 2.5"


def _texts(build):
    """Return the texts of the constraints that are added to a model with three variables and two literals."""
    model = cp_model.CpModel()
    integers = [model.new_int_var(0, 9, name) for name in "xyz"]
    build(model, *integers, model.new_bool_var("on"), model.new_bool_var("late"))
    proto = text_format.Parse(str(model.proto), cp_model_pb2.CpModelProto())
    solve = RecordedSolve(
        report=REPORT,
        variables=tuple(one.name for one in proto.variables),
        constraints=tuple(one.name for one in proto.constraints),
    )
    return [constraint_text(solve, proto, number) for number in range(len(proto.constraints))]


def test_linear_constraints_of_cp_sat_have_limits_and_conditions():
    def build(m, x, y, z, on, late):
        m.add(x - 2 * y >= 4).with_name("rest").only_enforce_if(on, ~late)
        m.add(x + 3 == y)
        m.add(x != y)
        m.add_linear_expression_in_domain(x + y, cp_model.Domain.from_intervals([[1, 2], [5, 5], [7, 9]]))
        m.add_linear_constraint(x + z, 2, 6)
        m.add(x + m.new_constant(2) <= 5)

    assert _texts(build) == [
        "rest: x - 2 y >= 4 if on and not late",
        "constraint 2: x - y = -3",
        "constraint 3: x - y != 0",
        "constraint 4: x + y in 1 to 2, 5, 7 to 9",
        "constraint 5: 2 <= x + z <= 6",
        "constraint 6: x + 2 <= 5",
    ]


def test_logic_is_written_with_names():
    def build(m, x, y, z, on, late):
        m.add_bool_or(on, ~late)
        m.add_implication(on, ~late)
        m.add_at_most_one(on, late)
        m.add_exactly_one([m.new_bool_var(f"b{i}") for i in range(10)])
        m.add_bool_xor(on, late)
        m.add_bool_or(on, m.new_constant(0))
        m.add_bool_or()

    assert [text.partition(": ")[2] for text in _texts(build)] == [
        "on or not late",
        "not late if on",
        "at most one of on, late",
        "exactly one of b0, b1, b2, b3, b4, b5, b6, b7, ... (10 in all)",
        "an odd number of on, late",
        "on or false",
        "no literal",
    ]


def test_other_kinds_have_their_name_and_size():
    def build(m, x, y, z, on, late):
        one, two = m.new_fixed_size_interval_var(x, 2, "one"), m.new_optional_interval_var(y, 3, z, on, "two")
        m.add_no_overlap([one, two])
        m.add_cumulative([one, two], [1, 2], z)
        m.add_no_overlap_2d([one, two], [one, two])
        m.add_all_different(x, y, z)
        m.add_element(x, [y, 2, z], 5)
        m.add_circuit([(0, 1, on), (1, 0, late)])
        m.add_multiple_circuit([(0, 1, on), (1, 0, late)])
        m.add_allowed_assignments([x, y], [(0, 1), (2, 2), (3, 0)])
        m.add_forbidden_assignments([x, y], [(0, 1)])
        m.add_automaton([x, y], 0, [1], [(0, 1, 1), (1, 1, 1)])
        m.add_inverse([x, y], [y, x])
        m.add_reservoir_constraint([x, y], [1, -1], 0, 2)
        m.add_multiplication_equality(z, x, y + 1)
        m.add_division_equality(z, x, 3)
        m.add_modulo_equality(z, x, 4)
        m.add_max_equality(z, x, 2 * y)

    assert [text.partition(": ")[2] for text in _texts(build)] == [
        "interval from x to x + 2, size 2",
        "interval from y to z, size 3 if on",
        "no_overlap of 2 intervals",
        "cumulative of 2 intervals, capacity z",
        "no_overlap_2d of 2 rectangles",
        "all_diff of 3 expressions",
        "5 = element x of 3 values",
        "circuit of 2 arcs",
        "routes of 2 arcs",
        "table of 3 allowed rows for 2 expressions",
        "table of 1 forbidden rows for 2 expressions",
        "automaton of 2 expressions",
        "inverse of 2 variables",
        "reservoir of 2 events, level 0 to 2",
        "z = x * (y + 1)",
        "z = x // 3",
        "z = x % 4",
        "z = max(x, 2 y)",
    ]


@pytest.mark.parametrize(
    "constraint",
    [
        "",
        "linear { vars: 7 vars: -9 coeffs: 1 coeffs: 2 domain: 0 domain: 1 }",
        "linear { vars: 0 domain: 0 }",
        "linear { }",
        "table { values: 1 }",
        "element { }",
        "bool_or { literals: -99 } enforcement_literal: 99",
        "int_div { }",
        "interval { }",
    ],
)
def test_a_malformed_constraint_is_put_into_words_without_an_error(constraint):
    proto = text_format.Parse(f"constraints {{ {constraint} }}", cp_model_pb2.CpModelProto())
    assert constraint_text(RecordedSolve(report=REPORT), proto, 0).startswith("constraint 1: ")
