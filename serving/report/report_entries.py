"""Turn a record into data for the page: a small row for the index, and the trajectory for a block.

Result files and the token ids of native trajectories are left out. Offsets become span numbers, since a browser counts
characters in UTF-16.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from storm_calm.agents.curation.records import record_from_json
from storm_calm.agents.evaluation.samples import sample_from_json
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import Cost
from storm_calm.agents.runs.rollout_record import RolloutRecord, rollout_from_json
from storm_calm.agents.triggers import findings
from storm_calm.agents.verdict import Verdict, verdict
from storm_calm.env import Episode, Finding, Score, score
from storm_calm.env.reward import scorable
from storm_calm.env.serialize import to_json
from storm_calm.env.workspace import shown_question
from storm_calm.sandbox import Execution
from storm_calm.serving.report.markdown_tree import markdown_tree
from storm_calm.serving.report.plan_entry import plan_entry
from storm_calm.serving.report.text_parts import text_parts, transcript_parts
from storm_calm.serving.report.token_ids import token_data

FIELDS = (
    "key", "id", "sample", "family", "difficulty", "question", "outcome", "right", "native", "backed", "triggers",
    "finders", "share", "positions", "rejected_hints", "cost", "tokens", "native_tokens", "programs", "seconds", "at",
    "stop", "step", "group", "reward", "flaw",
)  # fmt: skip
"""The columns of the index, in the order that `assets/data.js` expects."""

QUESTION = 1000
"""Most characters of a question in the index, for searching."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A record for the page."""

    row: Mapping[str, Any]
    """A value for each of `FIELDS`."""
    details: Mapping[str, Any]
    """All data that is not in the index."""

    @property
    def key(self) -> str:
        """The unique key within the run, used in links."""
        return str(self.row["key"])

    @property
    def values(self) -> list[Any]:
        """The row as a list in the order of `FIELDS`."""
        return [self.row[name] for name in FIELDS]


def curation_entry(data: Mapping[str, Any]) -> Entry:
    """Return the entry of a curation record. Raises ValueError, KeyError, TypeError or AttributeError."""
    record = record_from_json(data)
    episode, native = record.episode, record.native
    native_score = score(native) if scorable(native.problem) else None
    return _entry(
        episode,
        score(episode) if scorable(episode.problem) else None,
        [one.finding for one in episode.interventions],
        row={
            "key": _linkable(record.id),
            "outcome": record.outcome,
            "native": _right(native_score),
            "rejected_hints": [rejected.reason for rejected in record.rejected_hints],
            "cost": list(asdict(record.cost).values()) if record.cost != Cost() else None,
            "native_tokens": native.usage.model_tokens,
            "seconds": _seconds(episode, native),
            "at": record.at_seconds,
        },
        details={
            "seed": record.seed,
            "native": None
            if native.transcript == episode.transcript
            else _trajectory(native, native_score, verdict(native)),
            "left": _findings(episode, [record.finding] if record.finding else []),
            "rejected_hints": [to_json(rejected) for rejected in record.rejected_hints],
            "cost": to_json(record.cost),
        },
    )


def evaluation_entry(data: Mapping[str, Any], *, rule: str | None, samples: int = 1) -> Entry:
    """Return the entry of an evaluation sample, scored under `rule`. Raises as `curation_entry` does.

    samples: per problem and seed. The page numbers the samples of a problem over all seeds.
    """
    sample = sample_from_json(data)
    episode = sample.episode
    scored = score(episode, rule) if scorable(episode.problem) else None
    found = findings(episode)
    repetition = f"{sample.repetition}." if sample.repetition else ""
    key = _linkable(f"{sample.id}/{repetition}{sample.sample}")
    number = sample.repetition * samples + sample.sample
    outcome = "unscored" if scored is None else scored.reason
    row = {"key": key, "sample": number, "outcome": outcome, "at": sample.at_seconds}
    left = _findings(episode, found)
    details = {"seed": sample.seed, "temperature": sample.temperature, "left": left}
    return _entry(episode, scored, found, row=row, details=details)


def rollout_entry(data: Mapping[str, Any]) -> Entry:
    """Return the entry of a rollout in training. Raises as `curation_entry` does."""
    record = rollout_from_json(data)
    episode, found = record.episode, findings(record.episode)
    row = {
        # A step that ran again after a kill has other groups.
        "key": _linkable(f"{record.step}/{record.episode.problem.id}/{record.group[:8]}/{record.session}"),
        "sample": record.session,
        "outcome": record.score.reason,
        "at": 0.0,
        "step": record.step,
        "group": f"{record.step}/{record.group}",
        "reward": record.reward["total"],
    }
    entry = _entry(
        episode,
        record.score,
        found,
        row=row,
        details={"seed": None, "left": _findings(episode, found), "reward": record.reward},
    )
    for span, trained in zip(entry.details["trajectory"]["spans"], _trained(record), strict=True):
        span["trained"] = trained
    return entry


def _trained(record: RolloutRecord) -> Iterator[int]:
    """Yield the number of tokens of each span that the trainer trains on."""
    mask = iter(record.rollout.mask)
    for span in record.episode.transcript.spans:
        yield 0 if span.source == "prompt" else sum(islice(mask, len(span.ids or ())))


def _entry(
    episode: Episode, scored: Score | None, found: Sequence[Finding], *, row: dict[str, Any], details: dict[str, Any]
) -> Entry:
    """Return an entry: the fields that both kinds have, updated with `row` and `details`."""
    problem, usage, judged = episode.problem, episode.usage, verdict(episode)
    asked = shown_question(problem)
    common_row = {
        "id": problem.id,
        "sample": None,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "question": problem.question[:QUESTION],
        "right": _right(scored),
        "native": None,
        "backed": judged.backing == "backed",
        "triggers": [finding.trigger for finding in found],
        "finders": [finding.finder for finding in found],
        "share": round(hint_share(episode), 6),
        "positions": [round(position, 4) for position in hint_positions(episode)],
        "rejected_hints": [],
        "cost": None,
        "tokens": usage.model_tokens,
        "native_tokens": 0,
        "programs": sum(execution.ran for execution in episode.executions),
        "seconds": _seconds(episode),
        "stop": episode.stop,
        "step": None,
        "group": None,
        "reward": None,
        "flaw": found[0].rule if found else None,
    }
    common_details = {
        "temperature": None,
        "trajectory": _trajectory(episode, scored, judged, ids=True),
        "native": None,
        "rejected_hints": [],
        "cost": None,
        "question": {"text": asked, "tree": markdown_tree(asked)},
        "answers": list(problem.answers),
        "source": problem.source,
        "wanted": [output.path for output in problem.outputs],
    }
    return Entry(row=common_row | row, details=common_details | details)


def _right(scored: Score | None) -> bool | None:
    return None if scored is None or scored.reward is None else scored.reward == 1


def _seconds(*episodes: Episode) -> float:
    return round(sum(one.usage.generation_seconds + one.usage.execution_seconds for one in episodes), 3)


def _linkable(key: str) -> str:
    """Replace half surrogate pairs, which a URL cannot contain, by question marks."""
    return key.encode("utf-8", "replace").decode()


def _trajectory(episode: Episode, scored: Score | None, judged: Verdict, *, ids: bool = False) -> dict[str, Any]:
    """Return a trajectory as spans with their interventions and executions, and the verdict on its answer.

    ids: whether with the tokens.
    """
    spans: list[dict[str, Any]] = []
    executions = iter(episode.executions)
    # A later intervention may have cut an earlier hint. The last hint at a position is the one in the transcript.
    at = {intervention.cut: number for number, intervention in enumerate(episode.interventions)}
    kept: set[int] = set()
    written = ""
    transcript = episode.transcript
    for start, span, parts in zip(transcript.starts, transcript.spans, transcript_parts(transcript), strict=True):
        shown: dict[str, Any] = {"source": span.source}
        shown |= {"text": span.text} if parts is None else {"parts": parts}
        if ids:
            shown |= token_data(span)
        if span.source == "hint" and start in at:
            shown["intervention"] = at[start]
            kept.add(at[start])
        if span.source == "tool":
            shown["execution"] = _execution(next(executions), written)
        written = span.text if span.source == "model" else ""
        spans.append(shown)
    return {
        "spans": spans,
        "interventions": [
            {**to_json(one), "removed": text_parts(one.removed), "finder": one.finding.finder, "stands": number in kept}
            for number, one in enumerate(episode.interventions)
        ],
        "stop": episode.stop,
        "usage": to_json(episode.usage),
        "score": to_json(scored) if scored else None,
        "verdict": {"backing": judged.backing, "summary": judged.summary, "warnings": judged.warnings},
        "plan": plan_entry(episode),
    }


PARTS = (
    "status", "stdout", "stderr", "exit_code", "signal", "wall_seconds", "cpu_seconds", "peak_memory_mb", "truncated",
    "isolation", "backend",
)  # fmt: skip
"""The fields of an execution on the page, besides its reports."""


def _execution(execution: Execution, written: str) -> dict[str, Any]:
    """Return an execution without file contents; with its program only if the model text does not show it."""
    return {
        **{name: getattr(execution, name) for name in PARTS},
        "reports": [to_json(report) for report in execution.reports],
        "files": {name: len(content) for name, content in execution.files.items()},
        "code": None if _is_readable(execution.code.strip(), written) else execution.code,
    }


def _is_readable(code: str, text: str) -> bool:
    """Return whether the model text shows a program, as it is or as JSON in a tool call."""
    return code in text or json.dumps(code)[1:-1] in text or json.dumps(code, ensure_ascii=False)[1:-1] in text


def _findings(episode: Episode, found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings with the number of the span in which each begins."""
    starts = episode.transcript.starts
    return [
        {
            **to_json(finding),
            "finder": finding.finder,
            "span": max((number for number, start in enumerate(starts) if start <= finding.offset), default=0),
        }
        for finding in found
    ]
