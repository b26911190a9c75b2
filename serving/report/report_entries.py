"""What the page shows of a record: a small row for its index, and the whole trajectory for its block.

Token ids stay out of it, and so do a program's result files. Offsets become numbers of spans, since a browser counts
characters in another way than Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from storm_calm.agents.curation.records import record_from_json
from storm_calm.agents.evaluation.samples import sample_from_json
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import Cost
from storm_calm.agents.triggers import findings
from storm_calm.env import Episode, Finding, Score, score
from storm_calm.env.serialize import to_json
from storm_calm.env.solver_backing import backed_by_report
from storm_calm.sandbox import Execution

FIELDS = (
    "key", "id", "sample", "family", "difficulty", "question", "outcome", "right", "native", "backed", "triggers",
    "finders", "share", "positions", "rejected_hints", "cost", "tokens", "native_tokens", "programs", "seconds", "at",
)  # fmt: skip
"""The columns of the index, in order, for `assets/data.js`."""

QUESTION = 1000
"""Characters of a question that are in the index, to be searched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A record for the page."""

    row: Mapping[str, Any]
    """What the index has of it: a value for each of `FIELDS`."""
    details: Mapping[str, Any]
    """Everything else, read when somebody looks at it."""

    @property
    def key(self) -> str:
        """What tells it from the others of its run, and stands in links."""
        return str(self.row["key"])

    @property
    def values(self) -> list[Any]:
        """The row as the index has it."""
        return [self.row[name] for name in FIELDS]


def curation_entry(data: Mapping[str, Any]) -> Entry:
    """The entry of a curation's record. Raises ValueError, KeyError, TypeError or AttributeError for what is none."""
    record = record_from_json(data)
    episode, native = record.episode, record.native
    scored = score(episode) if episode.problem.answers else None
    found = [one.finding for one in episode.interventions]
    row = _row(episode, found) | {
        "key": _linkable(record.id),
        "sample": None,
        "outcome": record.outcome,
        "right": _right(scored),
        "native": _right(score(native) if native.problem.answers else None),
        "rejected_hints": [rejected.reason for rejected in record.rejected_hints],
        "cost": list(asdict(record.cost).values()) if record.cost != Cost() else None,
        "native_tokens": native.usage.model_tokens,
        "seconds": _seconds(episode) + _seconds(native),
        "at": record.at_seconds,
    }
    same = native.transcript == episode.transcript
    details = {
        "seed": record.seed,
        "temperature": None,
        "trajectory": _trajectory(episode, scored),
        "native": None if same else _trajectory(native, score(native) if native.problem.answers else None),
        "left": _findings(episode, [record.finding] if record.finding else []),
        "rejected_hints": [to_json(rejected) for rejected in record.rejected_hints],
        "cost": to_json(record.cost),
        **_problem(episode),
    }
    return Entry(row=row, details=details)


def evaluation_entry(data: Mapping[str, Any], *, rule: str | None) -> Entry:
    """The entry of an evaluation's sample, scored under `rule`; raises as `curation_entry` does."""
    sample = sample_from_json(data)
    episode = sample.episode
    scored = score(episode, rule)
    found = findings(episode)
    row = _row(episode, found) | {
        "key": _linkable(f"{sample.id}/{sample.sample}"),
        "sample": sample.sample,
        "outcome": scored.reason,
        "right": _right(scored),
        "native": None,
        "rejected_hints": [],
        "cost": None,
        "native_tokens": 0,
        "seconds": _seconds(episode),
        "at": sample.at_seconds,
    }
    details = {
        "seed": sample.seed,
        "temperature": sample.temperature,
        "trajectory": _trajectory(episode, scored),
        "native": None,
        "left": _findings(episode, found),
        "rejected_hints": [],
        "cost": None,
        **_problem(episode),
    }
    return Entry(row=row, details=details)


def _row(episode: Episode, found: Sequence[Finding]) -> dict[str, Any]:
    """What rows of both kinds have."""
    problem, usage = episode.problem, episode.usage
    return {
        "id": problem.id,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "question": problem.question[:QUESTION],
        "backed": backed_by_report(episode),
        "triggers": [finding.trigger for finding in found],
        "finders": [finding.finder for finding in found],
        "share": round(hint_share(episode), 6),
        "positions": [round(position, 4) for position in hint_positions(episode)],
        "tokens": usage.model_tokens,
        "programs": len(episode.executions),
    }


def _problem(episode: Episode) -> dict[str, Any]:
    problem = episode.problem
    return {"question": problem.question, "answers": list(problem.answers), "source": problem.source}


def _right(scored: Score | None) -> bool | None:
    return None if scored is None or scored.reward is None else scored.reward == 1


def _seconds(episode: Episode) -> float:
    return round(episode.usage.generation_seconds + episode.usage.execution_seconds, 3)


def _linkable(key: str) -> str:
    """A key that any address can hold: half a surrogate pair, which none can, becomes a question mark."""
    return key.encode("utf-8", "replace").decode()


def _trajectory(episode: Episode, scored: Score | None) -> dict[str, Any]:
    """Return a trajectory as the page draws it: spans, each with what belongs to it."""
    spans: list[dict[str, Any]] = []
    executions = iter(episode.executions)
    # A later hint may have cut an earlier one away; of those at one place the last one is what stands there.
    at = {intervention.cut: number for number, intervention in enumerate(episode.interventions)}
    standing: set[int] = set()
    written = ""
    for start, span in zip(episode.transcript.starts, episode.transcript.spans, strict=True):
        shown: dict[str, Any] = {"source": span.source, "text": span.text}
        if span.source == "hint" and start in at:
            shown["intervention"] = at[start]
            standing.add(at[start])
        if span.source == "tool":
            shown["execution"] = _execution(next(executions), written)
        written = span.text if span.source == "model" else ""
        spans.append(shown)
    return {
        "spans": spans,
        "interventions": [
            {**to_json(one), "finder": one.finding.finder, "stands": number in standing}
            for number, one in enumerate(episode.interventions)
        ],
        "stop": episode.stop,
        "usage": to_json(episode.usage),
        "score": to_json(scored) if scored else None,
    }


PARTS = (
    "status", "stdout", "stderr", "exit_code", "signal", "wall_seconds", "cpu_seconds", "peak_memory_mb", "truncated",
    "isolation", "backend",
)  # fmt: skip
"""What the page shows of an execution beside its reports."""


def _execution(execution: Execution, written: str) -> dict[str, Any]:
    """An execution without the content of its files; its program only where it is not in the text before it."""
    return {
        **{name: getattr(execution, name) for name in PARTS},
        "reports": [to_json(report) for report in execution.reports],
        "files": {name: len(content) for name, content in execution.files.items()},
        "code": None if _is_readable(execution.code.strip(), written) else execution.code,
    }


def _is_readable(code: str, text: str) -> bool:
    """Return whether a program can be read in the model's text before it; a tool call has it as JSON."""
    return code in text or json.dumps(code)[1:-1] in text or json.dumps(code, ensure_ascii=False)[1:-1] in text


def _findings(episode: Episode, found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings in a run as it stands, each with the number of the span that it begins in."""
    starts = episode.transcript.starts
    return [
        {
            **to_json(finding),
            "finder": finding.finder,
            "span": max((number for number, start in enumerate(starts) if start <= finding.offset), default=0),
        }
        for finding in found
    ]
