"""The accuracy under the labels of several releases of a test set, from the same samples.

The samples answer the questions of the first release. The label of another release counts if it has the same question
(`env.problems.benchmarks.match_questions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from storm_calm.agents.evaluation.intervals import Interval, mean_share
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.evaluation.tallies import Shares
from storm_calm.env import AnswerKey
from storm_calm.env.problems.benchmarks import LoadedRelease, match_labels, same_label

Labels = Mapping[str, tuple[AnswerKey, ...]]
"""The accepted answers by the id of the problem."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFile:
    """A release of a test set, as it was read."""

    benchmark: str
    release: str
    file: str
    """Name of the file or folder, or repository and split on the Hub."""
    sha256: str
    """SHA-256 of the file, or of the files in the folder; "" on the Hub."""
    published: bool | None
    """Whether this is the SHA-256 of a published file of the release; None without a SHA-256."""
    problems: int
    """Problems with a readable label; for the first release at most `limit`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseScore:
    """The accuracy under the labels of a release, on the questions that it shares with the first release."""

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
    problems: int
    """Matched problems with at least one scored sample."""
    rules: dict[str, Interval]
    """pass@1 under each rule; empty without scores."""
    first: dict[str, Interval]
    """pass@1 of the same problems with the labels of the first release."""


def release_files(releases: Sequence[LoadedRelease]) -> tuple[ReleaseFile, ...]:
    """Return what the results say about the releases that were read."""
    return tuple(
        ReleaseFile(
            benchmark=one.benchmark,
            release=one.release,
            file=one.file,
            sha256=one.sha256,
            published=one.published,
            problems=len(one.problems),
        )
        for one in releases
    )


class ReleaseSums:
    """The accuracy by test set and release, for sets with several releases."""

    def __init__(self, releases: Sequence[LoadedRelease], rules: Sequence[str]) -> None:
        sets: dict[str, list[LoadedRelease]] = {}
        for release in releases:
            sets.setdefault(release.benchmark, []).append(release)
        self._sets = {
            name: {release.release: _Relabelled(part[0], release, rules) for release in part}
            for name, part in sets.items()
            if len(part) > 1
        }

    def add(self, samples: Sequence[Sample]) -> None:
        """Add all samples of a problem."""
        for part in self._sets.values():
            for one in part.values():
                one.add(samples)

    def total(self) -> dict[str, dict[str, ReleaseScore]]:
        return {name: {release: one.total() for release, one in part.items()} for name, part in self._sets.items()}


class _Relabelled:
    """The samples of a set under the labels of a release."""

    def __init__(self, first: LoadedRelease, release: LoadedRelease, rules: Sequence[str]) -> None:
        self._release = release
        self._own: Labels = {problem.id: problem.answers for problem in first.problems}
        same = release is first
        self._labels: Labels = self._own if same else match_labels(first.problems, release.problems)
        back = self._own if same else match_labels(release.problems, first.problems)
        self._unmatched_rows = len(release.problems) - len(back)
        self._shares, self._first = Shares(rules), Shares(rules)

    def add(self, samples: Sequence[Sample]) -> None:
        id = samples[0].id
        if id in self._labels:
            self._shares.add(_with_label(sample, self._labels[id]) for sample in samples)
            self._first.add(_with_label(sample, self._own[id]) for sample in samples)

    def total(self) -> ReleaseScore:
        own, labels = self._own, self._labels
        return ReleaseScore(
            file=self._release.file,
            sha256=self._release.sha256,
            matched=len(labels),
            unmatched_problems=len(own) - len(labels),
            unmatched_rows=self._unmatched_rows,
            differing_labels=sum(not same_label(own[id], labels[id]) for id in labels),
            problems=len(self._shares),
            rules=_accuracy(self._shares),
            first=_accuracy(self._first),
        )


def _accuracy(shares: Shares) -> dict[str, Interval]:
    return {rule: mean_share(found) for rule, found in shares.by_rule.items() if found}


def _with_label(sample: Sample, answers: tuple[AnswerKey, ...]) -> Sample:
    episode = sample.episode
    return replace(sample, episode=replace(episode, problem=replace(episode.problem, answers=answers)))
