"""Reading records that a program wrote: strict, bounded, and never an error of the caller."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm_calm.env.plans.checks import check
from storm_calm.env.plans.record import MAX_NAME, RecordedSolve, read_records, record_of
from storm_calm.sandbox import Execution, SolverReport

REPORT = SolverReport(
    library="pulp",
    solver="CBC",
    status="optimal",
    sense="maximize",
    objective=9.0,
    continuous=1,
    integer=1,
    constraints=1,
)
RECORD = {
    "report": REPORT.to_dict(),
    "variables": ["x", "y"],
    "values": [2.0, 1.0],
    "reduced_costs": None,
    "constraints": ["wood"],
    "duals": None,
    "model": {
        "kind": "linear",
        "maximize": True,
        "offset": 0.0,
        "costs": [3.0, 3.0],
        "quadratic": [],
        "lower": [0.0, 0.0],
        "upper": [None, 5.0],
        "integer": [0],
        "row_lower": [None],
        "row_upper": [3.0],
        "row_starts": [0, 2],
        "row_columns": [0, 1],
        "row_values": [1.0, 1.0],
        "cones": [],
    },
    "omitted": "",
}


def execution(*records, reports=(REPORT,)):
    texts = tuple(one if isinstance(one, str) else json.dumps(one) for one in records)
    return Execution(
        code="", status="ok", isolation="full", backend="local", reports=tuple(reports), solve_records=texts
    )


def changed(path, value):
    """Return the record with one value changed, at a path such as "model.costs"."""
    record = json.loads(json.dumps(RECORD))
    *parents, last = path.split(".")
    place = record
    for name in parents:
        place = place[name]
    place[last] = value
    return record


def test_a_record_is_read_with_its_report():
    [solve] = read_records(execution(RECORD))
    assert (solve.report, solve.values, solve.variable(0), solve.constraint(0)) == (REPORT, (2.0, 1.0), "x", "wood")
    assert list(solve.model.row(0)) == [(0, 1.0), (1, 1.0)]
    assert check(solve).outcome == "passed"


def test_a_record_belongs_to_one_report():
    assert len(read_records(execution(RECORD, RECORD))) == 1
    assert len(read_records(execution(RECORD, RECORD, reports=(REPORT, REPORT)))) == 2
    other = SolverReport(library="pulp", solver="CBC", status="optimal")
    assert read_records(execution(RECORD, reports=(other,))) == ()
    assert record_of(execution(RECORD), other) is None
    assert record_of(execution(RECORD), REPORT).values == (2.0, 1.0)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"report": 3}', "[" * 100_000, '{"report": {"library": "x"}}']
)
def test_a_text_without_a_report_is_no_record(text):
    assert read_records(execution(text)) == ()


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("values", [1.0], "values has 1 numbers for 2 names"),
        ("values", [1.0, float("nan")], "finite"),
        ("values", [1.0, "2"], "number"),
        ("variables", ["x"], "names"),
        ("constraints", [], "the model has 1 rows, and 0 names"),
        ("model.lower", [0.0], "as many bounds as costs"),
        ("model.row_starts", [0, 1], "row_starts must begin at 0 and end at"),
        ("model.row_starts", [1, 2], "row_starts must begin at 0 and end at"),
        ("model.row_columns", [0, 2], "positions of variables must be from 0 to 1"),
        ("model.row_columns", [0, -1], "positions of variables must be from 0 to 1"),
        ("model.integer", [5], "positions of variables must be from 0 to 1"),
        ("model.row_values", [1.0, float("inf")], "finite"),
        ("model.cones", [{"kind": "second_order", "first": 0, "size": 2}], "cones must lie within the 1 rows"),
        ("model.cones", [{"kind": "second_order", "first": 0, "size": 1}] * 2, "one after the other"),
        ("model.cones", [{"kind": "exponential", "first": 0, "size": 1}], "exponential has 3 rows, not 1"),
        ("model.cones", [{"kind": "positive_semidefinite", "first": 0, "size": 2}], "2 rows cannot be a triangle"),
        ("model.kind", "circle", "model"),
        ("model.extra", 1, "extra"),
        ("more", 1, "more"),
        ("malformed", "", "malformed"),
    ],
)
def test_a_malformed_record_keeps_its_report_and_the_reason(path, value, error):
    [solve] = read_records(execution(changed(path, value)))
    assert (solve.report, solve.model, solve.values) == (REPORT, None, None)
    assert solve.malformed.startswith("the record is malformed: ")
    assert error in solve.malformed
    assert check(solve).outcome == "failed"


def test_decreasing_rows_are_malformed():
    record = changed("model.row_lower", [None, None, None])
    record["model"] |= {"row_upper": [3.0] * 3, "row_starts": [0, 2, 1, 2]}
    record["constraints"] = ["a", "b", "c"]
    [solve] = read_records(execution(record))
    assert "row_starts must not decrease" in solve.malformed


def test_names_are_shown_on_one_line_and_shortened():
    solve = RecordedSolve(report=REPORT, variables=("", "a\nb\x1b[31m", "x" * 1000, " \u202e "), constraints=())
    assert solve.variable(0) == "variable 1"
    assert solve.variable(1) == "a b [31m"
    assert len(solve.variable(2)) == MAX_NAME + 3
    assert solve.variable(3) == "variable 4"
    assert solve.constraint(7) == "constraint 8"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
PATHS = [*(f"model.{name}" for name in RECORD["model"]), *(name for name in RECORD if name != "report")]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=3))
def test_no_record_raises(changes):
    record = json.loads(json.dumps(RECORD))
    for path, value in changes:
        *parents, last = path.split(".")
        place = record[parents[0]] if parents else record
        if isinstance(place, dict):
            place[last] = value
    for solve in read_records(execution(json.dumps(record))):
        assert check(solve).outcome in ("passed", "failed", "unknown")
