"""The counts of a curation, computed from its records."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import Record
from storm_calm.agents.curation.training_warnings import count_held_out, training_warnings
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


def summarize(config: CurateConfig, records: Iterable[Record], *, errors: int = 0) -> Summary:
    """Return the summary of the finished problems, whose records are read once, one at a time."""
    sums = _Sums()
    for record in records:
        sums.add(record)
    shares, positions = sums.shares, sums.positions
    return Summary(
        reasoner=config.reasoner,
        intervener=config.intervener,
        seed=config.seed,
        split=config.split if config.families else "",
        **{name: sums.counts[name] for name in COUNTS},
        corrected=sums.corrected,
        interventions=sums.triggers.total(),
        hint_token_share_mean=round(sum(shares) / len(shares), 6) if shares else 0.0,
        hint_token_share_max=round(max(shares, default=0.0), 6),
        hint_position_mean=round(sum(positions) / len(positions), 6) if positions else 0.0,
        rejected_hints={reason: sums.rejected[reason] for reason in REJECTION_REASONS if sums.rejected[reason]},
        cost=sums.cost,
        by_trigger={trigger: sums.triggers[trigger] for trigger in TRIGGERS},
        by_family={family: {name: sums.families[family][name] for name in COUNTS} for family in sorted(sums.families)},
        discarded={one: sums.outcomes[one] for one in OUTCOMES if one != "golden" and sums.outcomes[one]},
        executions=sums.executions,
        tokens=sums.tokens,
        seconds=round(sums.seconds, 2),
        isolation=max(sums.isolation_levels, key=ISOLATION_LEVELS.index) if sums.isolation_levels else "",
        errors=errors,
        warnings=training_warnings(
            config.reasoner, problems=sums.counts["problems"], held_out=sums.held_out, ids=sums.all_ids
        ),
    )


COUNTS = ("problems", "native_correct", "final_correct", "golden")
"""The counts of each family and of all problems."""


class _Sums:
    """The sums over records. A golden record takes 8 bytes for its share of hints and 8 for each hint's position."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.families: dict[str, Counter[str]] = {}
        self.corrected = self.executions = self.tokens = self.held_out = 0
        self.triggers: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.shares, self.positions = array("d"), array("d")
        self.cost = Cost()
        self.seconds = 0.0
        self.isolation_levels: set[str] = set()
        self.all_ids = True

    def add(self, record: Record) -> None:
        episode, golden = record.episode, record.outcome == "golden"
        native, final = record.native_correct, record.final_correct
        counts = {"problems": 1, "native_correct": int(native), "final_correct": int(final), "golden": int(golden)}
        self.counts.update(counts)
        self.families.setdefault(episode.problem.family or "other", Counter()).update(counts)
        self.corrected += final and not native
        self.triggers.update(one.finding.trigger for one in episode.interventions)
        self.rejected.update(rejected.reason for rejected in record.rejected_hints)
        self.outcomes[record.outcome] += 1
        if golden:
            self.shares.append(hint_share(episode))
            self.positions.extend(hint_positions(episode))
        self.cost += record.cost
        self.seconds = max(self.seconds, record.at_seconds)
        self.held_out += count_held_out([episode.problem])
        self.all_ids = self.all_ids and episode.transcript.ids is not None
        for one in (episode, record.native):
            self.executions += sum(execution.ran for execution in one.executions)
            self.tokens += one.usage.model_tokens
            self.isolation_levels.update(execution.isolation for execution in one.executions)
