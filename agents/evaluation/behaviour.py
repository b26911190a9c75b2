"""What a model did beside being right or wrong: programs, solver reports, tokens, stops and flaws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.evidence import gather
from storm_calm.env import TRIGGER_CLASS, TRIGGERS, Episode, read_answer
from storm_calm.env.solver_backing import backed_by_report


@dataclass(frozen=True, kw_only=True, slots=True)
class Seconds:
    """Where the time went."""

    generation: float
    """Wall seconds of generation, summed over runs."""
    execution: float
    """Wall seconds of waiting for the sandbox, summed over runs."""
    wall: float
    """Wall seconds of the whole evaluation, pauses before a --resume left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """Figures over the runs that the sandbox did not fail. Shares are in [0, 1], and 0 where there is no run."""

    code_blocks: float
    """Programs that were written, the mean of a run."""
    executions: float
    """Programs that ran, the mean of a run."""
    model_tokens: float
    """Tokens that the model wrote, the mean of a run."""
    tool_tokens: float
    """Tokens of observations, the mean of a run."""
    backed_by_report: float
    """Of the runs with a number as their answer, the share in which a solver reported that number as its objective."""
    stops: dict[str, float]
    """Share of runs by the reason why they were over."""
    execution_status: dict[str, int]
    """Programs by how they ended."""
    solver_status: dict[str, int]
    """Solves by what the solver said."""
    flawed: float
    """Share of runs in which a rule finds a flaw."""
    first_finding: dict[str, float]
    """Share of runs by the trigger of their first finding."""
    findings: dict[str, int]
    """Number of runs in which a trigger is found at all."""
    class_1: float
    """Share of runs whose first finding is of the first class, code utilization distrust."""
    class_2: float
    """Share of runs whose first finding is of the second class, lack of OR expertise."""
    seconds: Seconds
    """Where the time went."""


def behaviour(samples: Sequence[Sample]) -> Behaviour:
    """The behaviour in these samples."""
    runs = [sample.episode for sample in samples if not sample.failed]
    executions = [execution for run in runs for execution in run.executions]
    found = [[finding.trigger for finding in findings(run)] for run in runs]
    first = Counter(triggers[0] for triggers in found if triggers)
    any_place = Counter(trigger for triggers in found for trigger in set(triggers))
    classes = Counter(TRIGGER_CLASS[trigger] for trigger in first.elements())
    numeric = [run for run in runs if _has_number(run)]
    stops = Counter(str(run.stop) for run in runs)
    return Behaviour(
        code_blocks=_mean([sum(turn.source is not None for turn in gather(run).turns) for run in runs]),
        executions=_mean([len(run.executions) for run in runs]),
        model_tokens=_mean([run.usage.model_tokens for run in runs]),
        tool_tokens=_mean([run.usage.tool_tokens for run in runs]),
        backed_by_report=_mean([backed_by_report(run) for run in numeric]),
        stops={stop: count / len(runs) for stop, count in stops.most_common()},
        execution_status=dict(Counter(str(execution.status) for execution in executions).most_common()),
        solver_status=dict(
            Counter(str(report.status) for execution in executions for report in execution.reports).most_common()
        ),
        flawed=_mean([bool(triggers) for triggers in found]),
        first_finding={trigger: first[trigger] / len(runs) if runs else 0.0 for trigger in TRIGGERS},
        findings={trigger: any_place[trigger] for trigger in TRIGGERS},
        class_1=classes["code_utilization_distrust"] / len(runs) if runs else 0.0,
        class_2=classes["lack_of_or_expertise"] / len(runs) if runs else 0.0,
        seconds=Seconds(
            generation=sum(run.usage.generation_seconds for run in runs),
            execution=sum(run.usage.execution_seconds for run in runs),
            wall=max((sample.at_seconds for sample in samples), default=0.0),
        ),
    )


def _has_number(run: Episode) -> bool:
    answer = read_answer(run.transcript) if run.stop == "answer" else None
    return answer is not None and answer.value is not None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
