"""Files of runs as resources: storm://runs/ID/NAME.

plan.csv, plan.xlsx, program.py, stdout.txt, stderr.txt, report.json, the exported models, and files/NAME for what the
program wrote. A solve that is not the last of its run has its files in solve-N/.
"""

import base64
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from mcp_types import BlobResourceContents, ReadResourceResult, Resource, TextResourceContents

from storm_calm.env.plans import plan_of
from storm_calm.env.plans.plan_files import plan_csv
from storm_calm.serving.mcp.results import ResourceRef
from storm_calm.serving.mcp.runs import Run, Runs
from storm_calm.serving.mcp.tool_errors import ToolError

TEMPLATE = "storm://runs/{record_id}/{+name}"
_URI = re.compile(r"storm://runs/([\w-]{1,100})/(.{1,3000})", re.S)
_MIME_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".py": "text/x-python",
    ".md": "text/markdown",
    ".html": "text/html",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".png": "image/png",
    ".pdf": "application/pdf",
}
_BINARY = (".xlsx", ".png", ".pdf", ".parquet", ".zip")
MAX_LISTED = 500
"""Resources in a listing; the newest runs come first."""


def resource_names(run: Run) -> Iterator[tuple[str, int]]:
    """Yield the names of a run's files and their sizes in bytes."""
    yield "program.py", len(run.code.encode(errors="replace"))
    for name, text in (("stdout.txt", run.stdout), ("stderr.txt", run.stderr)):
        if text:
            yield name, len(text.encode(errors="replace"))
    for name, content in run.exports.items():
        yield name, len(content)
    for name, content in run.files.items():
        yield f"files/{name}", len(content)


def add_plan(run: Run) -> None:
    """Add the plan of the last solve to the files of a run, if there is one."""
    plan = plan_of(run.solves[-1]) if run.solves else None
    if plan is not None:
        run.keep("plan.csv", plan_csv(plan))


def file_name(run: Run, number: int, name: str) -> str:
    """Return the name of a solve's file. number: the position of the solve."""
    return name if number == len(run.solves) - 1 else f"solve-{number + 1}/{name}"


def reference(run: Run, name: str, size: int) -> ResourceRef:
    return ResourceRef(uri=uri_of(run, name), mime_type=mime_type(name), bytes=size)


def references(run: Run) -> list[ResourceRef]:
    return [reference(run, name, size) for name, size in resource_names(run)]


def uri_of(run: Run, name: str) -> str:
    return f"storm://runs/{run.id}/{quote(name)}"


def mime_type(name: str) -> str:
    return _MIME_TYPES.get(
        PurePosixPath(name).suffix.lower(), "application/octet-stream" if _is_binary(name) else "text/plain"
    )


def list_resources(runs: Runs) -> list[Resource]:
    """Return the files of all runs, the newest first."""
    listed: list[Resource] = []
    for run in reversed(list(runs)):
        for name, size in resource_names(run):
            if len(listed) >= MAX_LISTED:
                return listed
            listed.append(
                Resource(uri=uri_of(run, name), name=f"{run.id}/{name}", mime_type=mime_type(name), size=size)
            )
    return listed


def read_resource(runs: Runs, uri: str) -> ReadResourceResult:
    """Return the content of a file. Raises ToolError for an unknown URI."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise ToolError("not_found", f"{uri[:100]!r} is not a resource; give one of the form {TEMPLATE}")
    run, name = runs.get(match[1]), unquote(match[2])
    content = _content(run, name)
    if content is None:
        names = ", ".join(one for one, _ in resource_names(run))
        raise ToolError("not_found", f"{run.id} has no file {name[:100]!r}; it has {names}"[:1000])
    kind = mime_type(name)
    if _is_binary(name):
        blob = base64.b64encode(content).decode()
        return ReadResourceResult(contents=[BlobResourceContents(uri=uri, blob=blob, mime_type=kind)])
    text = content.decode(errors="replace")
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=text, mime_type=kind)])


def _content(run: Run, name: str) -> bytes | None:
    texts = {"program.py": run.code, "stdout.txt": run.stdout, "stderr.txt": run.stderr}
    if name in texts:
        return texts[name].encode(errors="replace")
    if name in run.exports:
        return run.exports[name]
    return run.files.get(name.removeprefix("files/")) if name.startswith("files/") else None


def _is_binary(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _BINARY
