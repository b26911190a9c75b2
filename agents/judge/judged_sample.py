"""The judged sample: a line of `judgments.jsonl`.

The fields of the published judgments have their names, so the file of a run with one sample per problem can be given to
the published scorer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from storm_calm.agents.interveners.cost import Cost
from storm_calm.agents.judge.judgment import Decision, JudgedScore, Judgment
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_latest
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedSample(Judgment):
    """A judgment on the explanation of one sample."""

    # Repeated for their descriptions in the schema.
    llm_boolean_judgments: tuple[Decision, ...]
    """The judge's decisions about the criteria, in the order of the checklist."""
    reasoning: JudgedScore
    """In [0, 35]."""
    grounding: JudgedScore
    """In [0, 20]."""
    answer_quality: JudgedScore
    """In [0, 10]."""
    hallucination_penalty: JudgedScore
    """In [0, 20]; subtracted."""
    instance_id: str
    """Published id of the problem."""
    id: str
    """Id of the problem in `samples.jsonl`."""
    repetition: int
    """The number of the repetition, as in `samples.jsonl`."""
    sample: int
    """The number of the sample, as in `samples.jsonl`."""
    judge_model: str
    """The judge, as requests name it."""
    judge_prompt_sha256: str
    """SHA-256 of the system prompt."""
    request: str
    """Hash of judge, prompt and input. A judgment counts only for the same request."""
    replied_by: str
    """The judge, as the endpoint names it in the reply; "" if it was not asked."""
    replies: int
    """Replies until the judgment, including it; 0 if there was no explanation, then all scores are 0."""
    cost: Cost
    """Requests, tokens and price."""
    at_seconds: float = 0.0
    """Wall seconds from the start of the judging to this judgment, without pauses."""

    @property
    def key(self) -> tuple[str, int, int]:
        return self.id, self.repetition, self.sample

    @property
    def failed(self) -> bool:
        return False


def judgment_fields(judgment: Judgment) -> dict[str, Any]:
    """Return the fields of a judgment, to make a `JudgedSample` of it."""
    return {field.name: getattr(judgment, field.name) for field in fields(Judgment)}


def judged_to_json(judged: JudgedSample) -> dict[str, Any]:
    """Return the JSON data of a line of `judgments.jsonl`."""
    return with_version(to_json(judged))


def judged_from_json(data: Mapping[str, Any]) -> JudgedSample:
    """Return the judged sample in a line of `judgments.jsonl`. Raises ValueError that names the field."""
    return from_json(JudgedSample, without_version(data))


def read_judged(path: Path) -> list[JudgedSample]:
    """Return the last judgment of each sample and request in a `judgments.jsonl`. Raises ValueError."""
    return read_latest(path, judged_from_json, key=lambda one: (one.key, one.request), what="a judgment")
