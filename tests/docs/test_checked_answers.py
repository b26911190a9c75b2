"""The outputs in docs/checked_answers.md are those of its cases: programs with flaws that the verdict shows, or not."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storm_calm.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "checked_answers.md").read_text(encoding="utf-8")
TRANSPORT = ROOT / "examples" / "cookbook" / "transport"
BLOCKS = re.findall(r"^<!-- case: (\w+) -->\n```text\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)

BAKERY = " ".join(line.removeprefix("> ") for line in re.findall(r"^> .*$", PAGE, re.MULTILINE))
PROGRAM = """
import pulp
p = pulp.LpProblem("bakery", pulp.LpMaximize)
bread = pulp.LpVariable("bread", 0, cat="Integer")
cake = pulp.LpVariable("cake", 0, cat="Integer")
p += 2.1 * bread + 6.5 * cake
p += 0.5 * bread + 0.8 * cake <= 140, "flour"
p += 12 * bread + 30 * cake <= 70 * 60, "oven"
p += bread >= 40, "ordered"
p.solve(pulp.PULP_CBC_CMD(msg=False))
print("objective:", pulp.value(p.objective))
"""
ORDERED = 'p += bread >= 40, "ordered"\n'
ONLY_BREAD = """
import pulp
p = pulp.LpProblem("bakery", pulp.LpMaximize)
bread = pulp.LpVariable("bread", 0, 350, cat="Integer")
p += 2.1 * bread
p.solve(pulp.PULP_CBC_CMD(msg=False))
print("objective:", pulp.value(p.objective))
"""
BOXES = (
    "Boxes of 24, 31, 17, 45, 52, 38, 29, 63, 71, 12, 58, 33, 47, 26, 39, 54, 61, 19, 42, 35, 28, 66, 23, 49, 57, 44, "
    "36, 21, 53 and 40 kg go on pallets that carry 150 kg each. How few pallets are enough? No box is split."
)
FIRST_SOLUTION = """
from ortools.sat.python import cp_model
w = [24, 31, 17, 45, 52, 38, 29, 63, 71, 12, 58, 33, 47, 26, 39]
w += [54, 61, 19, 42, 35, 28, 66, 23, 49, 57, 44, 36, 21, 53, 40]
m = cp_model.CpModel()
pallets = range(14)
x = {(i, j): m.new_bool_var(f"load[{i},{j}]") for i in range(len(w)) for j in pallets}
used = [m.new_bool_var(f"used[{j}]") for j in pallets]
for i in range(len(w)):
    m.add(sum(x[i, j] for j in pallets) == 1)
for j in pallets:
    m.add(sum(w[i] * x[i, j] for i in range(len(w))) <= 150 * used[j])
m.minimize(sum(used))
s = cp_model.CpSolver()
s.parameters.num_workers = 1
s.parameters.cp_model_presolve = False
s.parameters.stop_after_first_solution = True
s.solve(m)
print("objective:", s.objective_value)
"""


def replaced(text, old, new):
    assert text.count(old) == 1
    return text.replace(old, new)


def dropped():
    program = (TRANSPORT / "program.py").read_text(encoding="utf-8")
    kept = 'customers = customers[customers["contact"] == "order desk"]\n'
    return replaced(program, "demand = customers", f"{kept}demand = customers")


CASES = {
    "right": (BAKERY, PROGRAM),
    "fractions": (BAKERY, PROGRAM.replace(', cat="Integer"', "")),
    "invented": (BAKERY, replaced(PROGRAM, ORDERED, f'{ORDERED}p += cake <= 95, "display"\n')),
    "units": (BAKERY, replaced(PROGRAM, "70 * 60", "70 * 100")),
    "missing": (BAKERY, replaced(PROGRAM, ORDERED, "")),
    "words": (
        replaced(BAKERY, "At least 40 breads are ordered.", "The bakery sells no more cakes than breads."),
        replaced(PROGRAM, ORDERED, ""),
    ),
    "dropped": ((TRANSPORT / "question.md").read_text(encoding="utf-8").strip(), dropped()),
    "gap": (BOXES, FIRST_SOLUTION),
    "printed": (BAKERY, replaced(PROGRAM, "pulp.value(p.objective)", "950.5")),
    "record": (BAKERY, ONLY_BREAD),
}
SILENT = ("right", "units", "words", "dropped")
"""Cases in which the page shows no warning."""


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_each_case_is_on_the_page():
    assert sorted(name for name, _ in BLOCKS) == sorted(CASES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_the_output_of_a_case_is_that_of_the_page(name, shown, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    question, program = CASES[name]
    reference = {"id": name, "question": question, "program": program}
    (tmp_path / "references.jsonl").write_text(json.dumps(reference) + "\n", encoding="utf-8")
    (tmp_path / "question.txt").write_text(question, encoding="utf-8")
    files = sorted(TRANSPORT.glob("*.csv")) if name == "dropped" else []
    data = [word for file in files for word in ("--data", str(file))]
    arguments = ["--problem", str(tmp_path / "question.txt"), *data, "--reasoner", f"replay:{tmp_path}"]
    output = CliRunner().invoke(app, ["solve", *arguments]).output
    assert [line for line in lines(shown) if line not in lines(output)] == [], output
    if name in SILENT:
        assert "Warning" not in output
