"""The counts of a curation, worked out from its records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import Record
from storm_calm.agents.graphs.golden import OUTCOMES
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import REJECTION_REASONS, Cost
from storm_calm.env import TRIGGERS


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What came of a curation. Counts are of problems unless they say otherwise."""

    reasoner: str
    """As in the settings."""
    intervener: str
    """As in the settings."""
    seed: int
    """As in the settings."""
    split: str
    """As in the settings; "" for problems of a file."""
    problems: int
    """Problems that are done."""
    native_correct: int
    """Right without interventions."""
    final_correct: int
    """Right in the end."""
    corrected: int
    """Right in the end, and not without interventions."""
    golden: int
    """Right, without a flaw that anybody sees, and with few hints."""
    interventions: int
    """Hints that were given, those included that a later one cut away."""
    hint_token_share_mean: float
    """Hint tokens as a part of model and hint tokens, the mean over golden runs; 0 without any."""
    hint_token_share_max: float
    """The same, the largest of a golden run."""
    hint_position_mean: float
    """Where hints stand in golden runs, as a share of the text after the prompt; the mean over hints, 0 without any."""
    rejected_hints: dict[str, int]
    """Rejected hints by reason (`agents.interveners.RejectionReason`)."""
    cost: Cost
    """What inspecting took in all: requests, tokens, price, seconds (`agents.interveners.Cost`)."""
    by_trigger: dict[str, int]
    """Interventions by the trigger that fired."""
    by_family: dict[str, dict[str, int]]
    """problems, native_correct, final_correct and golden of each family; "other" for problems without one."""
    discarded: dict[str, int]
    """Runs that are not golden, by the reason."""
    executions: int
    """Programs in the runs as recorded, watched and native."""
    tokens: int
    """Tokens that the model wrote in the runs as recorded, watched and native."""
    seconds: float
    """Wall seconds of the whole curation, pauses before a --resume left out."""
    isolation: str
    """How well programs were locked in; the weakest, where there were several; "" where none ran."""
    errors: int
    """Problems that are not done because the reasoner or the intervener failed."""


def summarize(config: CurateConfig, records: Sequence[Record], *, errors: int = 0) -> Summary:
    """The summary of what is done so far."""
    from storm_calm.sandbox import ISOLATION_LEVELS

    golden = [record.episode for record in records if record.outcome == "golden"]
    shares = [hint_share(episode) for episode in golden]
    positions = [position for episode in golden for position in hint_positions(episode)]
    episodes = [episode for record in records for episode in (record.episode, record.native)]
    isolation_levels = {execution.isolation for episode in episodes for execution in episode.executions}
    triggers = Counter(one.finding.trigger for record in records for one in record.episode.interventions)
    rejected_hints = Counter(rejected.reason for record in records for rejected in record.rejected_hints)
    outcomes = Counter(record.outcome for record in records)
    families: dict[str, list[Record]] = {}
    for record in records:
        families.setdefault(record.episode.problem.family or "other", []).append(record)
    return Summary(
        reasoner=config.reasoner,
        intervener=config.intervener,
        seed=config.seed,
        split=config.split if config.families else "",
        **_counts(records),
        corrected=sum(record.corrected for record in records),
        interventions=triggers.total(),
        hint_token_share_mean=round(sum(shares) / len(shares), 6) if shares else 0.0,
        hint_token_share_max=round(max(shares, default=0.0), 6),
        hint_position_mean=round(sum(positions) / len(positions), 6) if positions else 0.0,
        rejected_hints={reason: rejected_hints[reason] for reason in REJECTION_REASONS if rejected_hints[reason]},
        cost=sum((record.cost for record in records), Cost()),
        by_trigger={trigger: triggers[trigger] for trigger in TRIGGERS},
        by_family={family: _counts(families[family]) for family in sorted(families)},
        discarded={one: outcomes[one] for one in OUTCOMES if one != "golden" and outcomes[one]},
        executions=sum(len(episode.executions) for episode in episodes),
        tokens=sum(episode.usage.model_tokens for episode in episodes),
        seconds=round(max((record.at_seconds for record in records), default=0.0), 2),
        isolation=max(isolation_levels, key=ISOLATION_LEVELS.index) if isolation_levels else "",
        errors=errors,
    )


def _counts(records: Sequence[Record]) -> dict[str, int]:
    return {
        "problems": len(records),
        "native_correct": sum(record.native_correct for record in records),
        "final_correct": sum(record.final_correct for record in records),
        "golden": sum(record.outcome == "golden" for record in records),
    }
