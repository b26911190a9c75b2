"""Compare our verdicts on DCP-Bench-Open with those of the set's own `eval.py`.

    STORM_LIBRARIES=cpmpy python -m benchmarks.dcp_verdicts DCP-Bench-Open/dataset submissions.jsonl --eval eval.py
    STORM_LIBRARIES=cpmpy python -m benchmarks.dcp_verdicts DCP-Bench-Open/dataset --changed --eval eval.py

SUBMISSIONS is a JSON Lines file as `eval.py` reads it: "id" and the program in "model". `--changed` compares changes of
the solutions that the reference programs print (`benchmarks.dcp_changes`). Ours runs each program in a sandbox and
checks its output in another, theirs runs both without one. `eval.py` sees the same programs first and, if its verdict
differs, a program that prints our output: a program may print another optimum, or reach a time limit, in each run.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.common import format_facts, machine
from benchmarks.dcp_changes import changed_texts, worst_program
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.env.checkers import check_outputs
from storm_calm.env.problems.benchmarks.workspaces.dcp_bench import NAME, dcp_bench
from storm_calm.env.problems.benchmarks.workspaces.dcp_bench_rows import published_rows
from storm_calm.env.reward import score
from storm_calm.env.workspace import program_limits
from storm_calm.sandbox import Execution, Sandbox, open_sandbox

OURS = {
    "correct": "correct",
    "suboptimal_plan": "suboptimal",
    "infeasible_plan": "infeasible",
    "no_output": "no solution",
    "checker": "fault",
}
"""Our verdict for each reason of a score."""
THEIRS = {
    "OBJECTIVE CHECK: PASSED": "correct",
    "OBJECTIVE CHECK: FAILED": "suboptimal",
    "CONSISTENCY: FAILED": "infeasible",
    " CHECK: FAILED": "no check",
}
"""Their verdict for a part of the summary, in this order; "no solution" without any."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A program on a problem, with the verdicts on it."""

    problem: str
    """The name in the set."""
    program: str
    change: str = ""
    """The name of the change; "" for a submission."""
    execution: Execution | None = None
    ours: str = ""
    why: str = ""
    """The violations, or the fault."""
    theirs: str = ""
    theirs_on_our_output: str = ""
    """Their verdict on our output, if the first one differs."""

    @property
    def explained(self) -> bool:
        """Whether both are correct or both are not, on the same output. `eval.py` counts a fault as wrong."""
        theirs = self.theirs_on_our_output or self.theirs
        return (self.ours == "correct") == (theirs == "correct")


def read_submissions(path: Path, names: set[str], limit: int) -> Iterator[Case]:
    """Yield the distinct programs of a file on problems of the set."""
    seen: set[tuple[str, str]] = set()
    with path.open(encoding="utf-8") as file:
        for row in map(json.loads, filter(str.strip, file)):
            case = Case(problem=row["id"], program=row["model"])
            if case.problem in names and (case.problem, case.program) not in seen and len(seen) < limit:
                seen.add((case.problem, case.program))
                yield case


def changed_cases(problem: Problem, program: str, sandbox: Sandbox) -> Iterator[Case]:
    """Yield a reference program, its changes, and a program for each change of its output."""
    name = problem.id.removeprefix(f"{NAME}-")
    yield Case(problem=name, program=program, change="reference")
    if worst := worst_program(program):
        yield Case(problem=name, program=worst, change="worst plan")
    execution = sandbox.run(program, limits=program_limits(problem, sandbox.limits))
    printed = execution.stdout[execution.stdout.find("{") : execution.stdout.rfind("}") + 1]
    if execution.status != "ok" or not printed:
        print(f"{name}: no changes, since its reference program ended with {execution.status}")
        return
    yield Case(problem=name, program=f"print({printed!r})\nraise SystemExit(1)\n", change="failure after printing")
    for change, text in changed_texts(printed):
        yield Case(problem=name, program=f"print({text!r})\n", change=change)


def judge(case: Case, problem: Problem, sandbox: Sandbox) -> Case:
    """Run the program and return the case with our verdict, which is that of the reward."""
    execution = sandbox.run(case.program, limits=program_limits(problem, sandbox.limits))
    spans = (
        Span(source="prompt", text=problem.question),
        Span(source="tool", text=execution.stdout),
        Span(source="model", text="\\boxed{done}", finish="end"),
    )
    episode = Episode(
        problem=problem, transcript=Transcript(spans=spans), executions=(execution,), stop="answer",
        output_check=check_outputs(problem, [execution], sandbox),
    )  # fmt: skip
    scored = score(episode)
    return replace(case, execution=execution, ours=OURS[scored.reason], why="; ".join(scored.violations))


def published_verdicts(script: Path, dataset: Path, cases: Sequence[tuple[str, str]]) -> list[str]:
    """Run `eval.py` on pairs of name and program, and return its verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"id": name, "model": program} for name, program in cases]
        test = Path(folder) / "submissions.jsonl"
        test.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        options = ["--dataset_file", str(dataset), "--test_file", str(test), "--modelling_framework", "CPMpy"]
        command = [sys.executable, str(script.resolve()), *options]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return read_summary((Path(folder) / "summary.txt").read_text(encoding="utf-8"))


def read_summary(text: str) -> list[str]:
    """Return the verdict on each submission in the summary of `eval.py`."""
    sections = re.split(r"^--- Model: .* ---$", text.partition("\n" + "=" * 30)[0], flags=re.MULTILINE)[1:]
    return [next((name for part, name in THEIRS.items() if part in section), "no solution") for section in sections]


def write_dataset(data: Path, out: Path) -> None:
    """Write the set as the JSON Lines file that `eval.py` reads."""
    rows = [read() for _, read in published_rows(data)]
    records = [{"id": row.name, "example_instance": row.data, "model": row.model} for row in rows]
    out.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def compared(cases: Sequence[Case], script: Path, dataset: Path) -> list[Case]:
    """Return the cases with their verdicts, also on our output if these differ."""
    verdicts = published_verdicts(script, dataset, [(case.problem, case.program) for case in cases])
    cases = [replace(case, theirs=verdict) for case, verdict in zip(cases, verdicts, strict=True)]
    differ = [place for place, case in enumerate(cases) if case.ours != case.theirs]
    printed = [(cases[place].problem, _prints(cases[place])) for place in differ]
    again = published_verdicts(script, dataset, printed) if printed else []
    for place, verdict in zip(differ, again, strict=True):
        cases[place] = replace(cases[place], theirs_on_our_output=verdict)
    return cases


def _prints(case: Case) -> str:
    """Return a program with the output and the exit status of our execution."""
    assert case.execution is not None
    ended = "" if case.execution.status == "ok" else "raise SystemExit(1)\n"
    return f"print({case.execution.stdout!r})\n{ended}"


def show(cases: Sequence[Case]) -> None:
    """Print the table of verdicts and the differences."""
    names = sorted({*OURS.values(), *THEIRS.values(), "no solution"})
    counts = Counter((case.ours, case.theirs) for case in cases)
    print(f"\n{'ours / theirs':14}" + "".join(f"{name:>13}" for name in names))
    for ours in names:
        if any(counts[ours, theirs] for theirs in names):
            print(f"{ours:14}" + "".join(f"{counts[ours, theirs] or '-':>13}" for theirs in names))
    differ = [case for case in cases if case.ours != case.theirs]
    left = [case for case in differ if not case.explained]
    print(f"\n{len(cases)} programs, {len(differ)} verdicts differ, {len(left)} of them also on the same output")
    for case in differ:
        mark = "" if case.explained else "DIFFERS "
        status = case.execution.status if case.execution else ""
        print(f"{mark}{case.problem} {case.change} ({status}): {case.ours}, {case.theirs}, on our output "
              f"{case.theirs_on_our_output}. {case.why}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="folder or JSON Lines file of the set")
    parser.add_argument("submissions", type=Path, nargs="?", help="JSON Lines file with id and model")
    parser.add_argument("--eval", type=Path, required=True, help="the set's eval.py")
    parser.add_argument("--changed", action="store_true", help="compare changes of the references' solutions")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help="the most submissions")
    parser.add_argument("--only", nargs="*", help="names of problems")
    options = parser.parse_args()
    print(format_facts(machine()))
    with tempfile.TemporaryDirectory() as folder, open_sandbox() as sandbox:
        benchmark = dcp_bench(checkers=Path(folder) / "checkers")
        pairs = {problem.id.removeprefix(f"{NAME}-"): (problem, program)
                 for problem, program in benchmark.references(options.dataset)}  # fmt: skip
        if options.only:
            pairs = {name: pair for name, pair in pairs.items() if name in options.only}
        cases = list(read_submissions(options.submissions, set(pairs), options.limit)) if options.submissions else []
        if options.changed:
            cases += [case for pair in pairs.values() for case in changed_cases(*pair, sandbox)]
        cases = [judge(case, pairs[case.problem][0], sandbox) for case in cases]
        dataset = Path(folder) / "dataset.jsonl"
        write_dataset(options.dataset, dataset)
        show(compared(cases, options.eval, dataset))


if __name__ == "__main__":
    main()
