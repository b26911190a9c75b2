"""The self-check: it holds for every isolation level, and finds violations without isolation."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.sandbox import (
    ISOLATION_LEVELS,
    Cancellation,
    Execution,
    Limits,
    Sandbox,
    SandboxUnavailableError,
    open_sandbox,
)
from storm_calm.sandbox.base import Program
from storm_calm.sandbox.selfcheck import CASES, Case, CaseOutcome, Outside, Step, libraries, self_check
from storm_calm.sandbox.selfcheck.case import ended
from storm_calm.sandbox.selfcheck.outside import MARK

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
def test_every_case_of_the_isolation_level_holds(isolation):
    with Outside() as outside:
        try:
            sandbox = open_sandbox(isolation=isolation, minimum_isolation=isolation, limits=Limits(memory_mb=512))
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        with sandbox:
            outcomes = list(self_check(sandbox, outside=outside))
    assert [f"{o.theme}: {o.name}: {o.reason}" for o in outcomes if o.state == "broken"] == []
    skipped = [outcome.reason for outcome in outcomes if outcome.state == "skipped"]
    assert all("holds from isolation level" in reason for reason in skipped if "cannot be imported" not in reason), (
        skipped
    )
    assert len(outcomes) == len(CASES) + 3  # canaries before, beside and after
    if isolation == "full":
        assert not any("holds from isolation level" in reason for reason in skipped)


class Bare(Sandbox):
    """Runs programs without isolation, in a child process of the tests."""

    backend = "bare"
    isolation = "full"
    workers = 2
    limits = Limits()

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        begin = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, "-c", program.code],
                input=b"",
                capture_output=True,
                timeout=program.limits.seconds,
                cwd=self.folder,
            )
        except subprocess.TimeoutExpired:
            return Execution(code=program.code, status="timeout", isolation=self.isolation, backend=self.backend)
        return Execution(
            code=program.code,
            status="error" if done.returncode else "ok",
            stdout=done.stdout.decode(errors="replace"),
            stderr=done.stderr.decode(errors="replace"),
            exit_code=max(0, done.returncode),
            wall_seconds=time.monotonic() - begin,
            isolation=self.isolation,
            backend=self.backend,
        )

    def session(self, *, limits=None):
        raise NotImplementedError

    def close(self):
        pass


SAFE = {
    "a daemon": "processes left over",
    "search of all memory in reach": "the caller's memory",
    "the environment": "it printed",
    "files of the caller, by many ways": "storm-cana",
    "connections of all kinds": "loopback",
    "sockets of this machine": "socket file",
    "an error": "the traceback shows",
    "modules, variables and files of an earlier program": "a later program saw",
    "memory of an earlier program": "an earlier program",
    "new privileges by a new program": "it printed",
    "output up to the limit": None,
    "threads": None,
    "random numbers": None,
}
"""Cases that are harmless without isolation, each with a part of its reason there; None if it holds."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The outcomes of a self-check without isolation, by case."""
    sandbox = Bare()
    sandbox.folder = tmp_path_factory.mktemp("bare")
    cases = [case for case in CASES if case.name in SAFE]
    with Outside() as outside:
        outcomes = {outcome.name: outcome for outcome in self_check(sandbox, outside=outside, cases=cases)}
    for left in [*Path("/tmp").glob("leak-*"), *Path("/dev/shm").glob("leak-*")]:
        left.unlink()
    for pid in map(int, re.findall(r"\d+", outcomes["a daemon"].reason)):
        os.kill(pid, signal.SIGKILL)
    return outcomes


@pytest.mark.parametrize("name", SAFE)
def test_the_self_check_finds_violations_without_isolation(bare, name):
    expected, outcome = SAFE[name], bare[name]
    assert outcome.state == ("broken" if expected else "held"), outcome.reason
    assert (expected or "") in outcome.reason


def test_the_memory_search_finds_secrets(bare):
    reason = bare["search of all memory in reach"].reason
    assert "environment" in reason or "memory" in reason
    assert MARK not in reason


def test_no_program_receives_a_secret():
    with Outside() as outside:
        secret = outside.add_secret("memory").decode()
        assert secret not in outside.knowledge("word")
        assert os.environ["STORM_CANARY_API_KEY"] not in outside.knowledge("word")
    assert "STORM_CANARY_API_KEY" not in os.environ


class Flaky(Bare):
    """Runs nothing, and returns the given outputs in turn."""

    def __init__(self, answers):
        self.answers = itertools.cycle(answers)

    def execute(self, program, cancellation=None):
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return replace(RIGHT, code=program.code, stdout=answer)


RIGHT = Execution(code="", status="ok", isolation="full", backend="bare")
CANARY = "499500\n7\n"
ONE = Case(name="one", theme="endings", steps=(Step(code=""),), check=ended("ok"))


def outcomes_of(answers, cases=(ONE,)) -> dict[str, CaseOutcome]:
    return {outcome.name: outcome for outcome in self_check(Flaky(answers), cases=cases)}


def test_a_failed_canary_is_reported():
    outcomes = outcomes_of([CANARY, "[]", "disturbed"])
    assert outcomes["canaries beside all others"].state == "broken"
    assert "disturbed" in outcomes["canaries beside all others"].reason


def test_a_sandbox_failure_during_a_case_breaks_the_case():
    fault = SandboxUnavailableError("it fell over")
    outcomes = outcomes_of([CANARY, "[]", *[fault] * 3])
    assert (outcomes["one"].state, outcomes["one"].reason) == ("broken", "the sandbox failed: it fell over")
    assert outcomes["canaries beside all others"].state == "broken"


class Crowded(Bare):
    """A sandbox in which the programs named in `slow` time out once."""

    def __init__(self, *slow):
        self.slow = set(slow)

    def execute(self, program, cancellation=None):
        if program.code in self.slow:
            self.slow.remove(program.code)
            return replace(RIGHT, status="timeout")
        return replace(RIGHT, code=program.code, stdout="[]" if "json" in program.code else CANARY)


@pytest.mark.parametrize(("theme", "state"), [("time", "held"), ("powers", "broken")])
def test_a_case_that_a_busy_machine_can_break_is_run_again_alone(theme, state):
    case = replace(ONE, theme=theme, steps=(Step(code="slow"),))
    (outcome,) = (o for o in self_check(Crowded("slow"), cases=[case]) if o.name == "one")
    assert outcome.state == state
    assert "status timeout" in outcome.reason


def test_a_sandbox_that_cannot_run_programs_raises():
    with pytest.raises(SandboxUnavailableError, match="it fell over"):
        outcomes_of([SandboxUnavailableError("it fell over")])


def test_a_case_that_cannot_run_is_skipped_with_a_reason(full):
    cases = [replace(ONE, name="absent", needs=("no_such_package",)), replace(ONE, name="excused", excused="odd")]
    full_with_a_flaw = Flaky([CANARY, "[]"])
    full_with_a_flaw.missing = ("this machine is odd",)
    outcomes = {o.name: o for o in self_check(full, cases=cases[:1])}
    assert (outcomes["absent"].state, outcomes["absent"].reason) == (
        "skipped",
        "no_such_package cannot be imported inside",
    )
    excused = {o.name: o for o in self_check(full_with_a_flaw, cases=cases[1:])}["excused"]
    assert (excused.state, excused.reason) == ("skipped", "this machine is odd")


def test_a_case_that_checks_this_machine_is_marked_if_programs_run_elsewhere():
    remote = Flaky([CANARY, "[]"])
    remote.backend = "e2b"
    outcome = next(o for o in self_check(remote, cases=[replace(ONE, outside=True)]) if o.name == "one")
    assert outcome.inside_only


def test_closing_the_iterator_ends_the_check(full):
    outcomes = self_check(full)
    assert next(outcomes).state == "held"
    outcomes.close()
    assert full.run("print(1)").stdout == "1\n"


def test_names_of_cases_are_unique():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


def test_libraries_are_found_with_their_versions(full):
    found, solvers = libraries(full)
    assert found["python"].startswith("3.")
    assert found["ortools"]
    assert solvers
