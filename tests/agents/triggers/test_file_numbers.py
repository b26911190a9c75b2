"""Problems with data files: a program need not contain the numbers that it reads."""

import io

import openpyxl
import pytest

from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.file_numbers import file_numbers
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.env.workspace import problem_file

QUESTION = (
    "Each depot serves its 24-hour shops. In all 12 regions, up to 300 tons pass the ordinary dock, and at most 45 "
    "trucks drive. What is the least cost?"
)
PARAMETERS = "name,value\ndock_capacity,300\nregions,12\nprice,4.75\n"
READING = """import pandas as pd
import pulp
data = pd.read_csv("data/parameters.csv").set_index("name").value
m = pulp.LpProblem("m", pulp.LpMinimize)
x = [pulp.LpVariable(f"x{i}", lowBound=0) for i in range(int(data["regions"]))]
m += pulp.lpSum(data["price"] * one for one in x)
m += pulp.lpSum(x) <= data["dock_capacity"]
LIMIT
m.solve()
print(pulp.value(m.objective))
"""
TRUCKS = "m += pulp.lpSum(x) <= 45"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "parameters.csv").write_text(PARAMETERS)
    return tmp_path


def problem(folder, question=QUESTION, path="data/parameters.csv"):
    files = (problem_file(str(folder), path),) if path else ()
    return Problem(id="p", question=question, answers=(1.0,), folder=str(folder), files=files)


def found(problem, program):
    spans = (Span(source="prompt", text="Q\n"), Span(source="model", text=f"```python\n{program}```\n"))
    episode = Episode(problem=problem, transcript=Transcript(spans=spans), stop=None)
    return [(finding.rule, finding.evidence) for finding in findings(episode)]


def test_a_number_that_the_program_reads_is_not_missing(folder):
    assert found(problem(folder), READING.replace("LIMIT", TRUCKS)) == []


def test_a_limit_that_is_only_in_the_question_still_is(folder):
    ((rule, evidence),) = found(problem(folder), READING.replace("LIMIT", ""))
    assert rule == "missing_constraint"
    assert evidence.startswith("no 45 in the program")


def test_a_program_that_reads_no_file_needs_the_numbers(folder):
    program = READING.replace('pd.read_csv("data/parameters.csv")', "DATA").replace("LIMIT", TRUCKS)
    assert [evidence[:6] for _, evidence in found(problem(folder), f"DATA = 1\n{program}")] == ["no 300"]


def test_without_files_nothing_changes(folder):
    rules = found(problem(folder, path=""), READING.replace("LIMIT", TRUCKS))
    assert [evidence[:6] for _, evidence in rules] == ["no 300"]


def test_files_that_cannot_be_read_may_have_any_number(folder):
    one = problem(folder)
    (folder / "data" / "parameters.csv").unlink()
    assert file_numbers(one) is None
    assert found(one, READING.replace("LIMIT", "")) == []


def test_numbers_of_text_and_excel_files_are_found(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["depot", "cost"])
    book.active.append(["A", 1234.5])
    stream = io.BytesIO()
    book.save(stream)
    (tmp_path / "costs.xlsx").write_bytes(stream.getvalue())
    (tmp_path / "notes.txt").write_text("The fleet has 1,250 trucks.\n")
    (tmp_path / "bad.xlsx").write_bytes(b"PK no workbook")
    (tmp_path / "table.csv").write_text("a,b,c\n1,22,33\n4,55,66\n")
    paths = ("costs.xlsx", "notes.txt", "bad.xlsx", "table.csv")
    files = tuple(problem_file(str(tmp_path), path) for path in paths)
    numbers = file_numbers(Problem(id="p", question="Q?", answers=(), folder=str(tmp_path), files=files))
    # The table has 2 rows and 3 columns.
    assert {1234.5, 1250.0, 22.0, 66.0, 2.0, 3.0} <= numbers
