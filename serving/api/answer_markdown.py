"""What follows the model's words in an answer, as Markdown: the plan, the verdict, and what was not checked.

    closing(judged, pointer="the file plan.csv has all")

Names are those of the program, so each is code in backticks, which nothing in it can end: no name becomes a link, an
image, HTML or a cell of its own.
"""

import re
from collections.abc import Iterator, Sequence

from storm_calm.agents.verdict import ExaminedSolve
from storm_calm.env.one_line import one_line
from storm_calm.env.plans.conflict import Conflict, Relaxation
from storm_calm.env.plans.explanation import check_text, ray_text
from storm_calm.env.plans.plan import Plan, PlanLine
from storm_calm.env.plans.words import number_text
from storm_calm.serving.api.judged_answer import JudgedAnswer
from storm_calm.serving.api.model_words import escaped

MAX_ROWS = 30
"""Rows of all tables of a plan."""
MAX_COLUMNS = 8
"""Columns of a matrix, without the one of its row names."""
MAX_LIMITS = 12
"""Limits of a conflict, and changes."""
NAME_CHARS = 60
TEXT_CHARS = 300

_BRACKETS = re.compile(r"(.*?)((?:\[[^\[\]]*\])+|\([^()]*\))")


def closing(judged: JudgedAnswer, *, pointer: str) -> str:
    """Return the paragraphs after the answer, each after an empty line; "" without an answer.

    pointer: what has all variables if the plan is too long to be shown.
    """
    verdict, examined = judged.verdict, judged.examined
    if verdict.backing == "no_answer":
        return ""
    paragraphs: list[str] = []
    if examined is not None:
        paragraphs += _findings(examined, pointer)
    if verdict.backing == "backed":
        paragraphs.append(" ".join(["Evidence:", escaped(verdict.summary), *_checked(examined)]))
    paragraphs += [f"Note: {escaped(warning)}" for warning in verdict.warnings]
    if len(verdict.not_checked) == 1:
        paragraphs.append(f"Not checked: {escaped(verdict.not_checked[0])}.")
    elif verdict.not_checked:
        paragraphs.append("\n".join(["Not checked:\n", *(f"- {escaped(one)}" for one in verdict.not_checked)]))
    return "".join(f"\n\n{paragraph}" for paragraph in paragraphs)


def code(name: str, limit: int = NAME_CHARS) -> str:
    """Return a name as code that fits into a cell. A backtick or bar in it becomes a similar character."""
    text = one_line(name, limit).replace("`", "ˋ").replace("|", "¦")
    return f"`{text or '?'}`"


def plan_tables(plan: Plan, *, pointer: str) -> list[str]:
    """Return the variables that are not 0 as tables, at most MAX_ROWS rows, and what was left out."""
    matrices, rest = _matrices(plan)
    single = [line for line in rest if line.value]
    rows = [[code(line.name), number_text(line.value)] for line in single[:MAX_ROWS]]
    tables = [_table(["Variable", "Value"], rows)] if rows else []
    left, more = MAX_ROWS - len(rows), len(single) - len(rows)
    for matrix in matrices:
        if len(matrix.rows) <= left:
            tables.append(matrix.table())
            left -= len(matrix.rows)
        else:
            more += sum(value != 0 for value in matrix.cells.values())
    zero = sum(not line.value for line in rest)
    notes = []
    if more:
        notes.append(f"And {more} more{f'; {pointer}' if pointer else ''}.")
    if zero and tables:
        notes.append(f"The other {zero} variables are 0." if zero > 1 else "The other variable is 0.")
    elif zero and not more:
        notes.append("All variables are 0.")
    return [*tables, *([" ".join(notes)] if notes else [])]


class _Matrix:
    """Variables with two indices, as rows and columns."""

    def __init__(self, name: str, cells: dict[tuple[str, str], float]) -> None:
        self.name, self.cells = name, cells
        self.rows = list(dict.fromkeys(row for row, _ in cells))
        self.columns = list(dict.fromkeys(column for _, column in cells))

    @property
    def fits(self) -> bool:
        """Whether it is a full rectangle that can be shown."""
        rows, columns = len(self.rows), len(self.columns)
        return rows * columns == len(self.cells) and min(rows, columns) >= 2 and columns <= MAX_COLUMNS

    def turned(self) -> "_Matrix":
        return _Matrix(self.name, {(column, row): value for (row, column), value in self.cells.items()})

    def table(self) -> str:
        rows = [[code(row), *(number_text(self.cells[row, column]) for column in self.columns)] for row in self.rows]
        return _table([code(self.name), *(code(column) for column in self.columns)], rows)


def _matrices(plan: Plan) -> tuple[list[_Matrix], list[PlanLine]]:
    """Return the matrices of a plan, and the variables outside of them."""
    groups: dict[tuple[str, str], list[tuple[PlanLine, str, str]]] = {}
    rest: list[PlanLine] = []
    for line in plan.lines:
        split = _two_indices(line.name)
        if split is None:
            rest.append(line)
        else:
            form, base, row, column = split
            groups.setdefault((form, base), []).append((line, row, column))
    matrices: list[_Matrix] = []
    for (_, base), members in groups.items():
        matrix = _Matrix(base, {(row, column): line.value for line, row, column in members})
        wide = matrix if matrix.fits else matrix.turned()
        if (
            len(matrix.cells) == len(members)
            and wide.fits
            and len(wide.rows) <= MAX_ROWS
            and any(line.value for line, *_ in members)
        ):
            matrices.append(wide)
        else:
            rest += [line for line, *_ in members]
    order = {line.name: number for number, line in enumerate(plan.lines)}
    return matrices, sorted(rest, key=lambda line: order[line.name])


def _two_indices(name: str) -> tuple[str, str, str, str] | None:
    """Return form, base and indices of a name such as x[0][1], ship[A,1], ship(A,1) or ship_A_1."""
    found = _BRACKETS.fullmatch(name)
    if found:
        inside = found[2][1:-1]
        indices = inside.split("][") if "][" in inside else inside.split(",")
        form = found[2][0]
    else:
        *base, row, column = name.rsplit("_", 2) if name.count("_") >= 2 else ("", "", "")
        found_base, indices, form = "".join(base), [row, column], "_"
    base_name = (found[1] if found else found_base).strip("_")
    indices = [index.strip(" '\"_") for index in indices]
    if not base_name or len(indices) != 2 or not all(indices):
        return None
    return form, base_name, indices[0], indices[1]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))


def _findings(examined: ExaminedSolve, pointer: str) -> Iterator[str]:
    """Yield the plan, or why it is missing."""
    examination = examined.examination
    if examination.plan is not None and examination.plan.lines:
        yield "The plan:" if examined.backs else "The plan of the last solve, which does not support this answer:"
        yield from plan_tables(examination.plan, pointer=pointer)
    if examination.conflict is not None:
        yield from _conflict(examination.conflict)
    if examination.relaxation is not None:
        yield from _relaxation(examination.relaxation)
    if examination.ray is not None:
        yield f"The model is unbounded. {escaped(ray_text(examination.ray))}"


def _conflict(conflict: Conflict) -> Iterator[str]:
    if not conflict.members:
        return
    count = len(conflict.members)
    yield f"These {count} limits cannot hold together:" if count > 1 else "This limit cannot hold:"
    yield _list([member.text for member in conflict.members])
    if not conflict.irreducible:
        yield "Maybe fewer of them are enough."


def _relaxation(relaxation: Relaxation) -> Iterator[str]:
    if relaxation.changes:
        yield "The least change that helps:"
        yield _list([change.text for change in relaxation.changes])
    elif relaxation.dropped:
        yield "Without the following there is a plan:"
        yield _list([member.text for member in relaxation.dropped])


def _list(texts: Sequence[str]) -> str:
    rows = [f"- {code(text, TEXT_CHARS)}" for text in texts[:MAX_LIMITS]]
    more = len(texts) - MAX_LIMITS
    return "\n".join([*rows, f"- and {more} more"] if more > 0 else rows)


def _checked(examined: ExaminedSolve | None) -> Iterator[str]:
    """Yield what the check of the plan found. What it did not check is a paragraph of its own."""
    if examined is not None and examined.backs:
        text = check_text(examined.solve, examined.examination.check).partition("Not checked: ")[0].strip()
        if text:
            yield escaped(text)
