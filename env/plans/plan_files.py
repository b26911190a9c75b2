"""The files of a plan: tables, program, model and report, for a folder or a download."""

import csv
import io
import json

from storm_calm.env.plans.examination import Examination
from storm_calm.env.plans.export import to_lp, to_mps, to_own_text
from storm_calm.env.plans.plan import Plan
from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Sandbox

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that spreadsheets take for a formula."""
COLUMNS = ("variable", "value")


def plan_files(code: str, solve: RecordedSolve, examined: Examination, sandbox: Sandbox) -> dict[str, bytes]:
    """Return the files by name: plan.csv, plan.xlsx, program.py, examination.json, and the model as far as it is known.

    code: the program that solved the model. Raises SandboxUnavailableError if the sandbox fails.
    """
    files = {"program.py": code.encode("utf-8", errors="replace")}
    if examined.plan is not None:
        files |= {"plan.csv": plan_csv(examined.plan), "plan.xlsx": plan_workbook(examined.plan)}
    files["examination.json"] = json.dumps(to_json(examined), indent=2, ensure_ascii=False).encode()
    return files | model_files(solve, sandbox)


def model_files(solve: RecordedSolve, sandbox: Sandbox) -> dict[str, bytes]:
    """Return the files of the model: MPS and LP of a linear one, the proto of CP-SAT, or the library's own text."""
    model = solve.model
    if isinstance(model, LinearModel):
        exports = [to_mps(solve, sandbox), to_lp(solve, sandbox)]
    else:
        exports = [to_own_text(solve)]
    return {f"model.{_suffix(one.format)}": one.text.encode() for one in exports if one.text}


def _suffix(form: str) -> str:
    return form if form.isalnum() and len(form) <= 10 else "txt"


def plan_csv(plan: Plan) -> bytes:
    """Return the plan as CSV with a header, for spreadsheets: no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in plan.lines:
        name = f"'{line.name}" if line.name.startswith(_FORMULA) else line.name
        writer.writerow([name, _number(line.value)])
    return text.getvalue().encode()


def plan_workbook(plan: Plan) -> bytes:
    """Return the plan as an Excel file."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "plan"
    sheet.append(COLUMNS)
    for row, line in enumerate(plan.lines, start=2):
        cell = sheet.cell(row=row, column=1, value=line.name)
        cell.data_type = "s"  # Also if the name looks like a formula.
        sheet.cell(row=row, column=2, value=_number(line.value))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _number(value: float) -> float | int:
    return int(value) if value == int(value) and abs(value) < 1e15 else value
