"""Score what an agent left in its working directory. It runs in the verifier's container of a Harbor task.

    python3 -I /tests/verifier.pyz /workdir /logs/verifier

An exported task has this module and those of `storm_calm` that it imports as `tests/verifier.pyz`. The agent's answer
and files become a finished episode, which `env.score` scores like any other. If the checker fails, no reward is
written, and the trial has no score.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from storm_calm.env.answers import read_answer
from storm_calm.env.checkers import PRINTED, check_outputs
from storm_calm.env.episode import Episode, StopReason
from storm_calm.env.problem import STANDARD_OUTPUT, Problem
from storm_calm.env.problem_line import read_problem
from storm_calm.env.reward import Score, score
from storm_calm.env.transcript import Span, Transcript
from storm_calm.sandbox.base import Limits, Program, Sandbox, Session
from storm_calm.sandbox.cancellation import Cancellation
from storm_calm.sandbox.execution import Execution, SandboxUnavailableError, Status
from storm_calm.sandbox.result_files import read_results

ANSWER = "answer.txt"
"""The file in the working directory in which the agent writes its answer."""
PROBLEM = "problem.json"
"""The file beside the verifier with the problem and its accepted answers."""
MAX_BYTES = 64 << 20
"""Bytes of the agent's files together that are read; further ones count as missing."""
MAX_ANSWER_CHARS = 10_000
"""Characters of the answer file that are read; a box further on is not found."""


class CheckerSandbox(Sandbox):
    """Runs a checker's program as a process of the verifier's container, which nothing else uses."""

    backend = "harbor"
    isolation = "limits"
    workers = 1

    def __init__(self) -> None:
        self.limits = Limits()

    def execute(self, program: Program, cancellation: Cancellation | None = None) -> Execution:
        started = perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for name, content in {**program.files, "main.py": program.code.encode()}.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            command = [sys.executable, "-s", "main.py"]
            status: Status = "timeout"
            exit_code, stdout, stderr = None, "", ""
            try:
                done = subprocess.run(
                    command, cwd=folder, capture_output=True, timeout=program.limits.seconds, stdin=subprocess.DEVNULL
                )
                status, exit_code = "error" if done.returncode else "ok", done.returncode
                stdout, stderr = (text.decode("utf-8", errors="replace") for text in (done.stdout, done.stderr))
            except subprocess.TimeoutExpired:
                pass
            except OSError as error:
                raise SandboxUnavailableError(f"the checker cannot be started: {error}") from error
        return Execution(
            code=program.code, status=status, stdout=stdout, stderr=stderr, exit_code=exit_code,
            wall_seconds=perf_counter() - started, isolation=self.isolation, backend=self.backend,
        )  # fmt: skip

    def session(self, *, limits: Limits | None = None) -> Session:
        raise SandboxUnavailableError("a checker has no session")

    def close(self) -> None:
        """Do nothing: no program outlives its run."""


def finished_episode(problem: Problem, folder: Path) -> Episode:
    """Return the episode of an agent that left its answer and outputs in `folder`.

    Without an answer file the episode ends as one whose model stopped without an answer.
    """
    wanted = [ANSWER, *(PRINTED if one.path == STANDARD_OUTPUT else one.path for one in problem.outputs)]
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        files = read_results(descriptor, wanted, MAX_BYTES)
    finally:
        os.close(descriptor)
    answer = files.pop(ANSWER, None)
    printed = files.pop(PRINTED, b"") if any(one.path == STANDARD_OUTPUT for one in problem.outputs) else b""
    execution = Execution(
        code="", status="ok", exit_code=0, stdout=printed.decode("utf-8", errors="replace"), files=files,
        isolation="limits", backend="harbor",
    )  # fmt: skip
    text = "" if answer is None else answer.decode("utf-8", errors="replace").strip()[:MAX_ANSWER_CHARS]
    spans = (
        Span(source="prompt", text=problem.question),
        Span(source="tool", text=""),
        Span(source="model", text=f"\\boxed{{{text}}}"),
    )
    stop: StopReason = "malformed" if answer is None else "answer"
    return Episode(problem=problem, transcript=Transcript(spans=spans), executions=(execution,), stop=stop)


def verify(problem: Problem, folder: Path) -> Score:
    """Score the answer and the outputs in `folder`. Raises ValueError for unreadable files of the problem."""
    episode = finished_episode(problem, folder)
    answer = read_answer(episode.transcript)
    if episode.stop == "answer" and problem.outputs and (answer is None or answer.status == "number"):
        check = check_outputs(problem, episode.executions, CheckerSandbox())
        episode = replace(episode, output_check=check)
    return score(episode)


def main(arguments: Sequence[str]) -> int:
    """Write `reward.json`, and `score.json` for people. Return 1, without a reward, if nothing could be scored."""
    folder, logs = map(Path, arguments[1:3])
    tests = Path(arguments[0]).absolute().parent
    result = verify(read_problem(json.loads((tests / PROBLEM).read_text(encoding="utf-8")), tests), folder)
    details = {
        "reward": result.reward,
        "reason": result.reason,
        "rule": result.rule,
        "answer": None if result.answer is None else result.answer.text,
        "feasible": result.feasible,
        "objective": result.objective,
        "gap": result.gap,
        "violations": result.violations,
    }
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "score.json").write_text(json.dumps(details, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if result.reward is None:
        sys.stderr.write(f"not scored: {'; '.join(result.violations) or result.reason}\n")
        return 1
    (logs / "reward.json").write_text(json.dumps({"reward": result.reward}) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
