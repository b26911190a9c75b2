"""Write the records of a run as a flat table for analysis: one row per record, in Parquet.

    write_table(Path("runs/first"), Path("first.parquet"))
    pandas.read_parquet("first.parquet").groupby("family").right.mean()

Each row is of one trajectory, without its text. A curation has a row per problem, an evaluation a row per sample.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typing_extensions import TypedDict

from storm_calm.agents.curation.records import record_from_json
from storm_calm.agents.evaluation.samples import sample_from_json
from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.agents.verdict import solver_backing
from storm_calm.env import Episode, Score, score
from storm_calm.env.reward import scorable
from storm_calm.rl.datasets.dataset_files import pyarrow, write_parquet
from storm_calm.rl.datasets.sources import curation_lines, evaluation_lines


class RecordRow(TypedDict):
    """The columns of the table, in order. Columns of the other kind of run are null."""

    id: str
    """Id of the problem."""
    repetition: int | None
    """Evaluation: number of the seed, from 0."""
    sample: int | None
    """Evaluation: number of the sample, from 0."""
    family: str
    difficulty: str
    source: str
    outcome: str
    """Curation: the outcome, such as golden. Evaluation: the reason of the score, such as correct; "unscored" without
    accepted answers."""
    right: bool | None
    """Whether the answer is correct; null without a score."""
    rule: str | None
    """Scoring rule of `right`: of an evaluation the first in its settings, of a curation the problem's own."""
    answer: str | None
    """Text of the final answer; null without one."""
    answer_value: float | None
    """Its number; null for infeasible and unbounded."""
    accepted: str
    """Accepted answers as JSON."""
    backing: str
    """What solver reports show about the answer: backed, contradicted, unbacked or no_answer."""
    solver: str | None
    """Solver of the last report; null without a report."""
    solver_status: str | None
    objective: float | None
    """Objective value in the last report."""
    feasible: bool | None
    """For problems with outputs: whether the plan is feasible."""
    plan_objective: float | None
    """For problems with outputs: the objective value of the plan."""
    gap: float | None
    """For problems with outputs: its relative gap to the best known one."""
    native_right: bool | None
    """Curation: whether the answer without interventions is correct."""
    triggers: list[str]
    """Curation: trigger of each intervention, in order."""
    rejected_hints: int
    """Curation: hints that failed validation."""
    hint_share: float
    """Share of hint tokens among model and hint tokens."""
    executions: int
    """Programs that ran."""
    failed_executions: int
    """Programs that ended in another way than by themselves with exit code 0."""
    model_tokens: int
    tool_tokens: int
    hint_tokens: int
    native_tokens: int | None
    """Curation: model tokens without interventions."""
    generation_seconds: float
    execution_seconds: float
    seconds: float
    """Generation and execution, of a curation with and without interventions."""
    at_seconds: float
    """Wall seconds from the start of the run to this record."""
    stop: str | None
    """Why the trajectory ended."""
    seed: int
    temperature: float | None
    """Evaluation: the sampling temperature."""
    question: str


def write_table(source: Path, out: Path) -> int:
    """Write the records of a run one at a time. Returns their number.

    Raises ValueError for a folder that is neither a curation nor an evaluation, and for one without records.
    """
    rows = _rows(source)
    count = 0
    # Without a first row, no file is written.
    for first in rows:
        out.parent.mkdir(parents=True, exist_ok=True)
        count = write_parquet(out, _chained(first, rows), table_schema())
    if not count:
        raise ValueError(f"{source}: has no records yet")
    return count


def table_schema() -> Any:
    """Return the `pyarrow.Schema` of the table."""
    pa = pyarrow("pyarrow")
    types = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), list[str]: pa.list_(pa.string()),
    }  # fmt: skip
    columns = []
    for name, hint in get_type_hints(RecordRow).items():
        known = [types[one] for one in (hint, *get_args(hint)) if one in types]
        columns.append((name, known[0]))
    return pa.schema(columns)


def _chained(first: Mapping[str, Any], rest: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    yield first
    yield from rest


def _rows(source: Path) -> Iterator[RecordRow]:
    settings = stored_settings(source) if source.is_dir() else None
    if settings is None:
        raise ValueError(f"{source}: not a run folder; give the --out of storm curate or storm eval")
    if "samples" in settings:
        rule = next(iter(settings.get("rule", ())), None)
        yield from map(partial(sample_row, rule=rule), evaluation_lines(source))
    else:
        yield from map(curation_row, curation_lines(source))


def curation_row(data: Mapping[str, Any]) -> RecordRow:
    """Return the row of a line of `episodes.jsonl`. Raises ValueError."""
    record = record_from_json(data)
    native = record.native
    row = _row(record.episode, _score(record.episode, None))
    native_score = _score(native, None)
    usage = native.usage
    return {
        **row,
        "outcome": record.outcome,
        "native_right": _right(native_score),
        "triggers": [one.finding.trigger for one in record.episode.interventions],
        "rejected_hints": len(record.rejected_hints),
        "native_tokens": usage.model_tokens,
        "seconds": round(row["seconds"] + usage.generation_seconds + usage.execution_seconds, 3),
        "at_seconds": record.at_seconds,
        "seed": record.seed,
    }


def sample_row(data: Mapping[str, Any], *, rule: str | None = None) -> RecordRow:
    """Return the row of a line of `samples.jsonl`, scored under `rule`. Raises ValueError."""
    sample = sample_from_json(data)
    return {
        **_row(sample.episode, _score(sample.episode, rule)),
        "repetition": sample.repetition,
        "sample": sample.sample,
        "at_seconds": sample.at_seconds,
        "seed": sample.seed,
        "temperature": sample.temperature,
    }


def _score(episode: Episode, rule: str | None) -> Score | None:
    return score(episode, rule) if scorable(episode.problem) else None


def _right(scored: Score | None) -> bool | None:
    return None if scored is None or scored.reward is None else scored.reward == 1


def _row(episode: Episode, scored: Score | None) -> RecordRow:
    """Return the columns that both kinds of runs have."""
    problem, usage = episode.problem, episode.usage
    report = next((report for run in reversed(episode.executions) for report in reversed(run.reports)), None)
    answer = scored.answer if scored else None
    return {
        "id": problem.id,
        "repetition": None,
        "sample": None,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "source": problem.source,
        "outcome": scored.reason if scored else "unscored",
        "right": _right(scored),
        "rule": scored.rule if scored else None,
        "answer": answer.text if answer else None,
        "answer_value": answer.value if answer else None,
        "accepted": json.dumps(list(problem.answers)),
        "backing": solver_backing(episode).backing,
        "solver": (report.solver or report.library) if report else None,
        "solver_status": report.status if report else None,
        "objective": report.objective if report else None,
        "feasible": scored.feasible if scored else None,
        "plan_objective": scored.objective if scored else None,
        "gap": scored.gap if scored else None,
        "native_right": None,
        "triggers": [],
        "rejected_hints": 0,
        "hint_share": round(hint_share(episode), 6),
        "executions": sum(run.ran for run in episode.executions),
        "failed_executions": sum(run.ran and run.status != "ok" for run in episode.executions),
        "model_tokens": usage.model_tokens,
        "tool_tokens": usage.tool_tokens,
        "hint_tokens": usage.hint_tokens,
        "native_tokens": None,
        "generation_seconds": round(usage.generation_seconds, 3),
        "execution_seconds": round(usage.execution_seconds, 3),
        "seconds": round(usage.generation_seconds + usage.execution_seconds, 3),
        "at_seconds": 0.0,
        "stop": episode.stop,
        "seed": 0,
        "temperature": None,
        "question": problem.question,
    }
