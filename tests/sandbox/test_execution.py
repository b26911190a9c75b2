import json

import pytest

from storm_calm.sandbox import Execution, SolverReport

REPORT = SolverReport(library="ortools.cp_model", solver="CP-SAT", status="optimal", sense="maximize", objective=3.0)
EXECUTION = Execution(
    code="print(1)", status="ok", stdout="1\n", exit_code=0, isolation="full", backend="local", reports=(REPORT,)
)


def test_an_execution_round_trips_through_json():
    assert Execution.from_dict(json.loads(json.dumps(EXECUTION.to_dict()))) == EXECUTION


def test_a_report_round_trips_through_json():
    assert SolverReport.from_dict(json.loads(json.dumps(REPORT.to_dict()))) == REPORT


@pytest.mark.parametrize(
    ("change", "word"),
    [({"status": "fine"}, "'fine'"), ({"isolation": "best"}, "'best'"), ({"colour": "red"}, "'colour'")],
)
def test_error_for_an_invalid_execution_has_the_value(change, word):
    with pytest.raises(ValueError, match=word):
        Execution.from_dict({**EXECUTION.to_dict(), **change})


@pytest.mark.parametrize("change", [{"status": "solved"}, {"sense": "up"}])
def test_error_for_an_invalid_report_has_the_value(change):
    with pytest.raises(ValueError, match=repr(next(iter(change.values())))):
        SolverReport.from_dict({**REPORT.to_dict(), **change})
