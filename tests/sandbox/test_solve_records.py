"""How records of solves leave a program, and what a program can do to them."""

import json
import os

import pytest

from storm_calm.sandbox import Execution, Limits, Program
from storm_calm.sandbox.probe.record_file import (
    FILE_BYTES,
    MAX_BYTES,
    SLOT_BYTES,
    SLOTS,
    RecordWriter,
    read_record_file,
)
from storm_calm.sandbox.probe.solve_record import MAX_ENTRIES

SOLVE = """
from ortools.linear_solver import pywraplp
solver = pywraplp.Solver.CreateSolver("GLOP")
x = solver.NumVar(0, 10, "x")
solver.Add(2 * x <= 7, "cap")
solver.Maximize(x)
solver.Solve()
"""
LOOP = SOLVE.replace("solver.Solve()", "for k in range(12):\n    x.SetUb(k / 10)\n    solver.Solve()")


def records(execution):
    return [json.loads(text) for text in execution.solve_records]


def test_records_are_made_only_on_request(sandbox):
    assert sandbox.run(SOLVE).solve_records == ()
    [record] = records(sandbox.run(SOLVE, record=True))
    assert (record["variables"], record["values"], record["constraints"]) == (["x"], [3.5], ["cap"])
    again = sandbox.run(SOLVE, record=True)
    assert record["report"] | {"seconds": again.reports[0].seconds} == again.reports[0].to_dict()
    assert records(again) == [record], "equal solves have equal records"


def test_the_last_solves_of_many_are_kept(sandbox):
    execution = sandbox.run(LOOP, record=True)
    assert [round(record["values"][0], 1) for record in records(execution)] == [k / 10 for k in range(4, 12)]
    assert len(execution.reports) == 12


def test_a_record_survives_serialization(sandbox):
    execution = sandbox.run(SOLVE, record=True)
    assert Execution.from_dict(json.loads(json.dumps(execution.to_dict()))) == execution
    program = Program(code=SOLVE, limits=Limits(), record=True)
    assert Program.from_dict(program.to_dict()) == program


def test_results_can_be_asked_for_at_the_same_time(sandbox):
    execution = sandbox.run(SOLVE + "open('a', 'w').write('1')", record=True, results=["a"])
    assert (execution.files, len(execution.solve_records)) == ({"a": b"1"}, 1)


def test_a_failing_and_a_killed_program_keep_their_records(sandbox):
    assert len(sandbox.run(SOLVE + "1 / 0", record=True).solve_records) == 1
    stopped = sandbox.run(SOLVE + "while True: pass", record=True, limits=Limits(seconds=1))
    assert (stopped.status, len(stopped.solve_records)) == ("timeout", 1)


def test_the_blocks_of_a_session_have_their_own_records(sandbox):
    with sandbox.session() as session:
        assert len(session.run(SOLVE, record=True).solve_records) == 1
        assert session.run("solver.Solve()").solve_records == ()
        assert session.run("y = 1", record=True).solve_records == ()
        again = session.run("x.SetUb(1)\nsolver.Solve()", record=True)
        assert [record["values"] for record in records(again)] == [[1.0]]


def test_a_program_sees_no_file_of_the_records(sandbox):
    code = "import os; print(os.listdir('.'))"
    assert sandbox.run(code, record=True).stdout == sandbox.run(code).stdout


def test_a_program_cannot_make_the_file_larger(sandbox):
    code = f"""
import os
for size in ({FILE_BYTES}, 10 * {FILE_BYTES}):
    for act in (lambda: os.pwrite(4, b"x" * 4096, size + (1 << 20)), lambda: os.ftruncate(4, size * 2)):
        try:
            act()
        except OSError as error:
            print(error.errno)
"""
    execution = sandbox.run(code, record=True)
    assert execution.status == "ok"
    assert set(execution.stdout.split()) <= {"1", "22", "27"}
    assert len(execution.stdout.split()) == 4


@pytest.mark.parametrize(
    "written",
    [
        "b'0000000001 9999999999\\n'",
        "b'0000000001 0000000005\\nabcde'",
        "b'-000000001 0000000005\\nabcde'",
        "b'\\xff' * 100",
        "b'0000000001 0000000100\\n' + b'[' * 100",
    ],
)
def test_what_a_program_writes_itself_is_only_text(sandbox, written):
    execution = sandbox.run(SOLVE + f"import os; os.pwrite(4, {written}, 0)", record=True)
    assert execution.status == "ok"
    assert sum(map(len, execution.solve_records)) <= SLOT_BYTES


def test_a_program_that_closes_the_file_loses_only_its_records(sandbox):
    execution = sandbox.run("import os; os.close(4)\n" + SOLVE, record=True)
    assert (execution.status, len(execution.reports), execution.solve_records) == ("ok", 1, ())


@pytest.mark.slow
def test_a_large_model_is_left_out_with_the_reason(full):
    code = """
from ortools.linear_solver import pywraplp
solver = pywraplp.Solver.CreateSolver("GLOP")
x = [solver.NumVar(0, 1, "") for _ in range(300_000)]
solver.Maximize(x[0])
solver.Solve()
"""
    execution = full.run(code, record=True, limits=Limits(seconds=60, memory_mb=4096))
    [record] = records(execution)
    assert record["omitted"] == f"the model has 300000 variables, 0 constraints, together more than {MAX_ENTRIES}"
    assert record.get("values") is None
    assert execution.reports[0].objective == 1


def test_a_record_that_does_not_fit_is_written_with_the_reason(tmp_path):
    with open(tmp_path / "records", "wb+") as file:
        os.truncate(file.fileno(), FILE_BYTES)
        RecordWriter(file.fileno()).write({"report": {"status": "optimal"}, "variables": ["x" * SLOT_BYTES]})
        [text] = read_record_file(file.fileno())
    record = json.loads(text)
    assert record["report"] == {"status": "optimal"}
    assert record["omitted"].startswith("the record has 20")


def test_the_last_records_are_read_within_a_limit(tmp_path):
    with open(tmp_path / "records", "wb+") as file:
        writer = RecordWriter(file.fileno())
        for number in range(SLOTS + 2):
            writer.write({"number": number, "padding": "x" * (MAX_BYTES // 4)})
        found = [json.loads(text)["number"] for text in read_record_file(file.fileno())]
    assert found == [SLOTS - 1, SLOTS, SLOTS + 1]


NAMELESS = {
    "cp_model": """
from ortools.sat.python import cp_model
m = cp_model.CpModel()
x = [m.new_bool_var("") for _ in range(2)]
ship = {("A", 2): m.new_int_var(0, 5, ""), "b": m.new_int_var(0, 5, "given")}
m.add(sum(x) + sum(ship.values()) <= 6)
cp_model.CpSolver().solve(m)
""",
    "pywraplp": """
from ortools.linear_solver import pywraplp
m = pywraplp.Solver.CreateSolver("SCIP")
x = [m.IntVar(0, 3, "") for _ in range(2)]
ship = {("A", 2): m.NumVar(0, 1, ""), "b": m.NumVar(0, 1, "given")}
m.Solve()
""",
    "highspy": """
import highspy
m = highspy.Highs()
x = [m.addVariable(lb=0, ub=1) for _ in range(2)]
ship = {("A", 2): m.addVariable(lb=0, ub=1), "b": m.addVariable(lb=0, ub=1, name="given")}
m.run()
""",
}


@pytest.mark.parametrize("library", NAMELESS)
def test_variables_without_a_name_get_that_of_the_program(full, library):
    pytest.importorskip("highspy" if library == "highspy" else "ortools")
    [record] = records(full.run(NAMELESS[library], record=True))
    assert record["variables"] == ["x[0]", "x[1]", "ship['A', 2]", "given"]
