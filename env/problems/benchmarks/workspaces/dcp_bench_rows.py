"""Read the two published forms of DCP-Bench-Open: a folder for each problem, and one JSON Lines file made from them.

    for place, read in published_rows(Path("DCP-Bench-Open/dataset")):
        row = read()
        row.description, row.data, row.variables

A folder has `NAME/NAME.cpmpy.py`: a docstring with the question, the data between `# Data` and `# End of data`, and a
CPMpy model. The parts are those that the set's `jsonl_convert.py` makes of it, so both forms give the same rows.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import short
from storm_calm.env.row_files import read_rows

MODELS = "*/*.cpmpy.py"
"""The models in the folder of the set."""
FILES = ("dcp-bench-open*.jsonl", "dcp_bench*.jsonl")
"""Names of the set as one file."""

_DOCSTRING = re.compile(r'"""(.*?)\s*"""|\'\'\'(.*?)\s*\'\'\'', re.DOTALL)
_DATA = re.compile(r"# Data(.*?)# End of data", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class DcpRow:
    """A published problem."""

    name: str
    description: str
    """The question, which ends with the variables to print."""
    data: str
    """Python assignments of the first instance; "" without data."""
    model: str
    """The CPMpy model without its data. The reasoner never sees it."""
    variables: tuple[str, ...]
    """Keys of the object to print; none if the description names none."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]{0,100}", self.name):
            raise ValueError(f"id {short(self.name)} is not a name; give letters, digits, - and _")
        if not self.description.strip() or not self.model.strip():
            raise ValueError("the description or the model is empty; give both")

    @property
    def program(self) -> str:
        """The model with its data, as the set's `eval.py` puts them together."""
        return f"{self.data}\n{self.model}"


def published_rows(data: Path) -> Iterator[tuple[str, Callable[[], DcpRow]]]:
    """Yield the place of each problem and what reads it, which raises ValueError for a problem that is not complete.

    data: the folder of the set, or its JSON Lines file. Raises ValueError for a file that is not JSON Lines.
    """
    file = data if data.is_file() else published_file(data)
    if file is None or next(data.glob(MODELS), None) is not None:
        for model in sorted(data.glob(MODELS)):
            yield str(model), partial(row_of_model, model)
    else:
        for place, record in read_rows(file, dict):
            yield str(place), partial(row_of_record, record)


def published_file(folder: Path) -> Path | None:
    """Return the JSON Lines file in a folder, or None. Raises ValueError if there are several."""
    found = sorted({file for name in FILES for file in folder.glob(name)})
    if len(found) > 1:
        raise ValueError(f"{folder}: several files: {', '.join(file.name for file in found)}; keep one of them")
    return found[0] if found else None


def row_of_record(record: Mapping[str, Any]) -> DcpRow:
    """Return a line of the JSON Lines file. Raises ValueError that names the field."""
    if record.get("framework", "CPMpy") != "CPMpy":
        raise ValueError(f'"framework" is {short(record["framework"])}; only models in CPMpy can be checked')
    variables = record.get("decision_variables") or ()
    if not isinstance(variables, list | tuple) or not all(isinstance(one, str) for one in variables):
        raise ValueError(f'"decision_variables" is {short(variables)}; give a list of names')
    return DcpRow(
        name=_text(record, "id"),
        description=_text(record, "description"),
        # CP-Bench, the set's first release, has another name.
        data=_text(record, "input_data" if "input_data" in record else "example_instance"),
        model=_text(record, "model"),
        variables=tuple(variables),
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f'"{name}" is {short(value)}; give a text')
    return value


def row_of_model(path: Path) -> DcpRow:
    """Return the parts of a model's file. Raises ValueError, and OSError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save the file as UTF-8") from None
    docstring = _DOCSTRING.search(text)
    if docstring is None:
        raise ValueError("has no docstring with the question; give one")
    described = " ".join(docstring[0].splitlines()).strip('"').strip("'").strip()
    data = _DATA.search("\n".join(text.splitlines()))
    return DcpRow(
        name=path.name.removesuffix(".cpmpy.py"),
        description=described,
        data=data[1].strip() if data else "",
        model=_DATA.sub("", text[docstring.end() :].strip()).strip(),
        variables=variables_in(described),
    )


def variables_in(description: str) -> tuple[str, ...]:
    """Return the names in parentheses after the last "Print", sorted: "Print both amounts (x, y)." gives x and y."""
    _, found, wanted = description.rpartition("Print")
    names = (
        {name.strip() for group in re.findall(r"\((.*?)\)", wanted) for name in group.split(",")} if found else set()
    )
    return tuple(sorted(names - {""}))
