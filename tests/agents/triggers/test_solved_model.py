"""Rules on the plan that a program found: fractions of whole things, and a round trip in several parts."""

import dataclasses
import json

import pytest

from storm_calm.agents.triggers import findings
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution, SolverReport

TRUCKS = (
    "A quarry ships stone with at most 12 red trucks and 10 blue trucks. A red truck carries 18 tonnes and emits 40 kg "
    "of exhaust, a blue truck carries 11 tonnes and emits 22 kg. At least 320 tonnes must be shipped. What is the "
    "minimum exhaust in kg?"
)
TOUR = "A driver leaves the depot, visits six shops and returns to the depot. What is the shortest way?"
LEGS = (("0", "1"), ("1", "2"), ("2", "0"), ("3", "4"), ("4", "5"), ("5", "3"))
ROUND = (("0", "1"), ("1", "2"), ("2", "3"), ("3", "4"), ("4", "5"), ("5", "0"))


def episode(question, names, values, *, integer=(), code="m.solve()", after="", recorded=True, status="optimal"):
    """Return an episode with one program, whose recorded plan has these values."""
    report = SolverReport(library="pulp", solver="CBC", status=status, continuous=len(names))
    model = {
        "kind": "linear", "maximize": False, "offset": 0.0, "costs": [1.0] * len(names), "quadratic": [],
        "lower": [0.0] * len(names), "upper": [None] * len(names), "integer": list(integer), "row_lower": [],
        "row_upper": [], "row_starts": [0], "row_columns": [], "row_values": [], "cones": [],
    }  # fmt: skip
    record = {"report": report.to_dict(), "variables": list(names), "values": list(values), "model": model}
    run = Execution(
        code=code,
        status="ok",
        isolation="full",
        backend="local",
        reports=(report,),
        solve_records=(json.dumps(record),) if recorded else (),
    )
    spans = (
        Span(source="prompt", text="Q\n"),
        Span(source="model", text=f"I write a program.\n```python\n{code}\n```\n"),
        Span(source="tool", text="```output\n1\n```\n"),
        Span(source="model", text=f"{after}\nThe answer is \\boxed{{1}}."),
    )
    problem = Problem(id="p", question=question, answers=(1.0,))
    return Episode(problem=problem, transcript=Transcript(spans=spans), executions=(run,), stop="answer")


def found(rule, *arguments, **options):
    return [one.evidence for one in findings(episode(*arguments, **options)) if one.rule == rule]


def test_a_fraction_of_a_counted_thing_is_found_by_its_name():
    assert found("fractional_plan", TRUCKS, ("red_trucks", "blue_trucks"), (12, 9.4546)) == [
        "blue_trucks is 9.455 in the plan"
    ]
    assert found("fractional_plan", TRUCKS, ("redTruck", "blueTruck"), (12, 9.4546)) == [
        "blueTruck is 9.455 in the plan"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"values": (12, 9.0)},
        {"values": (12, 9.00001)},
        {"names": ("x", "y")},
        {"names": ("red_tonnes", "blue_tonnes")},
        {"question": f"{TRUCKS} Amounts may be fractional."},
        {"status": "feasible"},
        {"recorded": False},
    ],
)
def test_other_plans_are_no_finding(change):
    case = {"question": TRUCKS, "names": ("red_trucks", "blue_trucks"), "values": (12, 9.4546)} | change
    assert found("fractional_plan", **case) == []


def test_a_plan_that_is_rounded_afterwards_is_found():
    rounding = "import math\nr = linprog([1, 1])\nprint(math.ceil(r.x[0]))"
    shown = ["the plan has fractions and is rounded afterwards"]
    assert found("fractional_plan", "How much?", ("x[0]", "x[1]"), (3.8, 4.4), code=rounding) == shown
    assert found("fractional_plan", "How much?", ("x[0]",), (3.8,), after="Rounded up that is 4 trucks.") == shown
    assert found("fractional_plan", "How much?", ("x[0]",), (3.8,), after="So 3.8 is the amount.") == []
    mixed = found("fractional_plan", "How much?", ("x[0]", "x[1]"), (3.8, 4), integer=(1,), code=rounding)
    assert mixed == []


def test_the_text_after_the_program_counts_also_after_one_that_does_not_parse():
    one = episode("How much?", ("x[0]",), (3.8,), after="Rounded up that is 4.")
    broken = dataclasses.replace(one.executions[0], code="print(", status="error", reports=(), solve_records=())
    spans = one.transcript.spans
    more = (
        spans[0],
        Span(source="model", text="```python\nprint(\n```\n"),
        Span(source="tool", text="```output\n```\n"),
    )
    longer = dataclasses.replace(
        one, transcript=Transcript(spans=(*more, *spans[1:])), executions=(broken, *one.executions)
    )
    assert "fractional_plan" in [found.rule for found in findings(longer)]


@pytest.mark.parametrize("form", ["x_{}_{}", "go[{},{}]", "arc_('{}',_'{}')", "{}_{}"])
def test_separate_rounds_are_found_in_all_spellings_of_arcs(form):
    def rounds(arcs):
        chosen = [form.format(*arc) for arc in arcs]
        other = [form.format("0", "5"), form.format("2", "1")]
        return found("subtours", TOUR, (*chosen, *other), (*([1.0] * len(arcs)), 0.0, 0.0), integer=range(8))

    assert rounds(LEGS) == ["the plan has 2 separate rounds instead of one"]
    if form.format("0", "5") not in [form.format(*arc) for arc in ROUND]:
        assert rounds(ROUND) == []


def test_arcs_of_something_else_are_no_rounds():
    names = [f"ship_{tail}_{head}" for tail, head in LEGS]
    assert found("subtours", "A plant ships goods to six towns at least cost.", names, (1.0,) * 6) == []
    assert found("subtours", TOUR, names[:3], (1.0,) * 3) == []
    assert found("subtours", TOUR, [*names, "ship_0_9"], (1.0,) * 7) == []


def test_a_record_of_anything_raises_nothing():
    one = episode(TOUR, ("x_0_1",), (1.0,))
    for text in ("", "{", '{"report": 1}', one.executions[0].solve_records[0].replace("[1.0]", '["a"]')):
        run = dataclasses.replace(one.executions[0], solve_records=(text,))
        assert findings(dataclasses.replace(one, executions=(run,))) is not None
