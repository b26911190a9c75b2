"""Exported models, read and solved by SCIP and CBC."""

import dataclasses
import re
import subprocess

import numpy as np
import pulp
import pyscipopt
import pytest

from storm_calm.env.plans import export
from storm_calm.env.plans.export import Renamed, to_lp, to_mps, to_own_text
from storm_calm.env.plans.record import Cone, CpSatModel, RecordedSolve, TextModel
from storm_calm.env.plans.second_solver import solve_again
from support.linear_models import linear_model, random_model, recorded, report

FORMATS = {"mps": to_mps, "lp": to_lp}
CBC = pulp.PULP_CBC_CMD.pulp_cbc_path
FREE = (None, None)


def scip(file, maximize):
    """Return the status and the objective value of a model in a file, by SCIP."""
    model = pyscipopt.Model()
    model.hideOutput()
    model.readProblem(str(file))
    model.optimize()
    status = model.getStatus()
    return status, model.getObjVal() if status == "optimal" else None


def cbc(file, maximize):
    """Return the status and the objective value of a model in a file, by CBC."""
    solution = file.with_suffix(".txt")
    # CBC ignores the section OBJSENSE of MPS.
    sense = ["-max"] if maximize and file.suffix == ".mps" else []
    subprocess.run([CBC, file, *sense, "-ratio", "0", "-solve", "-solution", solution], capture_output=True, check=True)
    status, value = re.match(r"(.+?) - objective value (\S+)", solution.read_text()).groups()
    status = {"Integer infeasible": "infeasible"}.get(status, status.lower())
    return status, float(value) if status == "optimal" else None


def check(sandbox, tmp_path, solve, readers=(scip, cbc)):
    """Assert that readers of both formats find what the recorded model has, and return the exports by format."""
    best = solve_again(solve, sandbox)
    assert best.status in ("optimal", "infeasible"), best
    exports = {form: write(solve, sandbox) for form, write in FORMATS.items()}
    for form, exported in exports.items():
        assert (exported.format, exported.reason) == (form, "")
        file = tmp_path / f"model.{form}"
        file.write_text(exported.text, encoding="utf-8")
        for reader in readers:
            status, objective = reader(file, solve.model.maximize)
            assert status == best.status, (form, reader)
            if best.status == "optimal":
                assert objective == pytest.approx(best.objective, rel=1e-6, abs=1e-6), (form, reader, exported.text)
    return exports


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_other_solvers_find_the_same_optimum(sandbox, tmp_path, seed, integer):
    model = random_model(seed, degenerate=False, integer=integer)
    # Bounds, so that the model is not unbounded. CBC is wrong about some unbounded models of its own.
    lower = tuple(-20.0 if low is None else low for low in model.lower)
    upper = tuple(30.0 if high is None else high for high in model.upper)
    check(sandbox, tmp_path, recorded(dataclasses.replace(model, lower=lower, upper=upper), None))


ROWS = [(None, [1, 1, 1], 40.0), (-30.0, [1, -1, 2], None)]
SPECIAL = {
    "integers without an upper bound": {"bounds": [(0.0, None)] * 3, "integer": (0, 1, 2)},
    "integers without a lower bound": {"bounds": [(None, 9.0)] * 3, "integer": (0, 1, 2)},
    "integers without bounds": {"bounds": [FREE] * 3, "integer": (0, 1, 2)},
    "binary and fixed variables": {"bounds": [(0.0, 1.0), (1.0, 1.0), (0.0, 0.0)], "integer": (0, 1)},
    "integers with bounds that are not whole": {"bounds": [(0.5, 7.5), (-3.5, 4.5), (0.2, 9.9)], "integer": (0, 1, 2)},
    "free variables": {"bounds": [FREE, FREE, FREE]},
    "negative upper bounds": {"bounds": [(None, -2.0), (-9.0, -1.0), (0.0, None)]},
    "negative lower bounds": {"bounds": [(-7.0, None), (-3.0, 5.0), (-1.0, 0.0)]},
    "an upper bound of zero": {"bounds": [(None, 0.0), (-5.0, 0.0), (0.0, 0.0)]},
    "an upper bound below the default lower bound": {"bounds": [(0.0, -5.0), (0.0, None), (0.0, None)]},
    "a constant": {"offset": -12.5},
    "a constant without costs": {"offset": 3.25, "costs": [0.0, 0.0, 0.0]},
    "no costs": {"costs": [0.0, 0.0, 0.0]},
    "ranges": {"rows": [(-4.0, [1, 1, 0], 4.0), (2.0, [0, 1, 1], 7.5), (-9.0, [1, 0, -1], -1.0)], "bounds": [FREE] * 3},
    "equalities": {
        "rows": [(7.0, [1, 1, 1], 7.0), (0.0, [1, -1, 0], 0.0), (-2.0, [0, 1, -2], -2.0)],
        "bounds": [FREE] * 3,
    },
    "limits that cross": {"rows": [*ROWS, (5.0, [1, 0, 0], 3.0)]},
    "a row without limits": {"rows": [*ROWS, (None, [1, 2, 3], None)]},
    "rows without variables": {
        "rows": [*ROWS, (-1.0, [0, 0, 0], 2.0), (None, [0, 0, 0], 0.0), (None, [0, 0, 0], None)]
    },
    "a row without variables that cannot hold": {"rows": [*ROWS, (1.0, [0, 0, 0], None)]},
    "variables without coefficients": {
        "costs": [0.0, 1.0, 0.0],
        "rows": [(-3.0, [0, 1, 0], 3.0)],
        "bounds": [FREE, FREE, (2.0, 3.0)],
        "integer": (0, 2),
    },
    "a variable in a row without limits only": {
        "costs": [0.0, 1.0, 0.0],
        "rows": [(-3.0, [0, 1, 0], 3.0), (None, [1, 0, 0], None)],
        "bounds": [FREE] * 3,
        "integer": (0,),
    },
    "no rows": {"rows": [], "bounds": [(-4.0, 3.0)] * 3},
    "numbers with many digits": {
        "costs": [1 / 3, 2 / 7, -1e-7],
        "rows": [(None, [1 / 3, 1e5 / 7, 1], 1e6 / 3)],
        "bounds": [(0.0, 1e7 / 9)] * 3,
    },
}


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases_survive(sandbox, tmp_path, name, maximize):
    fields = {"costs": [2.0, 3.0, -1.0], "rows": ROWS} | SPECIAL[name]
    costs, rows, bounds = (fields.pop(key, None) for key in ("costs", "rows", "bounds"))
    bounds = bounds or [(0.0, None)] * 3
    # Rows that keep all variables between -50 and 50, which are no bounds.
    box = [(-50.0, row, 50.0) for row in np.eye(3)] if name != "no rows" else []
    model = linear_model(costs, [*rows, *box], bounds=bounds, maximize=maximize, **fields)
    check(sandbox, tmp_path, recorded(model, None))


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("integer", [(), (0, 2)])
def test_quadratic_objectives_survive(sandbox, tmp_path, integer, maximize):
    sign = -1.0 if maximize else 1.0
    quadratic = ((0, 0, sign * 2.0), (0, 1, sign), (1, 1, sign * 3.0), (2, 2, sign * 1.5))
    # The third variable is in quadratic terms only, which HiGHS leaves out of the columns of MPS.
    model = linear_model(
        [-3.0 * sign, -5.0 * sign, 0.0],
        [(None, [1, 2, 0], 3.5)],
        quadratic=quadratic,
        integer=integer,
        maximize=maximize,
        offset=1.25,
        bounds=[(-5.0, 5.0), (-5.0, 5.0), (0.5, 5.0)],
    )
    check(sandbox, tmp_path, recorded(model, None), readers=(scip,))


NAMES = [
    *("x", "x", "x y", "x_y", "x[1,2]", "x(1,_2)", "free", "INF", "e5", "E", "3x", "-x", ".x", "x-y", "x+y", "x:y"),
    *("x>=2", "größe", "$x", "*x", "obj", "Obj", "st", "end", "bounds", "x^2", "tab\tx", "'MARKER'", "RHS_V", "BOUND"),
    *("1e5", "nan", "-inf", "=", "<=", "3", "", "variable 37", "x_lower", "x_2", "unused", "objective_constant", "[x]"),
    *("OBJSENSE", "NAME", "RANGES", "ENDATA", "row", "row", "a" * 150, "a" * 150 + "b", 'a"b', "c0", "r0"),
]  # fmt: skip


def named_model():
    """Return a model with one variable and one row with two limits for each name, that depends on each."""
    rng = np.random.default_rng(0)
    size = len(NAMES)
    rows = [(float(1 + number % 3), row, 60.0) for number, row in enumerate(np.eye(size) + np.eye(size, k=1))]
    bounds = [(0.0, 9.0) for _ in NAMES]
    model = linear_model(
        rng.uniform(1, 2, size).round(3), rows, bounds=bounds, integer=tuple(range(0, size, 3)), offset=2.0
    )
    return dataclasses.replace(recorded(model, None), variables=tuple(NAMES), constraints=tuple(NAMES))


def test_all_names_can_be_read(sandbox, tmp_path):
    exports = check(sandbox, tmp_path, named_model())
    for form, exported in exports.items():
        renamed = {(one.kind, one.number): one for one in exported.renamed}
        for kind in ("variable", "constraint"):
            written = [
                renamed[kind, number].written if (kind, number) in renamed else name
                for number, name in enumerate(NAMES)
            ]
            assert len(set(written)) == len(NAMES)
            assert all(re.fullmatch(r"[^\s'\"]{1,96}", name) for name in written)
            kept = {
                "x",
                "x_y",
                "x(1,_2)",
                "x_lower",
                "x_2",
                "c0",
                "unused",
                *({"x[1,2]", "3x", "größe", "e5"} if form == "mps" else ()),
            }
            assert kept <= set(NAMES) - {one.name for one in exported.renamed if one.kind == kind and one.number != 1}
            for name in written:
                assert re.search(rf"(?m)(^|\s){re.escape(name)}(:|\s|$)", exported.text), name


def test_changed_names_are_reported(sandbox):
    model = linear_model([1.0, 1.0, 1.0], [(1.0, [1, 1, 1], None)] * 2)
    solve = dataclasses.replace(
        recorded(model, None), variables=("wood used", "x[1]", "wood_used"), constraints=("c", "c")
    )
    assert to_mps(solve, sandbox).renamed == (
        Renamed(kind="variable", number=0, name="wood used", written="wood_used_2"),
        Renamed(kind="constraint", number=1, name="c", written="c_2"),
    )
    assert Renamed(kind="variable", number=1, name="x[1]", written="x(1)") in to_lp(solve, sandbox).renamed


def test_a_constant_in_lp_format_is_a_variable_that_every_reader_knows(sandbox):
    # Gurobi reads "+7.5" as a variable of that name.
    text = to_lp(recorded(linear_model([1.0], [(1.0, [1], None)], offset=7.5), None), sandbox).text
    assert "+7.5 objective_constant" in text
    assert "objective_constant = 1" in text


def test_a_maximized_model_says_so_to_readers_that_ignore_the_section(sandbox, tmp_path):
    model = linear_model([1.0], [(None, [1], 4.0)], bounds=[(1.0, None)], maximize=True)
    text = to_mps(recorded(model, None), sandbox).text
    assert text.startswith("* The objective is maximized (OBJSENSE MAX).")
    assert "\nOBJSENSE\n" in text
    (tmp_path / "model.mps").write_text(text)
    assert cbc(tmp_path / "model.mps", maximize=True) == ("optimal", 4.0)
    assert cbc(tmp_path / "model.mps", maximize=False) == ("optimal", 1.0)
    minimized = to_mps(recorded(dataclasses.replace(model, maximize=False), None), sandbox).text
    assert minimized.startswith("NAME")
    assert "OBJSENSE" not in minimized


def test_models_in_text_are_their_own_export():
    cp_sat = RecordedSolve(report=report(), model=CpSatModel(kind="cp_sat", text="variables { domain: [0, 1] }"))
    assert (to_own_text(cp_sat).text, to_own_text(cp_sat).format) == ("variables { domain: [0, 1] }", "pbtxt")
    text = RecordedSolve(report=report(), model=TextModel(kind="text", format="lp", text="min x"))
    assert (to_own_text(text).text, to_own_text(text).format) == ("min x", "lp")
    assert to_own_text(recorded(linear_model([1.0], []), None)).text == ""


def test_what_has_no_export_has_a_reason(sandbox, monkeypatch):
    model = linear_model([1.0, 1.0], [(1.0, [1, 1], None)])
    cases = {
        "the LP format has no cones": recorded(
            dataclasses.replace(model, cones=(Cone(kind="second_order", first=0, size=1),)), None
        ),
        "HiGHS does not accept the model": recorded(dataclasses.replace(model, row_columns=(0, 0)), None),
        "only linear and quadratic models": RecordedSolve(report=report(), model=CpSatModel(kind="cp_sat", text="")),
        "it was too large": RecordedSolve(report=report(), omitted="it was too large"),
    }
    for reason, solve in cases.items():
        exported = to_lp(solve, sandbox)
        assert exported.text == ""
        assert reason in exported.reason
    for result, reason in (
        ({"failed": "the examination ended with timeout: "}, "timeout"),
        ({"text": 3}, "malformed"),
        ({"text": "", "renamed": []}, "no text"),
        ({"text": "NAME", "renamed": [{"kind": "row"}]}, "malformed"),
    ):
        monkeypatch.setattr(export, "run_task", lambda *_, result=result, **__: result)
        assert reason in to_mps(recorded(model, None), sandbox).reason
