"""The accuracy under the labels of several releases of a test set, from the same samples.

The samples answer the questions of the first release. The label of another release counts if it has the same question
(`env.problems.benchmarks.match_questions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from storm_calm.agents.evaluation.intervals import Interval, mean_share
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.evaluation.tallies import tallies
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


def by_release(
    samples: Sequence[Sample], releases: Sequence[LoadedRelease], rules: Sequence[str]
) -> dict[str, dict[str, ReleaseScore]]:
    """Return the accuracy by test set and release, for sets with several releases."""
    sets: dict[str, list[LoadedRelease]] = {}
    for release in releases:
        sets.setdefault(release.benchmark, []).append(release)
    return {
        name: {release.release: _score(samples, part[0], release, rules) for release in part}
        for name, part in sets.items()
        if len(part) > 1
    }


def _score(
    samples: Sequence[Sample], first: LoadedRelease, release: LoadedRelease, rules: Sequence[str]
) -> ReleaseScore:
    own: Labels = {problem.id: problem.answers for problem in first.problems}
    labels: Labels = own if release is first else match_labels(first.problems, release.problems)
    back = own if release is first else match_labels(release.problems, first.problems)
    shared = [sample for sample in samples if sample.id in labels]
    problems, accuracy = _accuracy(shared, labels, rules)
    return ReleaseScore(
        file=release.file,
        sha256=release.sha256,
        matched=len(labels),
        unmatched_problems=len(own) - len(labels),
        unmatched_rows=len(release.problems) - len(back),
        differing_labels=sum(not same_label(own[id], labels[id]) for id in labels),
        problems=problems,
        rules=accuracy,
        first=_accuracy(shared, own, rules)[1],
    )


def _accuracy(samples: Sequence[Sample], labels: Labels, rules: Sequence[str]) -> tuple[int, dict[str, Interval]]:
    """Return the number of problems with a scored sample, and the accuracy with these labels."""
    relabelled = [_with_label(sample, labels[sample.id]) for sample in samples]
    by_rule = {rule: tallies(relabelled, rule) for rule in rules}
    count = len(next(iter(by_rule.values())))
    return count, {rule: mean_share([one.share for one in found.values()]) for rule, found in by_rule.items() if found}


def _with_label(sample: Sample, answers: tuple[AnswerKey, ...]) -> Sample:
    episode = sample.episode
    return replace(sample, episode=replace(episode, problem=replace(episode.problem, answers=answers)))
