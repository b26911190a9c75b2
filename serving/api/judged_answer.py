"""The verdict on an answer, its plan, and the files of the plan, for the `storm` field."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storm_calm.agents.verdict import ExaminedSolve, Verdict, examine_answer, verdict
from storm_calm.env import Episode
from storm_calm.env.checkers import read_outputs
from storm_calm.env.plans.explanation import explain
from storm_calm.env.plans.plan_files import plan_files
from storm_calm.env.plans.plan_report import plan_report
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Sandbox, SandboxUnavailableError
from storm_calm.serving.api.agent_request import AgentRequest
from storm_calm.serving.plans import record_data

EXAMINATION_SECONDS = 2.0
"""Time limit of each solve that examines a plan: the client waits for it."""
MAX_LINES = 1000
"""Variables of a plan in an answer; its files have all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedAnswer:
    """A finished answer and what was found out about it."""

    verdict: Verdict
    examined: ExaminedSolve | None = None
    """The solve behind the answer; None if no solve was recorded."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files of the plan, if the request asks for them."""
    outputs: dict[str, Any] | None = None
    """The text of each wanted output that is as its schema says, and why others are missing; None if none is wanted."""
    record: dict[str, Any] = field(default_factory=dict)
    """Report and record of the solve as JSON data, if the request asks for them."""


def judge(episode: Episode, sandbox: Sandbox, request: AgentRequest) -> JudgedAnswer:
    """Judge a finished episode, and examine its plan. If the sandbox fails, there is only the verdict."""
    messages = [message["content"] for message in request.messages]
    examined: ExaminedSolve | None = None
    files: dict[str, bytes] = {}
    record: dict[str, Any] = {"report": None, "record": None} if request.return_record else {}
    with contextlib.suppress(SandboxUnavailableError):
        examined = examine_answer(episode, sandbox, messages, seconds=EXAMINATION_SECONDS)
        if examined is not None and (request.return_files or request.keep_files):
            files = plan_files(examined.code, examined.solve, examined.examination, sandbox)
        if examined is not None and request.return_record:
            # Here, in a thread: a large record takes long to convert.
            report = to_json(plan_report(examined.solve, examined.examination))
            record = {"report": report, "record": record_data(examined.solve)}
    checked = examined.examination.check if examined is not None and examined.backs else None
    judged = verdict(episode, messages=messages, has_files=bool(request.files), checked=checked)
    return JudgedAnswer(verdict=judged, examined=examined, files=files, outputs=_outputs(episode), record=record)


def _outputs(episode: Episode) -> dict[str, Any] | None:
    if not episode.problem.outputs:
        return None
    found, missing = read_outputs(episode.problem, episode.executions)
    texts = {path: content.decode(errors="replace") for path, content in found.items()}
    return {"files": texts, "missing": list(missing)}


def plan_facts(judged: JudgedAnswer) -> dict[str, Any]:
    """Return the plan, its check and its explanation as JSON data; text files by name."""
    examined = judged.examined
    more = judged.record if judged.outputs is None else {**judged.record, "outputs": judged.outputs}
    if examined is None:
        return {"plan": None, "check": None, "explanation": [], **more}
    plan, check = examined.examination.plan, examined.examination.check
    facts: dict[str, Any] = {
        "plan": None
        if plan is None
        else {
            "objective": plan.objective,
            "sense": plan.sense,
            "variables": {line.name: line.value for line in plan.used[:MAX_LINES]},
            "zero": len(plan.lines) - len(plan.used),
            "left_out": max(0, len(plan.used) - MAX_LINES),
        },
        "check": to_json(check),
        "explanation": explain(examined.solve, examined.examination),
    }
    facts |= more
    if judged.files:
        # Text files only, as in requests.
        texts = {name: content for name, content in judged.files.items() if not name.endswith(".xlsx")}
        facts["files"] = {name: content.decode(errors="replace") for name, content in texts.items()}
    return facts
