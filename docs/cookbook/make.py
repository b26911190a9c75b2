"""Make docs/cookbook.md from the planning problems in examples/cookbook: run their programs and examine the solves.

    python docs/cookbook/make.py

The prose is in cookbook.md.in. In it `{{roster plan}}` on a line of its own becomes a table or a list of the problem
`roster`, and `{{roster.objective}}` within a line a number. The parts are the functions in `PARTS` and `VALUES`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from storm_calm import Sandbox, open_sandbox
from storm_calm.env.plans import RecordedSolve
from storm_calm.env.plans.model_change import ModelChange
from storm_calm.env.plans.plan_report import PlanReport, ReportedConstraint
from storm_calm.env.plans.words import number_text
from storm_calm.sandbox import Execution
from storm_calm.serving.plans import ChangedSolve, last_solve, report_on, solve_with_changes

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
from plan_tables import plan_tables, table  # noqa: E402

PROBLEMS = ROOT / "examples" / "cookbook"
PAGE = ROOT / "docs" / "cookbook.md"
TEMPLATE = Path(__file__).parent / "cookbook.md.in"
REFERENCES = PROBLEMS / "references.jsonl"
SECONDS = 120.0
"""Time limit of each examination: the page must not depend on how busy the machine is."""
MAX_ROWS = 6
"""Constraints or changed variables in a table."""
KINDS = {
    "row_upper": "the upper limit of",
    "row_lower": "the lower limit of",
    "upper": "the upper bound of",
    "lower": "the lower bound of",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """A problem of the cookbook with its result."""

    folder: Path
    execution: Execution
    solve: RecordedSolve
    report: PlanReport
    changes: tuple[ModelChange, ...]
    changed: ChangedSolve
    changed_report: PlanReport | None
    """The report on the changed model; None without a result."""


def names() -> list[str]:
    """Return the names of the problems."""
    return sorted(path.name for path in PROBLEMS.iterdir() if (path / "program.py").is_file())


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the data files of a problem."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".csv", ".xlsx")}


def solved(name: str, sandbox: Sandbox) -> Solved:
    """Run the program of a problem, examine its solve, and answer its what-if question."""
    folder = PROBLEMS / name
    execution = sandbox.run((folder / "program.py").read_text(encoding="utf-8"), files=files_of(folder), record=True)
    solve = last_solve(execution)
    if solve is None:
        raise RuntimeError(f"{folder}/program.py: no solve was recorded: {execution.stdout}{execution.stderr}")
    given = json.loads((folder / "what_if.json").read_text(encoding="utf-8"))
    changes = tuple(ModelChange(**one) for one in given)
    changed = solve_with_changes(solve, changes, sandbox, seconds=SECONDS)
    return Solved(
        folder=folder,
        execution=execution,
        solve=solve,
        report=report_on(solve, sandbox, seconds=SECONDS),
        changes=changes,
        changed=changed,
        changed_report=None if changed.solve is None else report_on(changed.solve, sandbox, seconds=SECONDS),
    )


def references() -> str:
    """Return the questions and programs as the file that `storm solve --reasoner replay:examples/cookbook` reads."""
    lines = (
        {
            "id": name,
            "question": (PROBLEMS / name / "question.md").read_text(encoding="utf-8").strip(),
            "program": (PROBLEMS / name / "program.py").read_text(encoding="utf-8"),
        }
        for name in names()
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def page(results: dict[str, Solved]) -> str:
    """Return the text of docs/cookbook.md. results: the problems by name."""

    def block(found: re.Match[str]) -> str:
        name, part, *more = found[1].split()
        return PARTS[part](results[name], *more).rstrip() + "\n"

    def value(found: re.Match[str]) -> str:
        name, _, which = found[1].partition(".")
        return VALUES[which](results[name])

    text = re.sub(r"^\{\{(\w+ .*)\}\}\n", block, TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"\{\{(\w+\.\w+)\}\}", value, text)


def _question(one: Solved) -> str:
    first = (one.folder / "question.md").read_text(encoding="utf-8").partition("\n\n")[0]
    return f"> {' '.join(first.split())}"


def _output(one: Solved) -> str:
    lines = [line for line in one.execution.stdout.splitlines() if not line.startswith(("Running HiGHS", "Includes"))]
    return "\n".join(["```text", *lines, "```"])


def _answer(one: Solved) -> str:
    report = one.report
    objective = "" if report.objective is None else f", objective {amount(report.objective)}"
    return f"**{report.solver} ({report.library}): {report.status}{objective}.** {_shortened(report.check.text)}"


def _plan(one: Solved) -> str:
    return plan_tables(one.report, _names_in(one.folder))


def _changed_plan(one: Solved) -> str:
    return "" if one.changed_report is None else plan_tables(one.changed_report, _names_in(one.folder))


def _names_in(folder: Path) -> list[str]:
    """Return the cells of the data files of a problem."""
    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.csv")))
    return [cell for text in texts for cell in re.split(r"[,\n]", text)]


def _binding(one: Solved, *beginnings: str) -> str:
    return _worths(one.report, beginnings)


def _changed_binding(one: Solved, *beginnings: str) -> str:
    return "" if one.changed_report is None else _worths(one.changed_report, beginnings)


def _worths(report: PlanReport, beginnings: tuple[str, ...]) -> str:
    """Return the binding constraints with a known worth whose names begin as given."""
    rows = [row for row in report.constraints if row.binding and row.worth_text]
    rows = [row for row in rows if not beginnings or row.name.startswith(beginnings)]
    cells = [(f"`{row.name}`", _limit(row), row.worth_text) for row in rows[:MAX_ROWS]]
    return table(("At its limit", "Limit", "Worth"), cells)


def _limit(row: ReportedConstraint) -> str:
    if row.lower == row.upper and row.lower is not None:
        return f"= {number_text(row.lower)}"
    ends = [(">=", row.lower), ("<=", row.upper)]
    return " and ".join(f"{sign} {number_text(end)}" for sign, end in ends if end is not None)


def _changes(one: Solved) -> str:
    """Return the what-if question, its result, and the variables that have other values."""
    changes = "; ".join(
        f"{KINDS[change.kind]} `{change.name}` is {number_text(change.value or 0.0)}" for change in one.changes
    )
    changed = one.changed.solve
    after = "" if changed is None or changed.report.objective is None else amount(changed.report.objective)
    before = "" if one.report.objective is None else f" instead of {amount(one.report.objective)}"
    lines = [f"Changed: {changes}. Result: {one.changed.status}, objective {after}{before}."]
    rows = [
        (f"`{line.name}`", number_text(round(line.before, 6)), number_text(round(line.after, 6)))
        for line in one.changed.differences
    ]
    if rows:
        lines += ["", table(("Variable", "Before", "After"), rows[:MAX_ROWS])]
    if len(rows) > MAX_ROWS:
        lines += ["", f"And {len(rows) - MAX_ROWS} more."]
    return "\n".join(lines)


def _conflict(one: Solved) -> str:
    conflict = one.report.conflict
    assert conflict is not None
    members = table(
        ("Constraint", "Text"), [(f"`{one.name}`", _row_only(one.text, one.name)) for one in conflict.members]
    )
    return f"{conflict.sentences[0]}\n\n{members}"


def _relaxation(one: Solved) -> str:
    relaxation = one.report.relaxation
    assert relaxation is not None
    rows = [(f"`{one.name}`", number_text(one.before), number_text(one.after)) for one in relaxation.changes]
    return f"{relaxation.sentences[0]}\n\n{table(('Constraint', 'Limit', 'Enough'), rows)}"


def _row_only(text: str, name: str) -> str:
    return f"`{text.removeprefix(f'{name}: ')}`"


def _shortened(text: str) -> str:
    """Round the numbers of a sentence as in the tables."""
    return re.sub(r"-?\d+\.\d+", lambda found: amount(float(found[0])), text)


def amount(value: float) -> str:
    """Return an amount with at most two decimals."""
    return f"{round(value, 2):,.2f}".removesuffix(".00")


PARTS: dict[str, Callable[..., str]] = {
    "question": _question,
    "plan": _plan,
    "output": _output,
    "binding": _binding,
    "what_if": _changes,
    "changed_plan": _changed_plan,
    "changed_binding": _changed_binding,
    "conflict": _conflict,
    "relaxation": _relaxation,
}


def _objective(one: Solved) -> float:
    assert one.report.objective is not None
    return one.report.objective


def _changed_objective(one: Solved) -> float:
    assert one.changed.solve is not None
    assert one.changed.solve.report.objective is not None
    return one.changed.solve.report.objective


VALUES: dict[str, Callable[[Solved], str]] = {
    "answer": _answer,
    "objective": lambda one: amount(_objective(one)),
    "changed": lambda one: amount(_changed_objective(one)),
    "difference": lambda one: amount(abs(_changed_objective(one) - _objective(one))),
}


def all_solved(which: Iterable[str], sandbox: Sandbox) -> dict[str, Solved]:
    """Return the results of problems by name."""
    return {name: solved(name, sandbox) for name in which}


if __name__ == "__main__":
    REFERENCES.write_text(references(), encoding="utf-8")
    with open_sandbox() as opened:
        PAGE.write_text(page(all_solved(names(), opened)), encoding="utf-8")
