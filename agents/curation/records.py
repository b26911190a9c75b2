"""The record of a problem: its trajectory under CALM with the outcome, and its trajectory without interventions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from storm_calm.agents.graphs.golden import Outcome
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import Cost, RejectedHint
from storm_calm.agents.runs.job_usage import JobUsage
from storm_calm.agents.runs.record_kind import QUESTION, RecordKind, SqlValue
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.env import Episode, Finding, Score, score
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_latest
from storm_calm.env.records import episode_from_json
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The result of one problem."""

    seed: int
    """Seed of both trajectories."""
    outcome: Outcome
    """Outcome of the trajectory under CALM."""
    finding: Finding | None
    """Flaw that the final check found in it."""
    episode: Episode
    """The trajectory under CALM."""
    native: Episode
    """The trajectory without interventions."""
    rejected_hints: tuple[RejectedHint, ...] = ()
    """Hints of the intervener that failed validation."""
    cost: Cost = field(default_factory=Cost)
    """Cost of the intervener."""
    reasoner_usage: JobUsage = field(default_factory=JobUsage)
    """What the problem used of the reasoner, in both trajectories."""
    at_seconds: float = 0.0
    """Wall seconds from the start of the curation to this record, without pauses before a --resume."""

    @property
    def id(self) -> str:
        return self.episode.problem.id

    @property
    def key(self) -> str:
        return self.id

    @property
    def final_correct(self) -> bool:
        return score(self.episode).reason == "correct"

    @property
    def native_correct(self) -> bool:
        return score(self.native).reason == "correct"

    @property
    def corrected(self) -> bool:
        """Whether only the answer under CALM is correct."""
        return self.final_correct and not self.native_correct

    @property
    def failed(self) -> bool:
        """Whether the sandbox or the problem's checker failed, so that the record does not count."""
        episodes = (self.episode, self.native)
        faulty = any(one.output_check is not None and one.output_check.fault for one in episodes)
        return faulty or any(one.stop == "infrastructure" for one in episodes)


class Derived(TypedDict):
    """Derived fields in a line of `episodes.jsonl`, for other programs."""

    id: str
    """Id of the problem."""
    score: Score
    """Score of the trajectory under CALM."""
    native_score: Score
    """Score of the trajectory without interventions."""
    hint_share: float
    """Hint tokens among the model and hint tokens of the trajectory under CALM, in [0, 1]."""
    hint_positions: tuple[float, ...]
    """Position of each hint in it, as a share of the text after the prompt."""


def record_to_json(record: Record) -> dict[str, Any]:
    """Return the JSON data of a line of `episodes.jsonl`: the record and its `Derived` fields."""
    derived = {
        "id": record.id,
        "score": to_json(score(record.episode)),
        "native_score": to_json(score(record.native)),
        "hint_share": round(hint_share(record.episode), 6),
        "hint_positions": [round(position, 6) for position in hint_positions(record.episode)],
    }
    return with_version({**derived, **to_json(record)})


def record_from_json(data: Mapping[str, Any]) -> Record:
    """Return the record in a line of `episodes.jsonl`, ignoring its `Derived` fields. Raises ValueError."""
    own = {name: value for name, value in without_version(data).items() if name not in Derived.__annotations__}
    return from_json(Record, own)


def _row(data: dict[str, Any]) -> tuple[str, dict[str, SqlValue]]:
    record = record_from_json(data)
    episode, native, problem = record.episode, record.native, record.episode.problem
    right, native_right = (
        None if one.reward is None else int(one.reward == 1) for one in map(score, (episode, native))
    )
    findings = [one.finding for one in episode.interventions]
    return record.id, {
        "id": record.id,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "outcome": record.outcome,
        "right": right,
        "native": native_right,
        "corrected": int(record.corrected),
        "failed": int(record.failed),
        "stop": str(episode.stop),
        "interventions": len(findings),
        "triggers": ",".join(finding.trigger for finding in findings),
        "finders": ",".join(finding.finder for finding in findings),
        "rejected": ",".join(rejected.reason for rejected in record.rejected_hints),
        "hint_share": round(hint_share(episode), 6),
        "hint_positions": ",".join(str(round(position, 6)) for position in hint_positions(episode)),
        "executions": sum(execution.ran for execution in episode.executions),
        "model_tokens": episode.usage.model_tokens,
        "native_tokens": native.usage.model_tokens,
        "seconds": sum(one.usage.generation_seconds + one.usage.execution_seconds for one in (episode, native)),
        "at_seconds": record.at_seconds,
        "question": problem.question[:QUESTION],
    }


CURATION_RECORDS = RecordKind(
    name="episodes",
    what="a record of this curation",
    columns={
        "id": "TEXT",
        "family": "TEXT",
        "difficulty": "TEXT",
        "outcome": "TEXT",
        "right": "INTEGER",
        "native": "INTEGER",
        "corrected": "INTEGER",
        "failed": "INTEGER",
        "stop": "TEXT",
        "interventions": "INTEGER",
        "triggers": "TEXT",
        "finders": "TEXT",
        "rejected": "TEXT",
        "hint_share": "REAL",
        "hint_positions": "TEXT",
        "executions": "INTEGER",
        "model_tokens": "INTEGER",
        "native_tokens": "INTEGER",
        "seconds": "REAL",
        "at_seconds": "REAL",
        "question": "TEXT",
    },
    row=_row,
    listed=(
        "family", "outcome", "right", "native", "stop", "triggers", "finders", "rejected", "hint_share",
        "hint_positions", "model_tokens", "native_tokens", "executions", "seconds", "at_seconds",
    ),
)  # fmt: skip
"""The records of a curation, by the id of the problem.

`right` and `native` are 1 or 0 under the problem's own rule, or NULL if it cannot be scored; several triggers, finders,
reasons and positions are separated by commas.
"""


def _golden_row(data: dict[str, Any]) -> tuple[str, dict[str, SqlValue]]:
    problem = episode_from_json(data).problem
    return problem.id, {"id": problem.id, "family": problem.family, "difficulty": problem.difficulty}


GOLDEN_EPISODES = RecordKind(
    name="golden",
    what="an episode",
    columns={"id": "TEXT", "family": "TEXT", "difficulty": "TEXT"},
    row=_golden_row,
)
"""The golden trajectories of a curation, by the id of the problem."""


def run_records(run: Path) -> Iterator[Record]:
    """Yield the records in a run folder in the order of the run, one at a time. Raises ValueError with the file."""
    with RecordStore.open(run, CURATION_RECORDS) as store:
        yield from map(record_from_json, store.records())


def read_records(path: Path) -> tuple[Record, ...]:
    """Return the last record of each problem in an `episodes.jsonl`, see `env.jsonl.read_latest`. Raises ValueError."""
    return tuple(read_latest(path, record_from_json, key=lambda record: record.id, what="a record of this curation"))
