"""Check the outputs of a finished trajectory.

    check = check_outputs(problem, executions, sandbox)
    check.feasible, check.objective, check.violations

Outputs come from an untrusted program. They are bounded, parsed strictly and validated against their schema before a
checker sees them. A checker is a trusted function of this project, or a program that runs in a sandbox of its own.
"""

import hashlib
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from storm_calm.env.json_schema import schema_fault
from storm_calm.env.one_line import one_line
from storm_calm.env.output_check import MAX_VIOLATIONS, OutputCheck
from storm_calm.env.problem import STANDARD_OUTPUT, Output, Problem, ProblemFile
from storm_calm.env.workspace import read_file, workspace_files
from storm_calm.sandbox import Execution, Limits, Sandbox

FUNCTIONS: dict[str, str] = {
    "family": "storm_calm.env.problems.families.plan_checks:check_plan",
    "task": "storm_calm.env.problems.families.tasks.check_task:check_task",
}
"""The trusted functions, as module:function; imported when needed. Each takes the problem, the contents of its files
and the parsed outputs, both by path, and returns an `OutputCheck`, whose `outputs` it leaves empty."""

LIMITS = Limits(seconds=60.0, memory_mb=2048)
"""The limits of a checker's program."""
MAX_OUTPUT_BYTES = 2 << 20
"""Bytes of one output: a trusted process validates it while others wait."""
PRINTED = "stdout.json"
"""The file in which a checker's program finds what was printed."""


def check_outputs(problem: Problem, executions: Sequence[Execution], sandbox: Sandbox) -> OutputCheck:
    """Check the last version of each output.

    Raises SandboxUnavailableError if the sandbox of a checker's program fails, ValueError for unreadable files of the
    problem.
    """
    found, missing = read_outputs(problem, executions)
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in found.items()}
    if missing or problem.checker is None:
        return OutputCheck(outputs=hashes, missing=missing[:MAX_VIOLATIONS])
    if problem.checker.program is not None:
        return run_checker(problem, problem.checker.program, found, hashes, sandbox)
    parsed = {output.path: _parse(output, found[output.path]) for output in problem.outputs}
    return _call_function(problem, parsed, hashes)


def read_outputs(problem: Problem, executions: Sequence[Execution]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the last version of each output that fits its schema, by path, and why others cannot be used."""
    found: dict[str, bytes] = {}
    missing: list[str] = []
    for output in problem.outputs:
        try:
            content = _last_version(output, executions)
            _parse(output, content)
        except ValueError as error:
            missing.append(str(error))
        else:
            found[output.path] = content
    return found, tuple(missing)


def _last_version(output: Output, executions: Sequence[Execution]) -> bytes:
    for execution in reversed(executions):
        printed = _printed_object(execution.stdout) if output.path == STANDARD_OUTPUT else b""
        if printed and execution.status == "ok":
            return printed
        if output.path in execution.files:
            content = execution.files[output.path]
            if len(content) > MAX_OUTPUT_BYTES:
                raise ValueError(f"{output.path} has {len(content)} bytes, more than {MAX_OUTPUT_BYTES}")
            return content
    if output.path == STANDARD_OUTPUT:
        raise ValueError("no program printed a JSON object")
    raise ValueError(f"no program wrote {output.path}")


def _printed_object(text: str) -> bytes:
    """Return the text from the first { to the last }, as the scorer of DCP-Bench-Open does; b"" without one."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1].encode() if 0 <= start < end else b""


def _parse(output: Output, content: bytes) -> Any:
    """Return an output as JSON data, or as its bytes if it is another file. Raises ValueError with the first fault."""
    shown = "the printed object" if output.path == STANDARD_OUTPUT else output.path
    if output.schema is None and output.path != STANDARD_OUTPUT and not output.path.endswith(".json"):
        return content
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{shown} is not JSON: {one_line(str(error))}") from None
    if output.schema is not None and (fault := schema_fault(output.schema, value)):
        raise ValueError(f"{shown} does not fit its schema at {fault}")
    return value


def _call_function(problem: Problem, outputs: Mapping[str, Any], hashes: dict[str, str]) -> OutputCheck:
    assert problem.checker is not None
    name = problem.checker.function
    if name not in FUNCTIONS:
        return OutputCheck(outputs=hashes, fault=f"no checker {name!r}; known: {', '.join(FUNCTIONS)}")
    module, _, function = FUNCTIONS[name].partition(":")
    check: Callable[..., OutputCheck] = getattr(importlib.import_module(module), function)
    files = workspace_files(problem)
    try:
        return replace(check(problem, files, outputs), outputs=hashes)
    except Exception as error:  # A fault of ours or of the problem's data is never a score.
        return OutputCheck(outputs=hashes, fault=f"checker {name!r}: {type(error).__name__}: {one_line(str(error))}")


def run_checker(
    problem: Problem, program: ProblemFile, outputs: Mapping[str, bytes], hashes: dict[str, str], sandbox: Sandbox
) -> OutputCheck:
    """Run a checker's program in the sandbox, and read its result.

    The program's folder has the problem's files and the outputs under their paths; what was printed is in
    `stdout.json`. The last line that it prints is a JSON object:

        {"feasible": true, "objective": 12.0, "best": 12.0, "violations": []}

    "feasible" is required; "best" is the best known objective value. A program that crashes, hangs or prints something
    else gives a fault. Raises SandboxUnavailableError if the sandbox fails, ValueError for unreadable files.
    """
    code = read_file(problem.folder, program).decode("utf-8", errors="replace")
    written = {PRINTED if path == STANDARD_OUTPUT else path: content for path, content in outputs.items()}
    execution = sandbox.run(code, limits=LIMITS, files={**workspace_files(problem), **written})
    shown = f"checker {program.path}"
    if execution.status != "ok":
        last = f": {one_line(execution.error_line)}" if execution.error_line else ""
        return OutputCheck(outputs=hashes, fault=f"{shown} ended with {execution.status}{last}")
    line = execution.stdout.rstrip().rpartition("\n")[2]
    try:
        return read_result(line, hashes)
    except ValueError as error:
        return OutputCheck(outputs=hashes, fault=f"{shown}: {error}")


def read_result(line: str, hashes: dict[str, str]) -> OutputCheck:
    """Return the check in the last line of a checker's program. Raises ValueError that names the field."""
    try:
        result = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ValueError(f"its last line is not JSON: {one_line(line) or 'nothing'}") from None
    if not isinstance(result, dict) or not isinstance(result.get("feasible"), bool):
        raise ValueError(f'"feasible" is not true or false in its last line: {one_line(line)}')
    for name in ("objective", "best"):
        value = result.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not number:
            raise ValueError(f'"{name}" is not a finite number or null in its last line: {one_line(line)}')
    violations = result.get("violations", [])
    if not isinstance(violations, list) or not all(isinstance(one, str) for one in violations):
        raise ValueError(f'"violations" is not a list of texts in its last line: {one_line(line)}')
    return OutputCheck(
        outputs=hashes,
        feasible=result["feasible"],
        objective=None if result.get("objective") is None else float(result["objective"]),
        best=None if result.get("best") is None else float(result["best"]),
        violations=tuple(one_line(one) for one in violations[:MAX_VIOLATIONS]),
    )
