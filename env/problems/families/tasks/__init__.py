"""Variants of problems of any size, and tasks about solved ones.

    generate(["facility"], split="train", seed=7, limit=3, size=200, folder=Path("problems"), task="revise")

- plan: the problem itself (`original`); the same data in other words (`wording`), with another objective (`objective`),
  or with one more requirement (`constraint`).
- revise: a solved problem with its plan and program, and a change: of a `number`, of the `objective`, or another
  `constraint`. A new plan is wanted.
- explain: a solved problem, and a question with a checked answer: which limits are `binding`, what is more of a limit
  `worth`, what happens with `tighter` limits, and which changes are in `conflict`.

Each family declares its limits (`scaled.limits`) and revisions (`scaled.revision`). Everything else follows from them.
"""

from storm_calm.env.problems.families.tasks.task_kinds import ORIGINAL, TASKS, chosen_variants, variant_of

__all__ = ["ORIGINAL", "TASKS", "chosen_variants", "variant_of"]
