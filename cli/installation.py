"""Checks of the installation: packages, sandbox, Docker, GPU, folders and ports.

    for check in check_installation():
        print(check.state, check.name, check.figure)

Nothing is changed, nothing is downloaded, and no other machine is asked.
"""

import os
import platform
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from packaging.requirements import Requirement

PROJECT = "storm-calm"
EXTRAS = {
    "serve": "storm serve, storm review, storm view --serve",
    "postgres": "storm serve --database",
    "mcp": "storm mcp",
    "export": "Parquet files",
    "hub": "test sets from the Hub",
    "docker": "--sandbox docker",
    "e2b": "--sandbox e2b",
    "ray": "--sandbox ray",
    "studio": "LangGraph Studio",
    "nano": "making the nano model anew",
    "train": "storm train, storm reproduce",
    "vllm": "a vLLM server on this machine",
}
"""What users need each extra of the package for."""
PORTS = {8000: "storm serve", 8765: "storm view --serve, storm review"}
"""The default ports."""
LEAST_MEMORY_GB = 2.0
"""Less memory is too little for a model and its programs at once."""
COMMAND_SECONDS = 10.0
"""Time for a command of the system."""

State = Literal["ok", "missing", "warning", "problem"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallationCheck:
    """The result of one check."""

    name: str
    state: State
    """missing: optional, and not there."""
    figure: str
    """What was found."""
    advice: str = ""
    """What to do about it; else ""."""


def check_installation(on_check: Callable[[str], None] = lambda name: None) -> list[InstallationCheck]:
    """Run all checks. on_check: called with the name of each finished check."""
    found = []
    for checks in (_packages(), _machine(), _sandbox(), _docker(), _gpu(), _folders(), _ports()):
        for check in checks:
            on_check(check.name)
            found.append(check)
    return found


def missing_packages(extra: str = "") -> list[str]:
    """Return the packages that the project, or one of its extras, needs and that are not installed as needed."""
    missing: list[str] = []
    for text in metadata.requires(PROJECT) or ():
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate({"extra": extra}):
            continue
        if extra and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            continue
        if needed.name == PROJECT:
            missing += [name for other in sorted(needed.extras) for name in missing_packages(other)]
            continue
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            missing.append(needed.name)
            continue
        if not needed.specifier.contains(version, prereleases=True):
            missing.append(f"{needed.name} {needed.specifier} (not {version})")
    return list(dict.fromkeys(missing))


def _packages() -> Iterator[InstallationCheck]:
    version = f"{metadata.version(PROJECT)} with Python {platform.python_version()}"
    missing = missing_packages()
    yield InstallationCheck(
        name=PROJECT,
        state="problem" if missing else "ok",
        figure=f"{version}; missing: {', '.join(missing)}" if missing else version,
        advice=f"pip install --upgrade {PROJECT}" if missing else "",
    )
    for extra, purpose in EXTRAS.items():
        missing = missing_packages(extra)
        yield InstallationCheck(
            name=f"[{extra}]",
            state="missing" if missing else "ok",
            figure=f"{purpose}; missing: {', '.join(missing)}" if missing else purpose,
            advice=f"for {purpose}: pip install '{PROJECT}[{extra}]'" if missing else "",
        )


def _machine() -> Iterator[InstallationCheck]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    little = memory < LEAST_MEMORY_GB
    yield InstallationCheck(
        name="machine",
        state="warning" if little else "ok",
        figure=f"{platform.system()} {platform.machine()}, {cores} cores, {memory:.1f} GB of memory",
        advice=f"use a machine with {LEAST_MEMORY_GB:g} GB, or a model server elsewhere" if little else "",
    )


def _sandbox() -> Iterator[InstallationCheck]:
    from storm_calm.sandbox import SandboxUnavailableError, open_sandbox

    try:
        with open_sandbox(minimum_isolation="limits", workers=1) as sandbox:
            execution = sandbox.run("print(6 * 7)")
            level, reasons = sandbox.isolation, "; ".join(sandbox.missing)
    except SandboxUnavailableError as error:
        yield InstallationCheck(
            name="sandbox",
            state="problem",
            figure=str(error),
            advice="see `storm sandbox check`, or use --sandbox docker",
        )
        return
    if execution.stdout != "42\n":
        figure = f"a test program ended with {execution.status}: {execution.stderr.strip()[-200:]}"
        yield InstallationCheck(name="sandbox", state="problem", figure=figure, advice="see `storm sandbox check`")
        return
    yield InstallationCheck(
        name="sandbox",
        state="ok" if level == "full" else "warning",
        figure=f"runs programs at isolation level {level}" + (f": {reasons}" if reasons else ""),
        advice=""
        if level == "full"
        else "docs/sandbox.md says what each level protects from, and what the system lacks",
    )


def _docker() -> Iterator[InstallationCheck]:
    answer = _output("docker", "info", "--format", "{{.ServerVersion}}")
    if answer is None:
        yield InstallationCheck(name="docker", state="missing", figure="no command docker; for --sandbox docker only")
    elif not answer[0]:
        advice = "for --sandbox docker: start Docker, or add this user to the group docker"
        figure = f"the engine does not answer: {answer[1][:150]}"
        yield InstallationCheck(name="docker", state="warning", figure=figure, advice=advice)
    else:
        yield InstallationCheck(name="docker", state="ok", figure=f"engine {answer[1]}")


def _gpu() -> Iterator[InstallationCheck]:
    answer = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    if answer is None or not answer[0] or not answer[1]:
        figure = "none; nano and model servers elsewhere need none"
        yield InstallationCheck(name="GPU", state="missing", figure=figure)
    else:
        yield InstallationCheck(name="GPU", state="ok", figure="; ".join(answer[1].splitlines()))


def _folders() -> Iterator[InstallationCheck]:
    for name, folder, purpose, fix in (
        ("folder", ".", "run folders", "use another folder"),
        ("temporary files", tempfile.gettempdir(), "programs", "set TMPDIR to a folder that can be written"),
    ):
        place = os.path.realpath(folder)
        try:
            with tempfile.TemporaryFile(dir=place):
                free = shutil.disk_usage(place).free / 1e9
        except OSError as error:
            yield InstallationCheck(name=name, state="problem", figure=f"{place}: {error.strerror}", advice=fix)
            continue
        full = free < 1
        yield InstallationCheck(
            name=name,
            state="warning" if full else "ok",
            figure=f"{place} can be written, {free:,.1f} GB free",
            advice=f"free some space for {purpose}" if full else "",
        )


def _ports() -> Iterator[InstallationCheck]:
    for port, purpose in PORTS.items():
        try:
            with socket.create_server(("127.0.0.1", port)):
                yield InstallationCheck(name=f"port {port}", state="ok", figure=f"free for {purpose}")
        except OSError as error:
            figure = f"{os.strerror(error.errno or 0)}; it is the default of {purpose}"
            advice = "stop what uses it, or choose another --port"
            yield InstallationCheck(name=f"port {port}", state="warning", figure=figure, advice=advice)


def _output(*words: str) -> tuple[bool, str] | None:
    """Return whether a command succeeded, and its output or error; None without such a command."""
    if shutil.which(words[0]) is None:
        return None
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, (done.stdout if done.returncode == 0 else done.stderr).strip()
