"""The benchmark of solve records: every library's model has the same optimum, and its plan passes the check."""

import json

import numpy as np
import pytest

from benchmarks import solve_records
from benchmarks.snippets import KINDS, program
from storm_calm.env.plans import check
from storm_calm.env.plans.record import LinearModel, read_records
from storm_calm.sandbox import Limits, open_sandbox

pytestmark = pytest.mark.slow

WHOLE = {"cp_sat"}


@pytest.fixture(scope="module")
def full():
    with open_sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", solve_records.MODELS)
def test_every_library_solves_the_same_model(full, name):
    model = solve_records.MODELS[name]
    code = solve_records.DATA.format(rows=30, columns=60) + model.build + model.solve
    execution = full.run(code, record=True, limits=Limits(seconds=30, memory_mb=2048))
    assert execution.status == "ok", execution.stderr
    [solve] = read_records(execution)
    assert len(solve.variables) == 60
    reference = solve_records.MODELS["scipy"]
    code = solve_records.DATA.format(rows=30, columns=60) + reference.build + reference.solve
    optimum = full.run(code).reports[0].objective
    if name in WHOLE:
        assert solve.report.objective >= optimum - 1e-6
    else:
        assert solve.report.objective == pytest.approx(optimum, rel=1e-6)
    cost = solve_records.measure(full, model, rows=30, runs=1)
    assert cost.outcome == "passed"


def test_the_command_prints_a_line_for_each_library(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["solve_records", "scipy", "--rows", "20", "--runs", "1", "--json"])
    solve_records.main()
    assert json.loads(capsys.readouterr().out)["scipy"]["outcome"] == "passed"


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_of_every_kind_of_solve_is_the_reported_one(full, kind):
    """The objective is recomputed with numpy here, apart from the code under test."""
    execution = full.run(program(kind, 0), record=True, limits=Limits(seconds=60, memory_mb=2048))
    assert execution.status == "ok", execution.stderr
    for solve in read_records(execution):
        found = check(solve)
        if kind == "routing":
            assert (found.outcome, solve.model) == ("unknown", None)
            continue
        assert (found.outcome, found.faults) == ("passed", ())
        assert found.objective == pytest.approx(solve.report.objective, rel=1e-6, abs=1e-6)
        if isinstance(solve.model, LinearModel):
            x = np.array(solve.values)
            terms = np.array(solve.model.quadratic).reshape(-1, 3)
            first, second = (x[terms[:, side].astype(int)] for side in (0, 1))
            again = np.dot(solve.model.costs, x) + solve.model.offset + np.sum(terms[:, 2] * first * second)
            assert found.objective == pytest.approx(again, rel=1e-9, abs=1e-9)
            rows = zip(solve.model.row_starts, solve.model.row_starts[1:], strict=False)
            columns, entries = np.array(solve.model.row_columns, dtype=int), np.array(solve.model.row_values)
            active = np.array([np.dot(entries[a:b], x[columns[a:b]]) for a, b in rows])
            low = np.array([-np.inf if one is None else one for one in solve.model.row_lower])
            high = np.array([np.inf if one is None else one for one in solve.model.row_upper])
            worst = max(0.0, *np.maximum(low - active, active - high)) if len(active) else 0.0
            assert worst <= max(1e-9, found.violation * max(1.0, *np.abs(active), *np.abs(x)))
