"""Writing a recorded model as a file that other solvers read.

    exported = to_mps(solve, sandbox)
    Path("model.mps").write_text(exported.text)

A maximized objective is one in MPS too, by the section OBJSENSE. Readers that ignore it, such as CBC, minimize the
objective instead, unless they are asked to maximize (`cbc model.mps -max`); a comment in the file says so. In LP format
every reader knows the sense.
"""

from dataclasses import dataclass
from typing import Literal

from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve, TextModel
from storm_calm.env.plans.solver_process import run_task
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox

_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Renamed:
    """A name that the format does not allow, or that several have."""

    kind: Literal["variable", "constraint"]
    number: int
    """The position in the record."""
    name: str
    """The program's name."""
    written: str
    """The name in the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """A model as text."""

    text: str = ""
    format: str = ""
    """The format, which is also the extension of its files."""
    renamed: tuple[Renamed, ...] = ()
    """The names that had to change."""
    reason: str = ""
    """Why the text is empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    """The result of the process."""

    text: str = ""
    renamed: tuple[Renamed, ...] = ()
    reason: str = ""
    failed: str = ""


def to_mps(solve: RecordedSolve, sandbox: Sandbox) -> Export:
    """Write a linear or quadratic model in MPS format. Raises SandboxUnavailableError if the sandbox fails."""
    return _exported(solve, sandbox, "mps")


def to_lp(solve: RecordedSolve, sandbox: Sandbox) -> Export:
    """Write a linear or quadratic model in LP format. Raises SandboxUnavailableError if the sandbox fails."""
    return _exported(solve, sandbox, "lp")


def to_own_text(solve: RecordedSolve) -> Export:
    """Return a model in the text in which it was recorded, such as the protocol buffer of CP-SAT."""
    match solve.model:
        case CpSatModel(text=text):
            return Export(text=text, format="pbtxt")
        case TextModel(text=text, format=format):
            return Export(text=text, format=format)
    return Export(reason=solve.omitted or "the model was not recorded as text; use to_mps or to_lp")


def _exported(solve: RecordedSolve, sandbox: Sandbox, form: Literal["mps", "lp"]) -> Export:
    if not isinstance(solve.model, LinearModel):
        reason = "only linear and quadratic models can be written in this format; use to_own_text"
        return Export(reason=(solve.omitted or "there is no recorded model") if solve.model is None else reason)
    variables = [solve.variable(number) for number in range(len(solve.variables))]
    constraints = [solve.constraint(number) for number in range(len(solve.constraints))]
    given = {"form": form, "variables": variables, "constraints": constraints}
    result = run_task(sandbox, "export", solve.model, seconds=_SECONDS, **given)
    try:
        found = from_json(_Result, result)
    except ValueError as error:
        return Export(reason=f"the process gave a malformed result: {error}"[:300])
    if found.failed or found.reason or not found.text:
        return Export(reason=found.failed or found.reason or "the process gave no text")
    return Export(text=found.text, format=form, renamed=found.renamed)
