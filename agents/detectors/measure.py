"""Precision and recall of an intervener for each trigger, on labelled traces.

    measured = measure(traces, RulesIntervener())
    measured.by_trigger["solver_distrust"].precision

An intervener reports only the first flaw of a trajectory. The flaw counts as found if the triggers of finding and label
agree, and as located if the finding also begins at the labelled place. A finding with another trigger counts twice: as
false for its own trigger, and as missed for the label's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from storm_calm.agents.detectors.labelled_traces import LabelledTrace
from storm_calm.agents.evaluation.intervals import Interval, mean_share
from storm_calm.agents.runs.progress import OnProgress, ProgressMeter
from storm_calm.env.intervention import TRIGGERS, Finding, Trigger
from storm_calm.env.serialize import to_json

if TYPE_CHECKING:
    from storm_calm.agents.interveners import Cost, Intervener

Verdict = Literal["found", "false", "missed", "wrong", "quiet"]
"""found: the right trigger. false: a finding without a flaw. missed: a flaw without a finding. wrong: another trigger
than the label's. quiet: neither flaw nor finding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A trace and the finding of the intervener."""

    id: str
    trigger: Trigger | None
    """The label; None for a trace without a flaw."""
    why: str
    """The flaw, in the labeller's words."""
    finding: Finding | None
    located: bool
    """Whether the finding begins at the labelled place."""
    usable: bool
    """Whether the intervener gave a usable reply."""

    @property
    def verdict(self) -> Verdict:
        if self.finding is None:
            return "quiet" if self.trigger is None else "missed"
        if self.trigger is None:
            return "false"
        return "found" if self.finding.trigger == self.trigger else "wrong"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """The right and wrong findings of one trigger, or of all together."""

    found: int
    """Flaws of this trigger whose finding has the same trigger."""
    false: int
    """Findings of this trigger on traces with another label or without a flaw."""
    missed: int
    """Flaws of this trigger without a finding of the same trigger."""
    located: int
    """Found flaws whose finding begins at the labelled place."""

    @property
    def precision(self) -> Interval | None:
        """The share of findings that are right; None without findings."""
        return _share(self.found, self.false)

    @property
    def recall(self) -> Interval | None:
        """The share of flaws that are found; None without flaws."""
        return _share(self.found, self.missed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """The result of an intervener on labelled traces."""

    judged: tuple[Judged, ...]
    cost: Cost

    @property
    def by_trigger(self) -> dict[Trigger, Counts]:
        return {trigger: self._counts(trigger) for trigger in TRIGGERS}

    @property
    def all(self) -> Counts:
        """The sum over all triggers."""
        parts = [asdict(counts) for counts in self.by_trigger.values()]
        return Counts(**{name: sum(part[name] for part in parts) for name in parts[0]})

    @property
    def clean(self) -> int:
        """The number of traces without a flaw."""
        return sum(one.trigger is None for one in self.judged)

    def those(self, *verdicts: Verdict) -> tuple[Judged, ...]:
        """Return the traces with one of these verdicts."""
        return tuple(one for one in self.judged if one.verdict in verdicts)

    def _counts(self, trigger: Trigger) -> Counts:
        named = [one for one in self.judged if one.finding is not None and one.finding.trigger == trigger]
        found = [one for one in named if one.verdict == "found"]
        labelled = sum(one.trigger == trigger for one in self.judged)
        located = sum(one.located for one in found)
        return Counts(found=len(found), false=len(named) - len(found), missed=labelled - len(found), located=located)


def measurement_to_json(measured: Measurement) -> dict[str, Any]:
    """Return counts, shares and all traces as JSON data."""
    return {
        "traces": len(measured.judged),
        "clean": measured.clean,
        "false_alarms": len(measured.those("false")),
        "unjudged": sum(not one.usable for one in measured.judged),
        "all": _counts_to_json(measured.all),
        "triggers": {trigger: _counts_to_json(counts) for trigger, counts in measured.by_trigger.items()},
        "cost": to_json(measured.cost),
        "judged": [{**to_json(one), "verdict": one.verdict} for one in measured.judged],
    }


def _counts_to_json(counts: Counts) -> dict[str, Any]:
    shares = {"precision": counts.precision, "recall": counts.recall}
    return to_json(counts) | {name: share and to_json(share, digits=6) for name, share in shares.items()}


def measure(
    traces: Iterable[LabelledTrace], intervener: Intervener, *, total: int = 0, on_progress: OnProgress | None = None
) -> Measurement:
    """Run an intervener on each trace as a finished trajectory, without its accepted answer.

    total: the number of traces, for `on_progress`, which is called after each.
    Raises ReasonerError if the intervener is unreachable.
    """
    from storm_calm.agents.interveners import Cost

    judged: list[Judged] = []
    verdicts: Counter[str] = Counter({"found": 0, "missed": 0, "wrong": 0, "false": 0})
    meter = ProgressMeter(total)
    cost = Cost()
    for trace in traces:
        unanswered = replace(trace.episode, problem=replace(trace.episode.problem, answers=()))
        # Only the findings are measured, so no hint is rejected.
        seen = intervener.inspect(unanswered, lambda hint: None)
        cost += seen.cost
        one = Judged(
            id=trace.id,
            trigger=trace.trigger,
            why=trace.why,
            finding=seen.finding,
            located=seen.finding is not None and trace.holds(seen.finding.offset),
            usable=seen.usable,
        )
        judged.append(one)
        if one.verdict != "quiet":
            verdicts[one.verdict] += 1
        if on_progress is not None:
            in_flight = min(1, total - len(judged))
            on_progress(meter.read(done=len(judged), in_flight=in_flight, counts=dict(verdicts)))
    return Measurement(judged=tuple(judged), cost=cost)


def _share(right: int, others: int) -> Interval | None:
    return mean_share([1.0] * right + [0.0] * others) if right + others else None
