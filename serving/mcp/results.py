"""The results of the tools, as structured content; the field docstrings are in their output schemas."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from storm_calm.serving.mcp.tool_errors import ErrorInfo

TEXT_CHARACTERS = 8000
"""Characters of output in a result; its resource has all."""
MAX_LINES = 50
"""Variables and constraints in a result; its resources have all."""


class Data(BaseModel):
    """A part of a result."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ToolResult(Data):
    """The result of a tool."""

    error: ErrorInfo | None = None
    """Only if the call failed: why. Fields of the result may be there as well."""

    def structured(self) -> dict[str, Any]:
        """Return the structured content, with errors only where there are any."""
        content = self.model_dump(mode="json")
        for part in (content, content.get("program"), content.get("agent")):
            if part is not None and part["error"] is None:
                del part["error"]
        return content


class ResourceRef(Data):
    """A file that can be read as a resource."""

    uri: str
    """For resources/read."""
    mime_type: str
    bytes: int


class SolveFacts(Data):
    """One call of a solver, as its library reported it."""

    library: str
    solver: str
    status: Literal["optimal", "feasible", "infeasible", "unbounded", "error", "limit"]
    """feasible: a plan that is not proved optimal. limit: stopped without a plan."""
    objective: float | None
    bound: float | None
    """The best proved bound on the objective."""
    gap: float | None
    """Relative distance of both."""
    variables: int
    constraints: int
    seconds: float


class PlanFacts(Data):
    """The values of the variables."""

    objective: float | None
    sense: Literal["minimize", "maximize"] | None
    variables: dict[str, float]
    """Those that are not 0, at most 50."""
    zero: int
    """Number of variables that are 0."""
    left_out: int
    """Number of other variables that are not shown; plan.csv has all."""


class RunResult(ToolResult):
    """What a program did."""

    status: Literal["running", "ok", "error", "timeout", "memory_limit", "output_limit", "killed"]
    """How the program ended. running: it is now the job `job_id`; use status and result."""
    record_id: str | None = None
    """For check_plan, explain_infeasible, what_if and export_model."""
    session_id: str | None = None
    """The session it ran in, for further programs."""
    job_id: str | None = None
    """Only with status running."""
    stdout: str = ""
    """Output; the middle of a long one is left out."""
    stderr: str = ""
    seconds: float = 0.0
    solves: list[SolveFacts] = []
    """Each call of a solver, in order; the last 20."""
    recorded_solves: int = 0
    """How many of them were recorded with model and plan, so that the other tools work on them."""
    plan: PlanFacts | None = None
    """The plan of the last recorded solve."""
    resources: list[ResourceRef] = []
    """Files of the run."""
    missing_outputs: list[str] = []
    """Files of `outputs` that the program did not write."""


class CheckResult(ToolResult):
    """What trusted code found about a plan."""

    record_id: str
    outcome: Literal["passed", "failed", "unknown"]
    """passed: the plan keeps the model, and a claim of optimality was confirmed unless `not_checked` says otherwise."""
    text: str
    """The outcome in words."""
    solver_status: str
    plan: PlanFacts | None = None
    binding: list[str] = []
    """Constraints at their limits and what one unit more is worth, in words; at most 20, those worth most first."""
    explanation: list[str] = []
    """All findings in sentences, if no constraint binds."""
    not_checked: list[str] = []
    """What was not checked, and why. No check knows whether the model is the one of the question."""
    resources: list[ResourceRef] = []
    """report.json has every variable and constraint."""


class ChangeFacts(Data):
    """A change of a limit, which `what_if` can make."""

    kind: Literal["row_upper", "row_lower", "upper", "lower"]
    name: str
    value: float
    """The new limit."""
    text: str
    """The change in words."""


class InfeasibilityResult(ToolResult):
    """Why a model has no plan."""

    record_id: str
    conflict: list[str] = []
    """Limits that cannot hold together, in words."""
    irreducible: bool = False
    """Whether leaving out any one of them resolves the conflict."""
    changes: list[ChangeFacts] = []
    """The least changes of limits that together make the model feasible; give them to `what_if` to see the plan."""
    dropped: list[str] = []
    """For CP-SAT: the fewest constraints to drop."""
    explanation: list[str] = []
    """All findings in sentences."""
    resources: list[ResourceRef] = []


class DifferenceFacts(Data):
    """A variable that changed."""

    name: str
    before: float
    after: float


class WhatIfResult(ToolResult):
    """The result of a changed model."""

    record_id: str | None = None
    """The record of the changed model, for further what-ifs; null without a result."""
    status: Literal["optimal", "infeasible", "unbounded", "open"]
    """open: no result within the time."""
    reason: str = ""
    objective_before: float | None = None
    objective: float | None = None
    plan: PlanFacts | None = None
    differences: list[DifferenceFacts] = []
    """Variables that have another value, at most 50."""
    differences_left_out: int = 0
    resources: list[ResourceRef] = []


class ExportResult(ToolResult):
    """An exported file."""

    record_id: str
    resource: ResourceRef
    format: str
    """The format of the file; pbtxt if mps or lp was asked of a CP-SAT model."""
    text: str | None = None
    """The file itself, if it is text of at most 8,000 characters; else read the resource."""


class AskResult(ToolResult):
    """An answer of the agent."""

    status: Literal["answered", "no_answer", "running"]
    """running: it is now the job `job_id`; use status and result."""
    job_id: str | None = None
    answer: str = ""
    """The answer in words, with its notes."""
    value: float | None = None
    """The number, if the answer is one."""
    answer_status: Literal["number", "infeasible", "unbounded"] | None = None
    backed: bool = False
    """Whether a solver report has the answer as its objective or status."""
    verdict: str = ""
    """What the evidence shows, in words."""
    explanation: list[str] = []
    """The check of the plan, binding constraints or the conflict, in sentences."""
    plan: PlanFacts | None = None
    record_id: str | None = None
    """The run whose plan it is."""
    record_ids: list[str] = []
    """All programs that the agent ran."""
    resources: list[ResourceRef] = []


class JobStatus(ToolResult):
    """The state of a job."""

    job_id: str
    kind: Literal["program", "agent"]
    state: Literal["running", "finished", "failed", "cancelled"]
    """finished, failed: call `result`."""
    message: str
    """What it is doing."""
    seconds: float
    """Seconds since its start."""
    limit_seconds: float


class JobResult(ToolResult):
    """The result of a job."""

    job_id: str
    kind: Literal["program", "agent"]
    program: RunResult | None = None
    """Of a job of kind program."""
    agent: AskResult | None = None
    """Of a job of kind agent."""


def shown_number(value: float) -> float:
    """Return a number without the noise of floating point, such as 12.22 for 12.219999999999999."""
    return float(f"{value:.12g}")


def shortened(text: str) -> str:
    """Return text with at most TEXT_CHARACTERS, without the middle of a longer one."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    half = TEXT_CHARACTERS // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n... {left_out} characters left out; the resource has all ...\n{text[-half:]}"
