"""A change of what is wanted: another objective or one more requirement, as a function of the data.

    Revision(
        name="max-open", kind="constraint",
        apply=lambda rng, data, plan: {**data, "max_open": len(plan["open_depots"]) - 1},
        request=lambda data: f"At most {data['max_open']} depots can be opened.",
    )

Question, model, checker and program follow the revised data. A changed number needs no revision: it is that of a limit
(`scaled.limits`).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env.problems.families.scaled.tables import Data


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """A kind of change, which a problem family declares."""

    name: str
    """Unique in the family, such as "max-open"."""
    kind: Literal["objective", "constraint"]
    apply: Callable[[random.Random, Data, dict[str, Any]], Data | None]
    """Returns the revised data, or None if these data cannot have it. The plan is an optimal one of the data."""
    request: Callable[[Data], str]
    """Words the change for someone who knows the problem, from the revised data."""
