"""Checking, explaining, changing and exporting recorded solves."""

import asyncio
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from storm_calm.env.plans import RecordedSolve, check
from storm_calm.env.plans.explanation import check_text
from storm_calm.env.plans.model_change import ModelChange
from storm_calm.env.plans.plan_report import PlanReport
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Sandbox
from storm_calm.serving.mcp import resources
from storm_calm.serving.mcp.arguments import CheckPlan, ExportModel, RecordArguments, WhatIf
from storm_calm.serving.mcp.config import CALL_SECONDS
from storm_calm.serving.mcp.programs import plan_facts
from storm_calm.serving.mcp.results import (
    MAX_LINES,
    TEXT_CHARACTERS,
    ChangeFacts,
    CheckResult,
    DifferenceFacts,
    ExportResult,
    InfeasibilityResult,
    ResourceRef,
    WhatIfResult,
    shown_number,
)
from storm_calm.serving.mcp.runs import Run
from storm_calm.serving.mcp.tool_call import ToolCall
from storm_calm.serving.mcp.tool_errors import ToolError
from storm_calm.serving.plans import export_plan, report_on, solve_with_changes

EXAMINATION_SECONDS = 3.0
"""Time limit of each solve of an examination, of which there may be three."""
WHAT_IF_SECONDS = 15.0
MAX_BINDING = 20
"""Binding constraints in a result, those that are worth most first."""
_NOT_PROVED = "whether a better plan exists: the solver stopped before a proof"
_VALUES_BYTES = 32
"""Bytes in memory per variable of a changed model's plan."""


async def check_plan(call: ToolCall, arguments: CheckPlan) -> CheckResult:
    """Check the plan of a solve by trusted code, or another plan against its model."""
    run, number = _solve(call, arguments)
    if arguments.plan:
        return await call.parts.in_thread(partial(_checked, run, run.solves[number], arguments.plan))
    report, reference = await _report(call, run, number)
    rows = [
        f"{row.name}: {row.text}" + (f"; worth {row.worth_text}" if row.worth_text else "") for row in _bound(report)
    ]
    plan = await call.parts.in_thread(partial(plan_facts, run.solves[number]))
    return CheckResult(
        record_id=run.id,
        outcome=report.check.outcome,
        text=report.check.text,
        solver_status=report.status,
        plan=plan,
        binding=rows[:MAX_BINDING],
        explanation=[] if rows else list(report.explanation),
        not_checked=[*report.not_checked, *([_NOT_PROVED] if report.status == "feasible" else [])],
        resources=[reference],
    )


async def explain_infeasible(call: ToolCall, arguments: RecordArguments) -> InfeasibilityResult:
    """Explain why a model has no plan: limits that conflict, and the least change that helps."""
    run, number = _solve(call, arguments)
    status = run.solves[number].report.status
    if status != "infeasible":
        raise ToolError("unsupported", f"record_id: the solver reported {status}, not infeasible; use check_plan")
    report, reference = await _report(call, run, number)
    conflict, relaxation = report.conflict, report.relaxation
    changes = relaxation.changes if relaxation else ()
    return InfeasibilityResult(
        record_id=run.id,
        conflict=[member.text for member in conflict.members] if conflict else [],
        irreducible=bool(conflict and conflict.irreducible),
        changes=[
            ChangeFacts(kind=one.kind, name=one.name, value=one.after, text=one.text) for one in changes[:MAX_LINES]
        ],
        dropped=list(relaxation.dropped[:MAX_LINES]) if relaxation else [],
        explanation=list(report.explanation),
        resources=[reference],
    )


async def what_if(call: ToolCall, arguments: WhatIf) -> WhatIfResult:
    """Solve a recorded model with changes, and keep the result as a run."""
    run, number = _solve(call, arguments)
    changes = [ModelChange(**change.model_dump()) for change in arguments.changes]
    for change in changes:
        if (change.kind == "coefficient") != bool(change.variable):
            raise ToolError("invalid_input", "changes: give `variable` for kind coefficient, and only for that")
    work = partial(_changed, run, run.solves[number], changes, call.parts.sandbox)
    changed, result = await _within(call.parts.in_thread(partial(_refused, work)))
    if changed is not None:
        call.workspace.runs.add(changed)
    return cast(WhatIfResult, result)


async def export_model(call: ToolCall, arguments: ExportModel) -> ExportResult:
    """Make a file of a model or a plan, and return where it can be read."""
    run, number = _solve(call, arguments)
    work = partial(export_plan, run.solves[number], arguments.format, call.parts.sandbox)
    file = await _within(call.parts.in_thread(partial(_refused, work)))
    name = resources.file_name(run, number, file.name)
    run.keep(name, file.content)
    return ExportResult(
        record_id=run.id,
        resource=resources.reference(run, name, len(file.content)),
        format=file.name.rpartition(".")[2],
        # Many agents let their model call tools, but not read resources.
        text=None if file.name.endswith(".xlsx") or len(file.content) > TEXT_CHARACTERS else file.content.decode(),
    )


def _solve(call: ToolCall, arguments: RecordArguments) -> tuple[Run, int]:
    run = call.workspace.runs.get(arguments.record_id)
    return run, run.number(arguments.solve)


def _changed(
    run: Run, solve: RecordedSolve, changes: Sequence[ModelChange], sandbox: Sandbox
) -> tuple[Run | None, WhatIfResult]:
    """Return the run of a changed model, and the result."""
    found = solve_with_changes(solve, changes, sandbox, seconds=WHAT_IF_SECONDS)
    if found.solve is None:
        return None, WhatIfResult(status=found.status, reason=found.reason, objective_before=found.objective_before)
    size = run.size + _VALUES_BYTES * len(found.solve.variables)
    changed = Run(kind="what_if", code=run.code, solves=(found.solve,), size=size)
    resources.add_plan(changed)
    shown = found.differences[:MAX_LINES]
    return changed, WhatIfResult(
        record_id=changed.id,
        status=found.status,
        reason=found.reason,
        objective_before=found.objective_before,
        objective=found.solve.report.objective,
        plan=plan_facts(found.solve),
        differences=[
            DifferenceFacts(name=one.name, before=shown_number(one.before), after=shown_number(one.after))
            for one in shown
        ],
        differences_left_out=found.differences_left_out + len(found.differences) - len(shown),
        resources=resources.references(changed),
    )


async def _report(call: ToolCall, run: Run, number: int) -> tuple[PlanReport, ResourceRef]:
    """Return the examination of a solve, which is made once, and its resource."""
    task = run.reports.get(number)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        work = partial(report_on, run.solves[number], call.parts.sandbox, seconds=EXAMINATION_SECONDS)
        task = run.reports[number] = asyncio.ensure_future(call.parts.in_thread(work))
    report: PlanReport = await _within(asyncio.shield(task))
    name = resources.file_name(run, number, "report.json")
    if name not in run.exports:
        text = json.dumps(to_json(report), ensure_ascii=False, indent=1)
        run.keep(name, text.encode(errors="replace"))
    return report, resources.reference(run, name, len(run.exports[name]))


async def _within(work: Any) -> Any:
    """Return the result of some work. Raises ToolError if it takes longer than a call may."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await work
    except TimeoutError:
        raise ToolError("timeout", "this takes longer than a call may; repeat the call in a minute") from None


def _refused(work: Any) -> Any:
    """Return the result of some work. Raises ToolError for what the model does not allow."""
    try:
        return work()
    except ValueError as error:
        raise ToolError("invalid_input", str(error)) from None


def _bound(report: PlanReport) -> list[Any]:
    return [row for row in report.constraints if row.binding]


def _checked(run: Run, solve: RecordedSolve, plan: Mapping[str, float]) -> CheckResult:
    """Check a plan of the client against the model of a solve."""
    positions: dict[str, int] = {}
    for position in range(len(solve.variables)):
        positions.setdefault(solve.variable(position), position)
    unknown = [name for name in plan if name not in positions]
    if unknown:
        near = difflib.get_close_matches(unknown[0], positions, n=3)
        hint = f"; near are {', '.join(near)}" if near else ""
        raise ToolError("invalid_input", f"plan: the model has no variable {unknown[0][:100]!r}{hint}")
    values = [0.0] * len(solve.variables)
    for name, value in plan.items():
        values[positions[name]] = value
    # The plan is a claim of feasibility only.
    report = replace(solve.report, status="feasible", objective=None, bound=None, gap=None)
    proposed = replace(solve, report=report, values=tuple(values), reduced_costs=None, duals=None)
    found = check(proposed)
    lines = [check_text(proposed, found)]
    if found.objective is not None and solve.report.objective is not None:
        lines.append(
            f"This plan has the objective {found.objective:.10g}; the solver's has {solve.report.objective:.10g}."
        )
    facts = plan_facts(proposed)
    return CheckResult(
        record_id=run.id,
        outcome=found.outcome,
        text=lines[0],
        solver_status=solve.report.status,
        plan=None if facts is None else facts.model_copy(update={"objective": found.objective}),
        explanation=lines,
        not_checked=[*found.unchecked, "whether a better plan exists"],
    )
