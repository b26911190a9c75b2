"""Places on a map, and the road distances between them."""

import math
import random
from collections.abc import Sequence

Place = tuple[int, int]
"""Kilometers to the east and to the north."""

DETOUR = 1.3
"""Length of a road, relative to the straight line."""


def places(rng: random.Random, count: int) -> list[Place]:
    """Draw places on a map of 900 by 600 kilometers."""
    return [(rng.randint(0, 900), rng.randint(0, 600)) for _ in range(count)]


def road(start: Place, end: Place) -> int:
    """Return the length of the road in kilometers."""
    # Only operations that IEEE 754 defines exactly: all machines draw the same data.
    return max(3, round(DETOUR * math.sqrt((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2)))


def nearest(place: Place, others: Sequence[Place], count: int) -> list[int]:
    """Return the indices of the nearest others, in ascending order."""
    return sorted(sorted(range(len(others)), key=lambda index: (road(place, others[index]), index))[:count])
