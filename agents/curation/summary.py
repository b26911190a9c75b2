"""The counts of a curation, computed from its records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import Record
from storm_calm.agents.curation.training_warnings import training_warnings
from storm_calm.agents.graphs.golden import OUTCOMES
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import REJECTION_REASONS, Cost
from storm_calm.env import TRIGGERS
from storm_calm.sandbox import ISOLATION_LEVELS


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The summary of a curation. Counts are of problems unless stated otherwise."""

    reasoner: str
    intervener: str
    seed: int
    split: str
    """Split of the families; "" for problems of a file."""
    problems: int
    """Finished problems."""
    native_correct: int
    """Correct without interventions."""
    final_correct: int
    """Correct under CALM."""
    corrected: int
    """Correct under CALM only."""
    golden: int
    """Golden: correct, without a detected flaw, and within the limits on hints."""
    interventions: int
    """Hints given, including those that a later hint cut off."""
    hint_token_share_mean: float
    """Mean share of hint tokens among model and hint tokens of golden trajectories; 0 without any."""
    hint_token_share_max: float
    """The largest such share."""
    hint_position_mean: float
    """Mean position of hints in golden trajectories, as a share of the text after the prompt; 0 without hints."""
    rejected_hints: dict[str, int]
    """Rejected hints by reason (`agents.interveners.RejectionReason`)."""
    cost: Cost
    """Total cost of the intervener: requests, tokens, price, seconds (`agents.interveners.Cost`)."""
    by_trigger: dict[str, int]
    """Interventions by trigger."""
    by_family: dict[str, dict[str, int]]
    """problems, native_correct, final_correct and golden per family; "other" for problems without a family."""
    discarded: dict[str, int]
    """Discarded trajectories by reason."""
    executions: int
    """Executions in all recorded trajectories."""
    tokens: int
    """Model tokens in all recorded trajectories."""
    seconds: float
    """Wall seconds of the curation, without pauses before a --resume."""
    isolation: str
    """The weakest isolation level of the executions; "" without executions."""
    errors: int
    """Problems not finished because the reasoner or the intervener failed."""
    warnings: tuple[str, ...]
    """What keeps the trajectories from a training dataset, and the fix; empty if nothing does."""


def summarize(config: CurateConfig, records: Sequence[Record], *, errors: int = 0) -> Summary:
    """Return the summary of the finished problems."""
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
        executions=sum(execution.ran for episode in episodes for execution in episode.executions),
        tokens=sum(episode.usage.model_tokens for episode in episodes),
        seconds=round(max((record.at_seconds for record in records), default=0.0), 2),
        isolation=max(isolation_levels, key=ISOLATION_LEVELS.index) if isolation_levels else "",
        errors=errors,
        warnings=training_warnings(
            config.reasoner,
            [record.episode.problem for record in records],
            ids=all(record.episode.transcript.ids is not None for record in records),
        ),
    )


def _counts(records: Sequence[Record]) -> dict[str, int]:
    return {
        "problems": len(records),
        "native_correct": sum(record.native_correct for record in records),
        "final_correct": sum(record.final_correct for record in records),
        "golden": sum(record.outcome == "golden" for record in records),
    }
