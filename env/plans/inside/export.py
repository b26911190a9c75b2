"""Write a linear or quadratic model as a file in MPS or LP format, with HiGHS.

The files are for other solvers, whose readers differ where the formats leave room. So a constant of the objective is a
variable that is fixed at 1 in LP format, a row with two limits becomes two rows there, and limits that cross become
rows. MPS has these, but not every reader knows its section OBJSENSE: CBC minimizes such a model unless it is run with
`-max`. A comment at the top of the file reminds of that.
"""

import re
from collections import Counter
from typing import Any

from . import linear

_LONGEST_NAME = 90
"""Characters of a name, with room for a number: CBC reads 100."""
_WORDS = {
    "mps": {
        *("obj", "marker", "max", "min", "name", "objname", "objsense", "rows", "columns", "rhs", "rhs_v", "ranges"),
        *("range", "bounds", "bound", "quadobj", "qmatrix", "endata"),
    },
    "lp": {
        *("obj", "max", "maximize", "maximise", "maximum", "min", "minimize", "minimise", "minimum", "st", "subject"),
        *("such", "free", "inf", "infinity", "infinite", "nan", "bound", "bounds", "end", "gen", "general", "generals"),
        *("int", "integer", "integers", "bin", "binary", "binaries", "semi", "semis", "sos", "sos1", "sos2", "sec"),
    },
}
"""Words of the formats, in lower case, which are no names."""
_SECTIONS = {"max": "Maximize", "min": "Minimize", "st": "Subject To", "bin": "Binary", "gen": "General", "semi": ""}
"""The sections' names that all readers know, by those of HiGHS."""
_MAXIMIZED = (
    "* The objective is maximized (OBJSENSE MAX). Readers that ignore this, such as CBC, need an option for it.\n"
)


def export(
    model: dict[str, Any], seconds: float, form: str, variables: list[str], constraints: list[str]
) -> dict[str, Any]:
    """Return the text of the file, and the names that had to change. form: "mps" or "lp"."""
    if model["cones"]:
        return {"reason": f"the {form.upper()} format has no cones"}
    columns = _unique(variables, form)
    rows = _unique(constraints, form)
    plain = _Plain(model, columns, rows, is_lp=form == "lp")
    highs = linear.loaded(plain.model, seconds)
    if highs.getNumCol() != len(plain.columns) or highs.getNumRow() != len(plain.rows):
        return {"reason": "HiGHS does not accept the model"}
    names = _unique(plain.columns, form)
    for column, name in enumerate(names):
        highs.passColName(column, name)
    for row, name in enumerate(_unique(plain.rows, form)):
        highs.passRowName(row, name)
    highs.writeModel(f"model.{form}")
    with open(f"model.{form}", encoding="utf-8") as file:
        text = file.read()
    if form == "lp":
        text = "".join(f"{_SECTIONS.get(line, line)}\n" for line in text.splitlines())
        unused = "".join(f" +0 {names[column]}\n" for column in plain.unused())
        text = text.replace("\n obj:", f"\n obj:\n{unused}" if unused else "\n obj:", 1)
    elif model["maximize"]:
        text = _MAXIMIZED + text
    return {
        "text": text,
        "renamed": [*_renamed("variable", variables, columns), *_renamed("constraint", constraints, rows)],
    }


def _renamed(kind: str, names: list[str], written: list[str]) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "number": number, "name": name, "written": other}
        for number, (name, other) in enumerate(zip(names, written, strict=True))
        if name != other
    ]


def _unique(names: list[str], form: str) -> list[str]:
    """Return names that the format allows and that differ. Names that fit stay as they are, if they come first."""
    wanted = [_allowed(name, form) for name in names]
    owner: dict[str, int] = {}
    for number, (name, other) in enumerate(zip(names, wanted, strict=True)):
        if name == other:
            owner.setdefault(name, number)
    used, copies, unique = set(owner), Counter[str](), []
    for number, name in enumerate(wanted):
        one = name
        while one in used and owner.get(one) != number:
            copies[name] += 1
            one = f"{name}_{copies[name] + 1}"
        used.add(one)
        unique.append(one)
    return unique


def _allowed(name: str, form: str) -> str:
    """Return a name in characters that the format allows."""
    if form == "lp":
        name = re.sub(r"[^A-Za-z0-9_.,()]", "_", name.replace("[", "(").replace("]", ")"))
        if not re.match(r"[A-Za-z_]", name) or re.match(r"[eE]([eE0-9.]|$)", name):
            name = f"_{name}"  # Such a beginning could be one of a number.
    else:
        name = re.sub(r"[\s'\"]|^[$*]", "_", name)
    name = name[:_LONGEST_NAME]
    return f"{name}_" if name.casefold() in _WORDS[form] else name


class _Plain:
    """A model that says the same without what readers understand differently, and the names of its parts."""

    def __init__(self, model: dict[str, Any], columns: list[str], rows: list[str], *, is_lp: bool) -> None:
        self.model = {**model, "row_starts": [0], "row_columns": [], "row_values": [], "row_lower": [], "row_upper": []}
        self.columns = list(columns)
        self.rows: list[str] = []
        for part in ("costs", "lower", "upper"):
            self.model[part] = list(model[part])
        for row, name in enumerate(rows):
            place = slice(model["row_starts"][row], model["row_starts"][row + 1])
            entries = model["row_columns"][place], model["row_values"][place]
            lower, upper = model["row_lower"][row], model["row_upper"][row]
            is_free = lower is None and upper is None
            if is_lp and not is_free and not any(entries[1]):
                entries = [self._add_column(f"{name}_zero", 0.0, 0.0)], [1.0]  # LP has no empty rows.
            is_pair = lower is not None and upper is not None and lower != upper
            if is_pair and (is_lp or lower > upper):
                self._add_row(name, entries, None, upper)
                self._add_row(f"{name}_lower", entries, lower, None)
            elif not (is_lp and is_free):
                self._add_row(name, entries, lower, upper)
        for column, (lower, upper) in enumerate(zip(model["lower"], model["upper"], strict=True)):
            if lower is not None and upper is not None and lower > upper:
                self.model["lower"][column] = None
                self._add_row(f"{columns[column]}_lower", ([column], [1.0]), lower, None)
        if is_lp and model["offset"]:
            self.model["offset"] = 0.0
            self._add_column("objective_constant", model["offset"], 1.0)
        if not is_lp and self.unused():
            # HiGHS writes some of these nowhere, even if they are in quadratic terms.
            self._add_row("unused", (self.unused(), [1.0] * len(self.unused())), None, None)

    def unused(self) -> list[int]:
        """Return the variables without a coefficient. Both formats have to mention them before their bounds."""
        entries = zip(self.model["row_columns"], self.model["row_values"], strict=True)
        used = {column for column, value in entries if abs(value) > 1e-9}
        return [column for column, cost in enumerate(self.model["costs"]) if not cost and column not in used]

    def _add_column(self, name: str, cost: float, value: float) -> int:
        """Add a variable with a fixed value, and return its position."""
        self.columns.append(name)
        self.model["costs"].append(cost)
        self.model["lower"].append(value)
        self.model["upper"].append(value)
        return len(self.columns) - 1

    def _add_row(self, name: str, entries: tuple[list[int], list[float]], lower: Any, upper: Any) -> None:
        self.rows.append(name)
        self.model["row_columns"] += entries[0]
        self.model["row_values"] += entries[1]
        self.model["row_starts"].append(len(self.model["row_columns"]))
        self.model["row_lower"].append(lower)
        self.model["row_upper"].append(upper)
