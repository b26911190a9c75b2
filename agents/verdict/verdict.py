"""Judge a finished episode by evidence that does not depend on the model's claims, and put it into words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.evidence import gather
from storm_calm.agents.verdict.invented_numbers import invented_numbers, replaced_numbers
from storm_calm.agents.verdict.plan_check import answering_solve
from storm_calm.agents.verdict.solver_backing import Backing, SolverBacking, solver_backing
from storm_calm.env import Episode, Finding
from storm_calm.env.plans.checks import Check, check
from storm_calm.sandbox import Execution

FLAWS: dict[str, str] = {
    "by_hand": "the model computed by hand",
    "fragment": "a program is incomplete",
    "imagined_output": "the model guessed the output of a program",
    "overruled": "the model overruled the solver",
    "wrong_sense": "the objective may have the wrong direction",
    "missing_constraint": "a constraint may be missing",
    "wrong_type": "the variables may have the wrong type",
    "misread_number": "a number may be misread",
    "status_ignored": "the solver's status was ignored",
    "unmended_error": "an error was not repaired",
    "fractional_plan": "the plan has a fraction of something whole",
    "subtours": "the plan falls apart into separate rounds",
}
"""The finding of each rule in words."""
PROGRAM_FLAWS = {
    "fragment",
    "wrong_sense",
    "missing_constraint",
    "wrong_type",
    "misread_number",
    "fractional_plan",
    "subtours",
}
"""The rules whose findings are about one program."""
FORMULATION = "whether the model that was solved is the one that the question describes; rules find some flaws only"
LOCAL = "whether the optimum is global: `scipy.optimize.minimize` finds a local one"
DATA = "the numbers of the program: its data are in files"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the evidence of a finished episode shows about its answer."""

    backing: Backing
    """backed: a solver reported the answer. contradicted: the last solve has another result. unbacked: neither.
    no_answer: there is no answer."""
    summary: str
    """The reason of `backing` in one sentence."""
    findings: tuple[Finding, ...] = ()
    """Flaws that the rules of the seven triggers find in the finished trajectory, the earliest first."""
    repaired: tuple[Finding, ...] = ()
    """Those of `findings` that a later program repaired, so that they do not affect the answer."""
    invented: tuple[float, ...] = ()
    """Uncommon numbers of the program that do not follow from the conversation."""
    unused: tuple[float, ...] = ()
    """Numbers of the question that the program lacks, while it has others in their place or the rest of their list."""
    limits: tuple[str, ...] = ()
    """Limits that were reached, in words."""
    not_checked: tuple[str, ...] = ()
    """What nothing checked, in words."""
    check: Check | None = None
    """The check of the recorded plan behind the answer; None if the answer is not backed or nothing was recorded."""

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user; empty if the answer is backed and nothing speaks against it."""
        warnings = [] if self.backing in ("backed", "no_answer") else [self.summary]
        if self.backing != "no_answer":
            counted = [finding for finding in self.findings if finding not in self.repaired]
            by_rule = {finding.rule: finding for finding in reversed(counted)}
            warnings += [_sentence(finding) for finding in reversed(by_rule.values())]
        if self.invented:
            numbers = ", ".join(f"{value:g}" for value in self.invented)
            warnings.append(
                f"The program uses numbers that you did not give ({numbers}). If data is missing, add it and ask again."
            )
        if self.unused:
            numbers = ", ".join(f"{value:g}" for value in self.unused[:5])
            warnings.append(f"The program lacks numbers of the question ({numbers}).")
        return [*warnings, *self.limits]


def verdict(
    episode: Episode, *, messages: Sequence[str] = (), has_files: bool = False, checked: Check | None = None
) -> Verdict:
    """Judge a finished episode.

    messages: the texts of the conversation that ends with the question; by default the question alone.
    has_files: whether the data are in files, so that numbers cannot be compared; also if the problem has files.
    checked: the check of the plan behind the answer if the caller has made it, with its model solved again.
    """
    has_files = has_files or bool(episode.problem.files)
    backing = solver_backing(episode, messages)
    solve = answering_solve(backing)
    checked = checked or (check(solve) if solve else None)
    answered = backing.backing != "no_answer"
    found = findings(episode)
    run = backing.solve.execution if backing.backing == "backed" and backing.solve else None
    compared = answered and not has_files
    return Verdict(
        backing="contradicted" if checked and checked.outcome == "failed" else backing.backing,
        summary=_summary(backing, checked),
        findings=tuple(found),
        repaired=() if run is None else tuple(_repaired(episode, found, run)),
        invented=invented_numbers(episode, messages or [episode.problem.question], run) if compared else (),
        unused=replaced_numbers(episode, run) if compared else (),
        limits=tuple(_limits(episode, backing)),
        not_checked=tuple(_not_checked(episode, backing, checked, has_files=has_files)) if answered else (),
        check=checked,
    )


def _summary(found: SolverBacking, checked: Check | None) -> str:
    """Return the reason of the backing in one sentence."""
    if checked is not None and checked.outcome == "failed":
        return f"The recorded plan contradicts this answer: {'; '.join(checked.faults)}."
    if found.backing == "no_answer":
        return "There is no answer."
    if found.backing == "unbacked":
        return f"No solver report supports this answer: {found.reason}."
    assert found.solve is not None, "a report backs or contradicts the answer"
    report = found.solve.report
    result = report.status if report.objective is None else f"{report.status} with objective {report.objective:.10g}"
    if found.backing == "contradicted":
        return f"The last solve contradicts this answer: {found.solve.name} reported {result}."
    how = {"sign": ", with the sign changed", "rounded": ", rounded", "derived": ", after one more operation"}
    size = f"{_count(found.solve.variables, 'variable')}, {_count(report.constraints, 'constraint')}"
    return f"{found.solve.name} reported {result}{how.get(found.match or '', '')} ({size})."


def _repaired(episode: Episode, found: Sequence[Finding], run: Execution) -> Iterator[Finding]:
    """Yield the findings about programs other than `run`, which backs the answer, and about guesses of its output."""
    turns = gather(episode).turns
    begins = next((turn.start for turn in turns if turn.execution is run), 0)
    ends = next((turn.start for turn in turns if turn.start > begins), math.inf)
    for finding in found:
        elsewhere = not begins <= finding.offset < ends
        if finding.rule == "imagined_output" or (finding.rule in PROGRAM_FLAWS and elsewhere):
            yield finding


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sentence(finding: Finding) -> str:
    """Return a finding as a sentence."""
    flaw = FLAWS.get(finding.rule) or f"{finding.trigger.replace('_', ' ')}"
    text = f"{flaw} ({' '.join(finding.evidence.split())[:120]})." if finding.evidence else f"{flaw}."
    return text[0].upper() + text[1:]


def _limits(episode: Episode, backing: SolverBacking) -> list[str]:
    """Return the limits that were reached, as sentences."""
    reached = []
    if (
        backing.backing == "backed"
        and backing.solve
        and backing.solve.report.status == "feasible"
        and not _local(backing)
    ):
        gap = backing.solve.report.gap
        proven = "" if gap is None else f" (gap {gap:.2%})"
        reached.append(f"The solver stopped before it proved this result optimal{proven}; better ones may exist.")
    if backing.backing == "backed" and backing.solve and backing.solve.report.objective == 0:
        reached.append("The optimum is 0: doing nothing is the best plan, so a requirement may be missing.")
    for number, execution in enumerate(episode.executions, 1):
        if limit := _limit(execution):
            reached.append(f"Program {number} {limit}.")
    return reached


def _local(backing: SolverBacking) -> bool:
    """Return whether the backing solve is a local search, which proves nothing about other solutions."""
    return backing.solve is not None and backing.solve.name.startswith("scipy")


def _not_checked(episode: Episode, backing: SolverBacking, checked: Check | None, *, has_files: bool) -> Iterator[str]:
    if checked is not None and checked.outcome != "failed":
        yield from checked.unchecked
    if has_files:
        yield DATA
    if backing.backing == "backed" and _local(backing):
        yield LOCAL
    if dropped := sum(execution.dropped_reports for execution in episode.executions):
        yield f"{dropped} solves in the middle of a program with too many of them"
    yield FORMULATION


def _limit(execution: Execution) -> str:
    match execution.status:
        case "timeout":
            return f"was stopped after {execution.wall_seconds:.1f} s"
        case "memory_limit":
            return "ran out of memory"
        case "output_limit":
            return "printed too much and was stopped"
        case "killed":
            return "was killed"
    return ""
