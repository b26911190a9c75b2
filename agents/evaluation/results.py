"""The figures of an evaluation, worked out from its samples alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.agents.evaluation.behaviour import Behaviour, behaviour
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.intervals import Interval, macro_share, mean_share
from storm_calm.agents.evaluation.pass_at_k import pass_at
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.env import Problem, read_answer, score
from storm_calm.env.problems.benchmarks import benchmark_of
from storm_calm.env.problems.stress import GROUPS, group_of
from storm_calm.env.serialize import to_json
from storm_calm.env.solver_backing import backed_by_report

GROUPINGS: dict[str, Callable[[Problem], str]] = {
    "by_benchmark": benchmark_of,
    "by_family": lambda problem: problem.family,
    "by_difficulty": lambda problem: problem.difficulty,
    "by_group": group_of,
}
"""How problems are put into groups; one that names no problem is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A part of the problems."""

    problems: int
    """Problems with at least one scored sample."""
    rules: dict[str, Interval]
    """pass@1 under each rule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliance:
    """How right answers are that have a solver behind them, and answers that have none; see `env.solver_backing`.

    A problem with several samples may be in both groups.
    """

    with_report: Group | None
    """Problems with answers that a solver reported; pass@1 over these samples. None without any."""
    without_report: Group | None
    """Problems with other answers; pass@1 over these samples. None without any."""
    unanswered: int
    """Samples without an answer, which are in neither group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What came of an evaluation."""

    reasoner: str
    """As in the settings."""
    temperature: float | None
    """How freely tokens were drawn; None before the first sample."""
    samples: int
    """Runs at each problem, as in the settings."""
    problems: int
    """Problems in all."""
    scored: int
    """Samples that have a score."""
    infrastructure: int
    """Samples that the sandbox failed: neither right nor wrong, and tried again on --resume."""
    errors: int
    """Samples that are not done because the reasoner failed; tried again on --resume."""
    unread_labels: int
    """Rows of test sets that were left out because their label cannot be read."""
    rules: dict[str, dict[str, Interval]]
    """For each rule pass@1; pass@k with more samples than one; macro, the mean over test sets, with several of them.

    Empty where no problem can be counted.
    """
    groups: dict[str, dict[str, Group]]
    """The groups of each grouping, see `GROUPINGS`."""
    by_report: dict[str, Reliance]
    """For stress problems, and empty without any: under "all", each group's name and each kind's name."""
    behaviour: Behaviour
    """What the model did."""


def results_to_json(results: Results) -> dict[str, Any]:
    """The JSON data of a results.json, to six decimals: each grouping and each group's rules stand a level higher."""
    data = to_json(results, digits=6)
    groups, by_report, behaviour = data.pop("groups"), data.pop("by_report"), data.pop("behaviour")
    data |= {grouping: {name: _flat(group) for name, group in named.items()} for grouping, named in groups.items()}
    if by_report:
        parts = ("with_report", "without_report")
        data["by_report"] = {
            name: {**one, **{part: one[part] and _flat(one[part]) for part in parts}} for name, one in by_report.items()
        }
    return {**data, "behaviour": behaviour}


def _flat(group: dict[str, Any]) -> dict[str, Any]:
    return {"problems": group["problems"], **group["rules"]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """The scored samples of one problem under one rule."""

    problem: Problem
    """The problem."""
    right: int
    """Samples that are right."""
    scored: int
    """Samples that have a score; at least one."""

    @property
    def share(self) -> float:
        """Share that is right, in [0, 1]; the problem's pass@1."""
        return self.right / self.scored


def tallies(samples: Iterable[Sample], rule: str) -> dict[str, Tally]:
    """The tally of each problem, by its id, in order; problems that have no scored sample are left out."""
    found: dict[str, Tally] = {}
    for sample in samples:
        reward = score(sample.episode, rule).reward
        if reward is not None:
            before = found.get(sample.id)
            right, scored = (before.right, before.scored) if before else (0, 0)
            problem = sample.episode.problem
            found[sample.id] = Tally(problem=problem, right=right + int(reward), scored=scored + 1)
    return found


def work_out(
    config: EvalConfig, problems: Sequence[Problem], samples: Sequence[Sample], *, errors: int = 0, unread: int = 0
) -> Results:
    """The results of what is done so far."""
    by_rule = {rule: list(tallies(samples, rule).values()) for rule in config.rule}
    failed = sum(sample.failed for sample in samples)
    return Results(
        reasoner=config.reasoner,
        temperature=samples[0].temperature if samples else None,
        samples=config.samples,
        problems=len(problems),
        scored=len(samples) - failed,
        infrastructure=failed,
        errors=errors,
        unread_labels=unread,
        rules={rule: _overall(found, config.samples) for rule, found in by_rule.items()},
        groups={
            name: _grouped(by_rule, naming)
            for name, naming in GROUPINGS.items()
            if any(naming(problem) for problem in problems)
        },
        by_report=_by_report(samples, config.rule),
        behaviour=behaviour(samples),
    )


def _overall(found: Sequence[Tally], samples: int) -> dict[str, Interval]:
    if not found:
        return {}
    figures = {"pass@1": mean_share([tally.share for tally in found])}
    if samples > 1:
        # A problem that lost a sample to the sandbox has too few of them to say what k would have come to.
        whole = [pass_at(samples, tally.right, tally.scored) for tally in found if tally.scored >= samples]
        if whole:
            figures[f"pass@{samples}"] = mean_share(whole)
    sets = _by(found, benchmark_of)
    if len(sets) > 1:
        figures["macro"] = macro_share([[tally.share for tally in tallies] for tallies in sets.values()])
    return figures


def _grouped(by_rule: Mapping[str, Sequence[Tally]], naming: Callable[[Problem], str]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    parts = {rule: _by(found, naming) for rule, found in by_rule.items()}
    # Under every rule the same problems have a score.
    for name, part in next(iter(parts.values())).items():
        shares = {rule: [tally.share for tally in parts[rule][name]] for rule in parts}
        groups[name] = Group(problems=len(part), rules={rule: mean_share(values) for rule, values in shares.items()})
    return groups


def _by_report(samples: Iterable[Sample], rules: Sequence[str]) -> dict[str, Reliance]:
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        problem = sample.episode.problem
        if (group := group_of(problem)) and not sample.failed:
            for name in ("all", group, problem.family):
                parts.setdefault(name, []).append(sample)
    # The whole first, then the groups, then the kinds.
    return {name: _reliance(parts[name], rules) for name in sorted(parts, key=("all", *GROUPS, *parts).index)}


def _reliance(samples: Sequence[Sample], rules: Sequence[str]) -> Reliance:
    answered = [one for one in samples if one.episode.stop == "answer" and read_answer(one.episode.transcript)]
    return Reliance(
        with_report=_together([one for one in answered if backed_by_report(one.episode)], rules),
        without_report=_together([one for one in answered if not backed_by_report(one.episode)], rules),
        unanswered=len(samples) - len(answered),
    )


def _together(samples: Sequence[Sample], rules: Sequence[str]) -> Group | None:
    if not samples:
        return None
    shares = {rule: [tally.share for tally in tallies(samples, rule).values()] for rule in rules}
    return Group(problems=len(shares[rules[0]]), rules={rule: mean_share(values) for rule, values in shares.items()})


def _by(found: Iterable[Tally], naming: Callable[[Problem], str]) -> dict[str, list[Tally]]:
    """The tallies by the names of their problems, in order of appearance; "other" for problems without one."""
    groups: dict[str, list[Tally]] = {}
    for tally in found:
        groups.setdefault(naming(tally.problem) or "other", []).append(tally)
    return groups
