"""How well an intervener finds the seven flaws: precision and recall of each trigger on labelled traces.

    measured = measure(traces, RulesIntervener())
    measured.by_trigger["solver_distrust"].precision

An intervener speaks once about a run: of its first flaw. That counts as found where it names the label's trigger, and
as located where it also begins where the flaw does. A wrong word about a flawed run is both: a false one of the trigger
that was named, and a missed one of the trigger that was there.
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
"""What became of a trace: the right trigger; a flaw named where there is none; nothing said of a flaw; another trigger
named than the label's; rightly nothing said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A trace, and what the intervener said of it."""

    id: str
    """Which one."""
    trigger: Trigger | None
    """The label; None for a trace without a flaw."""
    why: str
    """What is wrong there, in the labeller's words."""
    finding: Finding | None
    """What the intervener found first."""
    located: bool
    """Whether the finding begins where the labelled flaw is."""
    usable: bool
    """Whether the intervener gave a usable reply."""

    @property
    def verdict(self) -> Verdict:
        """What became of it."""
        if self.finding is None:
            return "quiet" if self.trigger is None else "missed"
        if self.trigger is None:
            return "false"
        return "found" if self.finding.trigger == self.trigger else "wrong"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How often one trigger, or any, was found rightly and wrongly."""

    found: int
    """Flaws of this trigger that the first finding names."""
    false: int
    """First findings of this trigger on traces that have another flaw first, or none."""
    missed: int
    """Flaws of this trigger on which nothing, or something else, was said first."""
    located: int
    """Those of the found that begin where the flaw does."""

    @property
    def precision(self) -> Interval | None:
        """Which share of what was named is there; None where nothing was named."""
        return _share(self.found, self.false)

    @property
    def recall(self) -> Interval | None:
        """Which share of what is there was named; None where there is nothing."""
        return _share(self.found, self.missed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What came of looking at labelled traces."""

    judged: tuple[Judged, ...]
    """Every trace, in order."""
    cost: Cost
    """What it took."""

    @property
    def by_trigger(self) -> dict[Trigger, Counts]:
        """The counts of each trigger."""
        return {trigger: self._counts(trigger) for trigger in TRIGGERS}

    @property
    def all(self) -> Counts:
        """The counts of all triggers together."""
        parts = [asdict(counts) for counts in self.by_trigger.values()]
        return Counts(**{name: sum(part[name] for part in parts) for name in parts[0]})

    @property
    def clean(self) -> int:
        """Traces without a flaw."""
        return sum(one.trigger is None for one in self.judged)

    def those(self, *verdicts: Verdict) -> tuple[Judged, ...]:
        """The traces of which one of these became."""
        return tuple(one for one in self.judged if one.verdict in verdicts)

    def _counts(self, trigger: Trigger) -> Counts:
        named = [one for one in self.judged if one.finding is not None and one.finding.trigger == trigger]
        found = [one for one in named if one.verdict == "found"]
        labelled = sum(one.trigger == trigger for one in self.judged)
        return Counts(
            found=len(found),
            false=len(named) - len(found),
            missed=labelled - len(found),
            located=sum(one.located for one in found),
        )


def measurement_to_json(measured: Measurement) -> dict[str, Any]:
    """Counts, shares and every single judgement as JSON data."""
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
    traces: Iterable[LabelledTrace],
    intervener: Intervener,
    *,
    total: int = 0,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Let an intervener look at each trace as the judge of a finished run does, without its answer.

    total: how many traces there are, for `on_progress`, which is called after each.
    Raises ReasonerError where the intervener cannot be reached.
    """
    from storm_calm.agents.interveners import Cost

    judged: list[Judged] = []
    verdicts: Counter[str] = Counter({"found": 0, "missed": 0, "wrong": 0, "false": 0})
    meter = ProgressMeter(total)
    cost = Cost()
    for trace in traces:
        unanswered = replace(trace.episode, problem=replace(trace.episode.problem, answers=()))
        # Finding is measured here, and not wording: no hint is refused.
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
