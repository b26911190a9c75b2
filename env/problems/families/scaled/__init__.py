"""Problem families at any size, with the data in CSV files and a plan that is checked.

    from storm_calm.env.problems.families import generate
    for problem in generate(["facility"], split="train", seed=7, limit=3, size=5000, folder=Path("problems")): ...

A new family is a module like `transportation`: tables, and functions on plain data (`ScaledFamily`). Its program is in
the folder programs/, and it is added to the list here.
"""

from storm_calm.env.problems.families.scaled import (
    assignment,
    bin_packing,
    blending,
    covering,
    diet,
    facility,
    investment,
    knapsack,
    product_mix,
    production,
    scheduling,
    transportation,
)
from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily

__all__ = ["SCALED", "ScaledFamily"]

SCALED: dict[str, ScaledFamily] = {
    module.FAMILY.name: module.FAMILY
    for module in (
        product_mix,
        knapsack,
        diet,
        assignment,
        transportation,
        investment,
        production,
        facility,
        covering,
        bin_packing,
        scheduling,
        blending,
    )
}
"""The families by name."""
