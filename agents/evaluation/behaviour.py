"""What a model does, apart from its answers: programs, solver reports, tokens, stop reasons and flaws."""

from array import array
from collections import Counter
from dataclasses import dataclass

from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.evidence import gather
from storm_calm.agents.verdict import backed_by_report
from storm_calm.env import TRIGGER_CLASS, TRIGGERS, Episode, Trigger, read_answer


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


class BehaviourSums:
    """The behaviour in samples, 16 bytes each for their seconds."""

    def __init__(self) -> None:
        self._count = self._code_blocks = self._executions = self._model_tokens = self._tool_tokens = 0
        self._numbers = self._backed = 0
        self._stops: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._reports: Counter[str] = Counter()
        self._first: Counter[Trigger] = Counter()
        self._any_place: Counter[Trigger] = Counter()
        self._generation, self._execution = array("d"), array("d")
        self._wall = 0.0

    def add(self, sample: Sample) -> None:
        self._wall = max(self._wall, sample.at_seconds)
        if sample.failed:
            return
        episode = sample.episode
        self._count += 1
        self._code_blocks += sum(turn.source is not None for turn in gather(episode).turns)
        self._executions += sum(execution.ran for execution in episode.executions)
        self._model_tokens += episode.usage.model_tokens
        self._tool_tokens += episode.usage.tool_tokens
        if _has_number(episode):
            self._numbers += 1
            self._backed += backed_by_report(episode)
        self._stops[str(episode.stop)] += 1
        for execution in episode.executions:
            self._statuses[str(execution.status)] += 1
            self._reports.update(str(report.status) for report in execution.reports)
        triggers = [finding.trigger for finding in findings(episode)]
        self._first.update(triggers[:1])
        self._any_place.update(set(triggers))
        self._generation.append(episode.usage.generation_seconds)
        self._execution.append(episode.usage.execution_seconds)

    def total(self) -> Behaviour:
        """Return the behaviour in all samples."""
        total = self._count or 1
        classes = Counter(TRIGGER_CLASS[trigger] for trigger in self._first.elements())
        return Behaviour(
            code_blocks=self._code_blocks / total,
            executions=self._executions / total,
            model_tokens=self._model_tokens / total,
            tool_tokens=self._tool_tokens / total,
            backed_by_report=self._backed / (self._numbers or 1),
            stops={stop: count / total for stop, count in self._stops.most_common()},
            execution_status=dict(self._statuses.most_common()),
            solver_status=dict(self._reports.most_common()),
            flawed=self._first.total() / total,
            first_finding={trigger: self._first[trigger] / total for trigger in TRIGGERS},
            findings={trigger: self._any_place[trigger] for trigger in TRIGGERS},
            class_1=classes["code_utilization_distrust"] / total,
            class_2=classes["lack_of_or_expertise"] / total,
            seconds=Seconds(generation=sum(self._generation), execution=sum(self._execution), wall=self._wall),
        )


def _has_number(episode: Episode) -> bool:
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    return answer is not None and answer.value is not None
