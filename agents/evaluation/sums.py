"""What results are computed from, added up over samples: a few numbers for each problem, in compact arrays.

A problem takes 8 bytes under each rule, 8 more with each seed, 4 for each grouping, and each of its samples 32.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from storm_calm.agents.evaluation.behaviour import BehaviourSums
from storm_calm.agents.evaluation.budget import BudgetSums
from storm_calm.agents.evaluation.by_release import ReleaseSums
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.plans import PlanSums
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.evaluation.tallies import GroupNames, Shares, TallyTable, tallies
from storm_calm.agents.verdict import backed_by_report, verdict
from storm_calm.env import Problem, read_answer
from storm_calm.env.problems.benchmarks import LoadedRelease, benchmark_of
from storm_calm.env.problems.families.tasks import ORIGINAL, variant_of
from storm_calm.env.problems.stress import group_of

Naming = Callable[[Problem], str]


class ProblemNames:
    """The number of problems, and one for each set of names that groupings give."""

    def __init__(self) -> None:
        self.count = 0
        self._examples: dict[tuple[str, ...], Problem] = {}

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        names = cls()
        for problem in problems:
            names.add(problem)
        return names

    def add(self, problem: Problem) -> None:
        self.count += 1
        named = benchmark_of(problem), problem.family, problem.difficulty, group_of(problem), variant_of(problem)
        self._examples.setdefault(named, problem)

    def has(self, naming: Naming) -> bool:
        """Return whether a grouping has named problems that are not only originals."""
        return any(naming(problem) not in ("", ORIGINAL) for problem in self._examples.values())


class RelianceSums:
    """The accuracy with and without a solver report."""

    def __init__(self, rules: Sequence[str]) -> None:
        self.with_report, self.without_report = Shares(rules), Shares(rules)
        self.unanswered = 0

    def add(self, samples: Iterable[Sample]) -> None:
        """Add all samples of a problem."""
        parts: dict[bool, list[Sample]] = {True: [], False: []}
        for sample in samples:
            if sample.episode.stop == "answer" and read_answer(sample.episode.transcript):
                parts[backed_by_report(sample.episode)].append(sample)
            else:
                self.unanswered += 1
        self.with_report.add(parts[True])
        self.without_report.add(parts[False])


class SampleSums:
    """Everything that results are computed from."""

    def __init__(
        self,
        config: EvalConfig,
        groupings: Mapping[str, Naming],
        *,
        sets: Naming | None,
        releases: Sequence[LoadedRelease],
    ) -> None:
        """groupings: of problems by name. sets: the grouping that is the rows of the table."""
        self._rules = config.rule
        self.temperature: float | None = None
        self.scored = self.needs_judge = self.infrastructure = 0
        self.tables = {rule: TallyTable(seeds=config.seeds, samples=config.samples) for rule in config.rule}
        self.groups = {name: GroupNames(naming) for name, naming in groupings.items()}
        self.tests = GroupNames(benchmark_of)
        self.releases = ReleaseSums(releases, config.rule)
        self.by_report: dict[str, RelianceSums] = {}
        self.by_verdict: dict[str, Shares] = {}
        self.plans = PlanSums(sets)
        self.budget, self.behaviour = BudgetSums(), BehaviourSums()

    def add(self, samples: Sequence[Sample]) -> None:
        """Add all samples of a problem."""
        if self.temperature is None:
            self.temperature = samples[0].temperature
        for sample in samples:
            self.scored += not sample.failed and not sample.needs_judge
            self.needs_judge += sample.needs_judge
            self.infrastructure += sample.episode.stop == "infrastructure"
            self.budget.add(sample)
            self.behaviour.add(sample)
        for rule, table in self.tables.items():
            for tally in tallies(samples, rule).values():
                table.add(tally)
                if rule == self._rules[0]:  # The same problems have a score under every rule.
                    for names in (*self.groups.values(), self.tests):
                        names.add(tally.problem)
        self.releases.add(samples)
        self.plans.add(samples)
        self._add_reports([sample for sample in samples if not sample.failed])
        self._add_verdicts([sample for sample in samples if not sample.failed and not sample.needs_judge])

    def _add_reports(self, samples: Sequence[Sample]) -> None:
        if samples and (group := group_of(samples[0].episode.problem)):
            for name in dict.fromkeys(("all", group, samples[0].episode.problem.family)):
                self.by_report.setdefault(name, RelianceSums(self._rules)).add(samples)

    def _add_verdicts(self, samples: Iterable[Sample]) -> None:
        parts: dict[str, list[Sample]] = {}
        for sample in samples:
            found = verdict(sample.episode)
            warned = found.backing == "backed" and bool(found.warnings)
            name = "backed, warnings" if warned else str(found.backing)
            parts.setdefault(name, []).append(sample)
        for name, part in parts.items():
            self.by_verdict.setdefault(name, Shares(self._rules)).add(part)
