"""The results of an evaluation, computed from its samples."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired

from typing_extensions import TypedDict

from storm_calm.agents.evaluation.behaviour import Behaviour, behaviour
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.intervals import Interval, macro_share, mean_share
from storm_calm.agents.evaluation.pass_at_k import pass_at
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.verdict import backed_by_report, verdict
from storm_calm.env import Problem, read_answer, score
from storm_calm.env.problems.benchmarks import benchmark_of
from storm_calm.env.problems.stress import GROUPS, group_of
from storm_calm.env.serialize import to_json

GROUPINGS: dict[str, Callable[[Problem], str]] = {
    "by_benchmark": benchmark_of,
    "by_family": lambda problem: problem.family,
    "by_difficulty": lambda problem: problem.difficulty,
    "by_group": group_of,
}
"""Groupings of problems by a name. A grouping without named problems is omitted."""


VERDICTS = ("backed", "backed, warnings", "contradicted", "unbacked")
"""The verdicts on an answer, from the most to the least trustworthy. The first is without warnings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The accuracy on a group of problems."""

    problems: int
    """Problems with at least one scored sample."""
    rules: dict[str, Interval]
    """pass@1 under each rule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliance:
    """The accuracy with and without a solver report (`agents.verdict`). A problem can be in both groups."""

    with_report: Group | None
    """Answers that a solver reported; None without any."""
    without_report: Group | None
    """Other answers; None without any."""
    unanswered: int
    """Samples without an answer, which are in neither group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """The results of an evaluation."""

    reasoner: str
    temperature: float | None
    """Sampling temperature; None before the first sample."""
    samples: int
    """Samples per problem, from the settings."""
    problems: int
    scored: int
    """Samples with a score."""
    infrastructure: int
    """Samples that the sandbox failed: neither correct nor wrong, and repeated on --resume."""
    errors: int
    """Samples that are missing because the reasoner failed; repeated on --resume."""
    unread_labels: int
    """Rows of test sets that were skipped because their label is unreadable."""
    rules: dict[str, dict[str, Interval]]
    """For each rule pass@1, pass@k (if k > 1), and macro (the mean over several test sets); empty without scores."""
    groups: dict[str, dict[str, Group]]
    """The groups of each of `GROUPINGS`."""
    by_report: dict[str, Reliance]
    """For stress problems only: by "all", by the name of each group, and by each kind."""
    by_verdict: dict[str, Group]
    """The answers by `VERDICTS`; a verdict without answers is omitted. A problem can be in several groups."""
    behaviour: Behaviour


class GroupData(TypedDict):
    """The accuracy on a group of problems: pass@1 under each rule of the evaluation."""

    problems: int
    """Problems with at least one scored sample."""
    paper: NotRequired[Interval]
    sirl: NotRequired[Interval]
    orlm: NotRequired[Interval]
    mamo: NotRequired[Interval]


class RelianceData(TypedDict):
    """The accuracy with and without a solver report. A problem can be in both groups."""

    with_report: GroupData | None
    """Answers that a solver reported; null without any."""
    without_report: GroupData | None
    """Other answers; null without any."""
    unanswered: int
    """Samples without an answer, which are in neither group."""


class Reshaped(TypedDict, total=False):
    """The fields of a results.json that differ from those of `Results`. A field without named groups is omitted."""

    by_benchmark: dict[str, GroupData]
    """By test set."""
    by_family: dict[str, GroupData]
    """By problem family."""
    by_difficulty: dict[str, GroupData]
    """By difficulty."""
    by_group: dict[str, GroupData]
    """By group of stress problems."""
    by_report: dict[str, RelianceData]
    """For stress problems only: by "all", by the name of each group, and by each kind."""
    by_verdict: dict[str, GroupData]
    """The answers by verdict: "backed" (without warnings), "backed, warnings", "contradicted" and "unbacked"."""


def results_to_json(results: Results) -> dict[str, Any]:
    """Return the JSON data of a results.json, to six decimals, with groupings and a group's rules one level higher."""
    data = to_json(results, digits=6)
    groups, by_report, behaviour = data.pop("groups"), data.pop("by_report"), data.pop("behaviour")
    data["by_verdict"] = {name: _flat(group) for name, group in data["by_verdict"].items()}
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
    right: int
    """Correct samples."""
    scored: int
    """Samples with a score, at least 1."""

    @property
    def share(self) -> float:
        """The problem's pass@1, in [0, 1]."""
        return self.right / self.scored


def tallies(samples: Iterable[Sample], rule: str) -> dict[str, Tally]:
    """Return the tally of each problem with a scored sample, by the problem's id."""
    problems: dict[str, Problem] = {}
    rewards: dict[str, list[int]] = {}
    for sample in samples:
        reward = score(sample.episode, rule).reward
        if reward is not None:
            problems[sample.id] = sample.episode.problem
            rewards.setdefault(sample.id, []).append(int(reward))
    return {id: Tally(problem=problems[id], right=sum(found), scored=len(found)) for id, found in rewards.items()}


def work_out(
    config: EvalConfig, problems: Sequence[Problem], samples: Sequence[Sample], *, errors: int = 0, unread: int = 0
) -> Results:
    """Compute the results of the samples so far."""
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
            grouping: _grouped(by_rule, naming)
            for grouping, naming in GROUPINGS.items()
            if any(naming(problem) for problem in problems)
        },
        by_report=_by_report(samples, config.rule),
        by_verdict=_by_verdict(samples, config.rule),
        behaviour=behaviour(samples),
    )


def _overall(found: Sequence[Tally], samples: int) -> dict[str, Interval]:
    if not found:
        return {}
    figures = {"pass@1": mean_share([tally.share for tally in found])}
    if samples > 1:
        # A problem with a sample that the sandbox failed has too few samples for pass@k.
        whole = [pass_at(samples, tally.right, tally.scored) for tally in found if tally.scored >= samples]
        if whole:
            figures[f"pass@{samples}"] = mean_share(whole)
    sets = _by(found, benchmark_of)
    if len(sets) > 1:
        figures["macro"] = macro_share([[tally.share for tally in tallies] for tallies in sets.values()])
    return figures


def _grouped(by_rule: Mapping[str, Sequence[Tally]], naming: Callable[[Problem], str]) -> dict[str, Group]:
    parts = {rule: _by(found, naming) for rule, found in by_rule.items()}
    # The same problems have a score under every rule.
    names = next(iter(parts.values()))
    return {name: _group({rule: named[name] for rule, named in parts.items()}) for name in names}


def _group(by_rule: Mapping[str, Sequence[Tally]]) -> Group:
    rules = {rule: mean_share([tally.share for tally in found]) for rule, found in by_rule.items()}
    return Group(problems=len(next(iter(by_rule.values()))), rules=rules)


def _by_report(samples: Iterable[Sample], rules: Sequence[str]) -> dict[str, Reliance]:
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        problem = sample.episode.problem
        if (group := group_of(problem)) and not sample.failed:
            for name in ("all", group, problem.family):
                parts.setdefault(name, []).append(sample)
    # All problems first, then groups, then kinds.
    return {name: _reliance(parts[name], rules) for name in sorted(parts, key=("all", *GROUPS, *parts).index)}


def _reliance(samples: Sequence[Sample], rules: Sequence[str]) -> Reliance:
    def group(part: Sequence[Sample]) -> Group | None:
        return _group({rule: list(tallies(part, rule).values()) for rule in rules}) if part else None

    answered = [one for one in samples if one.episode.stop == "answer" and read_answer(one.episode.transcript)]
    return Reliance(
        with_report=group([one for one in answered if backed_by_report(one.episode)]),
        without_report=group([one for one in answered if not backed_by_report(one.episode)]),
        unanswered=len(samples) - len(answered),
    )


def _by_verdict(samples: Iterable[Sample], rules: Sequence[str]) -> dict[str, Group]:
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        if not sample.failed:
            found = verdict(sample.episode)
            name = "backed, warnings" if found.backing == "backed" and found.warnings else found.backing
            parts.setdefault(name, []).append(sample)
    return {
        name: _group({rule: list(tallies(parts[name], rule).values()) for rule in rules})
        for name in VERDICTS
        if name in parts
    }


def _by(found: Iterable[Tally], naming: Callable[[Problem], str]) -> dict[str, list[Tally]]:
    """Group the tallies by the names of their problems, with "other" for problems without a name."""
    groups: dict[str, list[Tally]] = {}
    for tally in found:
        groups.setdefault(naming(tally.problem) or "other", []).append(tally)
    return groups
