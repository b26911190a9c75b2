"""Identifiers and irrelevant texts as in a company's export."""

import random

CITIES = (
    "Lyon", "Graz", "Porto", "Gdansk", "Turin", "Malmo", "Ghent", "Brno", "Bilbao", "Tampere", "Leipzig", "Nantes",
    "Zagreb", "Utrecht", "Sevilla", "Aarhus", "Linz", "Szeged", "Bergen", "Kaunas", "Bari", "Split", "Cork", "Plzen",
    "Rouen", "Mainz", "Varna", "Patras", "Tartu",
)  # fmt: skip
"""Texts of irrelevant columns. Their number is prime, so that they repeat with no other pattern."""


def identifiers(rng: random.Random, prefix: str, count: int) -> list[str]:
    """Draw identifiers in ascending order, with gaps: PL-012, PL-015, PL-034."""
    most = 4 * count + 10
    return [f"{prefix}-{number:0{len(str(most))}}" for number in sorted(rng.sample(range(1, most), count))]
