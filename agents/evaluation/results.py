"""The results of an evaluation, computed from its samples."""

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired

from typing_extensions import TypedDict

from storm_calm.agents.evaluation.behaviour import Behaviour
from storm_calm.agents.evaluation.budget import Budget
from storm_calm.agents.evaluation.by_release import ReleaseFile, ReleaseScore, release_files
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.intervals import Interval, macro_share, mean_share
from storm_calm.agents.evaluation.plans import Plans
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.evaluation.seed_table import ALL, TableRow, seed_table
from storm_calm.agents.evaluation.sums import ProblemNames, RelianceSums, SampleSums
from storm_calm.agents.evaluation.tallies import Shares, TallyTable, by_problem, known
from storm_calm.env import Problem
from storm_calm.env.problems.benchmarks import LoadedRelease, benchmark_of
from storm_calm.env.problems.families.tasks import variant_of
from storm_calm.env.problems.stress import GROUPS, group_of
from storm_calm.env.serialize import to_json

GROUPINGS: dict[str, Callable[[Problem], str]] = {
    "by_benchmark": benchmark_of,
    "by_family": lambda problem: problem.family,
    "by_difficulty": lambda problem: problem.difficulty,
    "by_group": group_of,
    "by_variant": variant_of,
}
"""Groupings of problems by a name. A grouping without named problems, or with originals alone, is omitted."""

SETS = ("by_benchmark", "by_family")
"""The groupings that can be the rows of `Results.table`. The first one with named problems is used."""

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
    """Samples per problem and seed, from the settings."""
    seeds: int
    """Repetitions with different sampling seeds, from the settings."""
    problems: int
    scored: int
    """Samples with a score."""
    needs_judge: int
    """Samples without a score because their problems have no accepted answers and no checker; see `agents.judge`."""
    infrastructure: int
    """Samples that the sandbox failed: neither correct nor wrong, and repeated on --resume."""
    errors: int
    """Samples that are missing because the reasoner failed; repeated on --resume."""
    unread_labels: int
    """Rows of test sets that were skipped because their label is unreadable."""
    rules: dict[str, dict[str, Interval]]
    """For each rule pass@1, pass@k and majority@k with k = `samples` (if k > 1), and macro (the mean over several test
    sets); empty without scores."""
    table: dict[str, dict[str, TableRow]]
    """For each rule the accuracy over the seeds, by "all", by each test set or else family, and by "macro" (the means
    over several test sets); empty without scores."""
    groups: dict[str, dict[str, Group]]
    """The groups of each of `GROUPINGS`."""
    releases: tuple[ReleaseFile, ...]
    """For test sets only: the releases that were read, those of the problems first in each set."""
    by_release: dict[str, dict[str, ReleaseScore]]
    """For several releases only: by test set and release."""
    by_report: dict[str, Reliance]
    """For stress problems only: by "all", by the name of each group, and by each kind."""
    by_verdict: dict[str, Group]
    """The answers by `VERDICTS`; a verdict without answers is omitted. A problem can be in several groups."""
    plans: dict[str, Plans]
    """For problems with a checker only: by "all", and by the sets of `table`."""
    budget: Budget
    behaviour: Behaviour

    @property
    def sets(self) -> str:
        """The grouping whose groups are the rows of `table`; "" if only all problems are a row."""
        return _sets(self.groups)

    @property
    def checker_failures(self) -> int:
        return self.plans[ALL].checker_failures if self.plans else 0


class GroupData(TypedDict):
    """The accuracy on a group of problems: pass@1 under each rule of the evaluation."""

    problems: int
    """Problems with at least one scored sample."""
    paper: NotRequired[Interval]
    sirl: NotRequired[Interval]
    orlm: NotRequired[Interval]
    mamo: NotRequired[Interval]
    or_space: NotRequired[Interval]


class RelianceData(TypedDict):
    """The accuracy with and without a solver report. A problem can be in both groups."""

    with_report: GroupData | None
    """Answers that a solver reported; null without any."""
    without_report: GroupData | None
    """Other answers; null without any."""
    unanswered: int
    """Samples without an answer, which are in neither group."""


class ReleaseData(GroupData):
    """The accuracy under the labels of a release. `problems` counts the matched ones."""

    file: str
    """Name of the file or folder, or repository and split on the Hub."""
    sha256: str
    """SHA-256 of the file, or of the files in the folder; "" on the Hub."""
    matched: int
    """Problems of the first release with a label in this one."""
    unmatched_problems: int
    """Problems of the first release without a label in this one."""
    unmatched_rows: int
    """Problems of this release whose question is not in the first one."""
    differing_labels: int
    """Matched problems with another label than in the first release, apart from rounding to a relative 1e-4."""
    first: dict[str, Interval]
    """pass@1 of the same problems with the labels of the first release, under each rule."""


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
    by_variant: dict[str, GroupData]
    """By variant or task of generated problems with files, such as "original", "wording" and "revise number"."""
    releases: list[ReleaseFile]
    """For test sets only: the releases that were read, those of the problems first in each set."""
    by_release: dict[str, dict[str, ReleaseData]]
    """For several releases only: by test set and release."""
    by_report: dict[str, RelianceData]
    """For stress problems only: by "all", by the name of each group, and by each kind."""
    by_verdict: dict[str, GroupData]
    """The answers by verdict: "backed" (without warnings), "backed, warnings", "contradicted" and "unbacked"."""
    plans: dict[str, Plans]
    """For problems with a checker only: by "all", and by the sets of `table`."""


def results_to_json(results: Results) -> dict[str, Any]:
    """Return the JSON data of a results.json, to six decimals, with groupings and a group's rules one level higher."""
    data = to_json(results, digits=6)
    groups, by_report, found = data.pop("groups"), data.pop("by_report"), data.pop("plans")
    last = {name: data.pop(name) for name in ("budget", "behaviour")}
    releases, by_set = data.pop("releases"), data.pop("by_release")
    data["by_verdict"] = {name: _flat(group) for name, group in data["by_verdict"].items()}
    data |= {grouping: {name: _flat(group) for name, group in named.items()} for grouping, named in groups.items()}
    if releases:
        data["releases"] = releases
    if by_set:
        data["by_release"] = {
            name: {release: _flat(one) for release, one in named.items()} for name, named in by_set.items()
        }
    if by_report:
        parts = ("with_report", "without_report")
        data["by_report"] = {
            name: {**one, **{part: one[part] and _flat(one[part]) for part in parts}} for name, one in by_report.items()
        }
    if found:
        data["plans"] = found
    return {**data, **last}


def _flat(group: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in group.items() if name != "rules"}, **group["rules"]}


def work_out(
    config: EvalConfig,
    problems: Iterable[Problem] | ProblemNames,
    samples: Iterable[Sample],
    *,
    errors: int = 0,
    unread: int = 0,
    releases: Sequence[LoadedRelease] = (),
) -> Results:
    """Compute the results of the samples so far.

    samples: read once. An iterator must have the samples of a problem one after another, as a finished run does. For
    each problem a few numbers are kept, see `agents.evaluation.sums`.
    """
    names = problems if isinstance(problems, ProblemNames) else ProblemNames.of(problems)
    groupings = [grouping for grouping, naming in GROUPINGS.items() if names.has(naming)]
    sets = GROUPINGS.get(_sets(groupings))
    sums = SampleSums(config, {name: GROUPINGS[name] for name in groupings}, sets=sets, releases=releases)
    for own in by_problem(samples):
        sums.add(own)
    tables = sums.tables
    rows = {grouping: found.rows() for grouping, found in sums.groups.items()}
    tests = sums.tests.rows()
    return Results(
        reasoner=config.reasoner,
        temperature=sums.temperature,
        samples=config.samples,
        seeds=config.seeds,
        problems=names.count,
        scored=sums.scored,
        needs_judge=sums.needs_judge,
        infrastructure=sums.infrastructure,
        errors=errors,
        unread_labels=unread,
        rules={rule: _overall(found, tests) for rule, found in tables.items()},
        table={rule: seed_table(found, rows.get(_sets(groupings), {}), tests) for rule, found in tables.items()},
        groups={
            grouping: {
                name: _group({rule: _chosen(table.share, part) for rule, table in tables.items()})
                for name, part in parts.items()
            }
            for grouping, parts in rows.items()
        },
        releases=release_files(releases),
        by_release=sums.releases.total(),
        # All problems first, then groups, then kinds.
        by_report={
            name: _reliance(sums.by_report[name])
            for name in sorted(sums.by_report, key=("all", *GROUPS, *sums.by_report).index)
        },
        by_verdict={name: _group(sums.by_verdict[name].by_rule) for name in VERDICTS if name in sums.by_verdict},
        plans=sums.plans.total(),
        budget=sums.budget.total(max_executions=config.max_executions, max_tokens=config.max_tokens),
        behaviour=sums.behaviour.total(),
    )


def _sets(groups: Collection[str]) -> str:
    return next((grouping for grouping in SETS if grouping in groups), "")


def _overall(found: TallyTable, tests: Mapping[str, Iterable[int]]) -> dict[str, Interval]:
    if not found:
        return {}
    figures = {"pass@1": mean_share(found.share)}
    for name, values in found.at_k.items():
        # A problem with samples that the sandbox failed may have too few.
        if whole := known(values):
            figures[f"{name}@{found.samples}"] = mean_share(whole)
    if len(tests) > 1:
        figures["macro"] = macro_share([_chosen(found.share, part) for part in tests.values()])
    return figures


def _chosen(values: Sequence[float], rows: Iterable[int]) -> "array[float]":
    return array("d", (values[row] for row in rows))


def _group(shares: Mapping[str, Sequence[float]]) -> Group:
    rules = {rule: mean_share(found) for rule, found in shares.items()}
    return Group(problems=len(next(iter(shares.values()))), rules=rules)


def _reliance(sums: RelianceSums) -> Reliance:
    def group(shares: Shares) -> Group | None:
        return _group(shares.by_rule) if shares else None

    return Reliance(
        with_report=group(sums.with_report), without_report=group(sums.without_report), unanswered=sums.unanswered
    )
