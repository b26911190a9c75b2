"""What a model does, apart from its answers: programs, solver reports, tokens, stop reasons and flaws."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.evidence import gather
from storm_calm.agents.verdict import backed_by_report
from storm_calm.env import TRIGGER_CLASS, TRIGGERS, Episode, read_answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Seconds:
    """Wall seconds of an evaluation."""

    generation: float
    """Generation, summed over trajectories."""
    execution: float
    """Waiting for the sandbox, summed over trajectories."""
    wall: float
    """The whole evaluation, without pauses before a --resume."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """Statistics of the trajectories that the sandbox did not fail. Means and shares are 0 without trajectories."""

    code_blocks: float
    """Mean number of programs written."""
    executions: float
    """Mean number of programs executed."""
    model_tokens: float
    """Mean number of model tokens."""
    tool_tokens: float
    """Mean number of tokens of observations."""
    backed_by_report: float
    """Share of numeric answers that a solver report supports (`agents.verdict`)."""
    stops: dict[str, float]
    """Share of trajectories by stop reason."""
    execution_status: dict[str, int]
    """Executions by status; "malformed_call": tool calls without a readable program."""
    solver_status: dict[str, int]
    """Solver reports by status."""
    flawed: float
    """Share of trajectories in which a rule finds a flaw."""
    first_finding: dict[str, float]
    """Share of trajectories by the trigger of their first finding."""
    findings: dict[str, int]
    """Number of trajectories by trigger, counting all findings."""
    class_1: float
    """Share of trajectories whose first finding is code utilization distrust."""
    class_2: float
    """Share of trajectories whose first finding is lack of OR expertise."""
    seconds: Seconds


def behaviour(samples: Sequence[Sample]) -> Behaviour:
    """Compute the behaviour in these samples."""
    episodes = [sample.episode for sample in samples if not sample.failed]
    total = len(episodes) or 1
    executions = [execution for episode in episodes for execution in episode.executions]
    reports = [report for execution in executions for report in execution.reports]
    triggers = [[finding.trigger for finding in findings(episode)] for episode in episodes]
    first = Counter(found[0] for found in triggers if found)
    any_place = Counter(trigger for found in triggers for trigger in set(found))
    classes = Counter(TRIGGER_CLASS[trigger] for trigger in first.elements())
    stops = Counter(str(episode.stop) for episode in episodes)
    return Behaviour(
        code_blocks=_mean([sum(turn.source is not None for turn in gather(episode).turns) for episode in episodes]),
        executions=sum(execution.ran for execution in executions) / total,
        model_tokens=_mean([episode.usage.model_tokens for episode in episodes]),
        tool_tokens=_mean([episode.usage.tool_tokens for episode in episodes]),
        backed_by_report=_mean([backed_by_report(episode) for episode in episodes if _has_number(episode)]),
        stops={stop: count / total for stop, count in stops.most_common()},
        execution_status=dict(Counter(str(execution.status) for execution in executions).most_common()),
        solver_status=dict(Counter(str(report.status) for report in reports).most_common()),
        flawed=first.total() / total,
        first_finding={trigger: first[trigger] / total for trigger in TRIGGERS},
        findings={trigger: any_place[trigger] for trigger in TRIGGERS},
        class_1=classes["code_utilization_distrust"] / total,
        class_2=classes["lack_of_or_expertise"] / total,
        seconds=Seconds(
            generation=sum(episode.usage.generation_seconds for episode in episodes),
            execution=sum(episode.usage.execution_seconds for episode in episodes),
            wall=max((sample.at_seconds for sample in samples), default=0.0),
        ),
    )


def _has_number(episode: Episode) -> bool:
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    return answer is not None and answer.value is not None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
