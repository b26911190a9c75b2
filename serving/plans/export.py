"""A recorded solve as a file: its plan as a table, or its model for other solvers."""

from dataclasses import dataclass
from typing import Literal, get_args

from storm_calm.env.plans import RecordedSolve, plan_of
from storm_calm.env.plans.export import Export, to_lp, to_mps, to_own_text
from storm_calm.env.plans.plan_files import plan_csv, plan_workbook
from storm_calm.env.plans.record import LinearModel
from storm_calm.sandbox import Sandbox

ExportFormat = Literal["mps", "lp", "csv", "xlsx"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedFile:
    """A file of a plan."""

    name: str
    media_type: str
    content: bytes


def export_plan(solve: RecordedSolve, form: ExportFormat, sandbox: Sandbox) -> ExportedFile:
    """Return the plan as csv or xlsx, or the model as mps or lp.

    A model that is not linear is returned in the text in which it was recorded, such as model.pbtxt of CP-SAT. Raises
    ValueError without a plan or model, and SandboxUnavailableError if the sandbox fails.
    """
    if form in ("csv", "xlsx"):
        plan = plan_of(solve)
        if plan is None:
            raise ValueError(f"no plan to export: the solver reported {solve.report.status}")
        content = plan_csv(plan) if form == "csv" else plan_workbook(plan)
        return ExportedFile(name=f"plan.{form}", media_type=_MEDIA_TYPES[form], content=content)
    exported = _model(solve, form, sandbox)
    if not exported.text:
        raise ValueError(f"no model to export: {exported.reason}")
    name = f"model.{exported.format}" if exported.format.isalnum() and len(exported.format) <= 10 else "model.txt"
    return ExportedFile(name=name, media_type="text/plain; charset=utf-8", content=exported.text.encode())


def _model(solve: RecordedSolve, form: str, sandbox: Sandbox) -> Export:
    if not isinstance(solve.model, LinearModel):
        return to_own_text(solve)
    return to_mps(solve, sandbox) if form == "mps" else to_lp(solve, sandbox)
