"""The jobs of an evaluation, and the file of their samples while it runs."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

from storm_calm.agents.evaluation.sample_runner import Job
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, Sample, sample_from_json, sample_to_json
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.resume import KeptResult
from storm_calm.env import Problem, score
from storm_calm.env.reward import scorable

Key = tuple[str, int, int]
"""The id of a problem, and the numbers of the repetition and the sample."""


class SampleJobs:
    """The jobs of an evaluation by key: in each repetition, each sample of all problems."""

    def __init__(self, problems: Sequence[Problem], *, repetitions: int, samples: int) -> None:
        self._problems, self._repetitions, self._samples = problems, repetitions, samples

    def __len__(self) -> int:
        return len(self._problems) * self._repetitions * self._samples

    def __iter__(self) -> Iterator[Key]:
        return (key for key, _ in self.items())

    def __contains__(self, key: object) -> bool:
        return any(key == one for one in self)

    def items(self) -> Iterable[tuple[Key, Job]]:
        for repetition, number in product(range(self._repetitions), range(self._samples)):
            for problem in self._problems:
                yield (problem.id, repetition, number), (problem, repetition, number)

    def in_order(self) -> Iterator[Key]:
        """Yield the keys in the order of a finished run, in which the samples of a problem follow each other."""
        for problem in self._problems:
            for repetition, number in product(range(self._repetitions), range(self._samples)):
                yield problem.id, repetition, number


class SampleFile:
    """The samples of an evaluation, opened to write."""

    def __init__(self, run: Path, *, expected: int) -> None:
        """expected: the number of samples, which decides the form of a new run."""
        self._run, self._expected = run, expected

    @cached_property
    def store(self) -> RecordStore:
        return RecordStore.open(self._run, EVALUATION_SAMPLES, write=True, expected=self._expected)

    def close(self) -> None:
        """Close the store, if it is open."""
        if (store := self.__dict__.pop("store", None)) is not None:
            store.close()

    def add(self, sample: Sample) -> None:
        """Store a sample. It is on disk when this returns."""
        self.store.append(sample_to_json(sample))

    def read(self) -> Iterator[Sample]:
        """Yield the samples in the order of the run."""
        return map(sample_from_json, self.store.records())

    def kept(self, rule: str) -> Iterator[KeptResult]:
        """Yield what counts of the samples of earlier sessions, under a rule."""
        columns = ("id", "repetition", "sample", "failed", "needs_judge", "scorable", "right_under", "at_seconds")
        for id, repetition, sample, failed, needs_judge, scored, right_under, at in self.store.rows(columns):
            right = rule in (right_under or "").split(",")
            yield KeptResult(
                key=(id, repetition, sample),
                failed=bool(failed),
                at_seconds=at,
                counts={"right": right} if scored else {"needs a judge": needs_judge},
            )


def sample_labels(rule: str, sample: Sample) -> dict[str, int]:
    """Return what a sample adds to the counts of the progress."""
    if not scorable(sample.episode.problem):
        return {"needs a judge": sample.needs_judge}
    return {"right": score(sample.episode, rule).reward == 1.0}
