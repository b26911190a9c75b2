"""The sample: one trajectory of an evaluation."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from storm_calm.agents.runs.job_usage import JobUsage
from storm_calm.agents.runs.record_kind import QUESTION, RecordKind, SqlValue
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.env import RULES, Episode, Problem, score
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_latest
from storm_calm.env.reward import scorable
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One of the trajectories on a problem."""

    sample: int
    """The number of the sample, from 0, in its repetition."""
    repetition: int = 0
    """The number of its repetition of the evaluation, from 0; see `EvalConfig.seeds`."""
    seed: int
    """Its seed, see `sample_seed`."""
    temperature: float
    """Its sampling temperature."""
    episode: Episode
    """The trajectory."""
    reasoner_usage: JobUsage = field(default_factory=JobUsage)
    """What it used of the reasoner."""
    at_seconds: float = 0.0
    """Wall seconds from the start of the evaluation to this sample, without pauses before a --resume."""

    @property
    def id(self) -> str:
        return self.episode.problem.id

    @property
    def key(self) -> tuple[str, int, int]:
        return self.id, self.repetition, self.sample

    @property
    def failed(self) -> bool:
        """Whether the sandbox or the problem's checker failed, so that the sample does not count."""
        return self.episode.stop == "infrastructure" or self.checker_failed

    @property
    def needs_judge(self) -> bool:
        """Whether only a judge can score it, because its problem has no accepted answers and no checker."""
        return not self.failed and not scorable(self.episode.problem)

    @property
    def checker_failed(self) -> bool:
        check = self.episode.output_check
        return check is not None and bool(check.fault)


class Derived(TypedDict):
    """Derived fields in a line of `samples.jsonl`, for other programs."""

    id: str
    """Id of the problem."""


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """Return the JSON data of a line of `samples.jsonl`: the sample and its `Derived` fields."""
    return with_version({"id": sample.id, **to_json(sample)})


def sample_from_json(data: Mapping[str, Any]) -> Sample:
    """Return the sample in a line of `samples.jsonl`. Raises ValueError that names the field."""
    own = {name: value for name, value in without_version(data).items() if name not in Derived.__annotations__}
    return from_json(Sample, own)


def _row(data: dict[str, Any]) -> tuple[str, dict[str, SqlValue]]:
    sample = sample_from_json(data)
    episode, problem = sample.episode, sample.episode.problem
    scores = {rule: score(episode, rule) for rule in RULES} if scorable(problem) else {}
    counts = bool(scores) and not sample.failed
    return sample_key(*sample.key), {
        "id": sample.id,
        "repetition": sample.repetition,
        "sample": sample.sample,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "right_under": ",".join(rule for rule, one in scores.items() if one.reward == 1) if counts else None,
        "reason": scores[problem.rule].reason if problem.rule in scores else None,
        "failed": int(sample.failed),
        "scorable": int(bool(scores)),
        "needs_judge": int(sample.needs_judge),
        "stop": str(episode.stop),
        "executions": sum(execution.ran for execution in episode.executions),
        "model_tokens": episode.usage.model_tokens,
        "seconds": episode.usage.generation_seconds + episode.usage.execution_seconds,
        "at_seconds": sample.at_seconds,
        "problem": _problem_hash(problem),
        "question": problem.question[:QUESTION],
    }


def _problem_hash(problem: Problem) -> str:
    asked = json.dumps([problem.id, problem.question, problem.answers], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sample_key(id: str, repetition: int, sample: int) -> str:
    """Return the key of a sample in a store of `EVALUATION_SAMPLES`."""
    return json.dumps([id, repetition, sample], ensure_ascii=False)


EVALUATION_SAMPLES = RecordKind(
    name="samples",
    what="a sample of this evaluation",
    columns={
        "id": "TEXT",
        "repetition": "INTEGER",
        "sample": "INTEGER",
        "family": "TEXT",
        "difficulty": "TEXT",
        "right_under": "TEXT",
        "reason": "TEXT",
        "failed": "INTEGER",
        "scorable": "INTEGER",
        "needs_judge": "INTEGER",
        "stop": "TEXT",
        "executions": "INTEGER",
        "model_tokens": "INTEGER",
        "seconds": "REAL",
        "at_seconds": "REAL",
        "problem": "TEXT",
        "question": "TEXT",
    },
    row=_row,
    listed=("family", "right_under", "reason", "stop", "model_tokens", "executions", "seconds", "at_seconds"),
)
"""The samples of an evaluation, by `sample_key`.

`right_under` has the rules under which the sample is correct, separated by commas, so that other rules of the run do
not change the index; NULL if the sample does not count or needs a judge. `reason` is that of the problem's own rule.
`problem` is a hash of the problem's id, question and answers.
"""


def sample_seed(seed: int, sample: int, id: str) -> int:
    """Return the seed of a sample, in [0, 2**31), from the repetition's seed, its number and the problem's id."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{sample}|{id}".encode()).digest()[:4], "big") >> 1


def run_samples(run: Path) -> Iterator[Sample]:
    """Yield the samples in a run folder in the order of the run, one at a time. Raises ValueError with the file."""
    with RecordStore.open(run, EVALUATION_SAMPLES) as store:
        yield from map(sample_from_json, store.records())


def read_samples(path: Path) -> tuple[Sample, ...]:
    """Return the last sample of each key in a `samples.jsonl`, as `env.jsonl.read_latest` does. Raises ValueError."""
    return tuple(read_latest(path, sample_from_json, key=lambda one: one.key, what="a sample of this evaluation"))
