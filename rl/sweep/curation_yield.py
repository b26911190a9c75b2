"""The yield of a curation by the limit on interventions (N): which share of problems becomes golden.

A trajectory is the same under every limit that it does not reach, so one curation with the largest limit shows the
yield of smaller ones, as `storm curate --max-interventions N` would give it: the trajectories that are golden with at
most N interventions, and without any the flawless ones of the base model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.agents.curation.records import Record
from storm_calm.agents.evaluation.intervals import Interval, mean_share
from storm_calm.rl.sweep.sft_mixtures import is_flawed

LIMITS = (0, 1, 2, 3, 5)
"""The limits; the last is that of the paper and of the curation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurationYield:
    limit: int
    """The most interventions of a trajectory."""
    golden: int
    problems: int
    share: Interval
    """The share of golden problems, with its 95 % interval over problems."""


def curation_yields(records: Sequence[Record]) -> tuple[CurationYield, ...]:
    """Return the yield for each limit. Raises ValueError without records."""
    found = []
    for limit in LIMITS:
        golden = [float(_is_golden(record, limit)) for record in records]
        found.append(
            CurationYield(limit=limit, golden=round(sum(golden)), problems=len(golden), share=mean_share(golden))
        )
    return tuple(found)


def _is_golden(record: Record, limit: int) -> bool:
    if not limit:
        return not record.failed and not is_flawed(record.native)
    return record.outcome == "golden" and len(record.episode.interventions) <= limit
