"""Training data without reflection: a problem, and at once the whole right program, without a word before it.

This is the paper's degradation experiment (arXiv 2510.04204, section 2.2): what public sets of problems and programs
look like to a model that reasons. No plan, no failed run that is mended, no second look: that is the point. The
problems are those of the golden runs, so that the two data sets differ in how they solve and in nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from itertools import islice

from storm_calm.env import Episode, SolverEnv, score
from storm_calm.env.problems.families import FAMILIES, Instance, instances
from storm_calm.env.reasoner import PromptRenderer
from storm_calm.rl.nano.trace_builder import TraceBuilder
from storm_calm.sandbox import Sandbox


def plain_pairs(
    wanted: Collection[str], *, seed: int, problems: int, renderer: PromptRenderer, sandbox: Sandbox
) -> Iterator[Episode]:
    """An episode for each of the first `problems` problems of the train split whose id is in `wanted`, in their order.

    seed: of the problems, as in curation. renderer: the model's tokenizer. Raises ValueError where a right program
    does not give the right answer here.
    """
    env = SolverEnv(sandbox, renderer)
    for instance in islice(instances(list(FAMILIES.values()), split="train", seed=seed), problems):
        problem = instance.problem()
        if problem.id not in wanted:
            continue
        env.reset(problem)
        yield _played(env, instance)


def _played(env: SolverEnv, instance: Instance) -> Episode:
    builder = TraceBuilder(env, instance, random.Random(0), hinted=False)
    output = builder.run(builder.right.code)
    builder.answer(output)
    if score(env.episode).reward != 1.0:
        raise ValueError(
            f"problem {env.episode.problem.id}: its right program gave {output!r} here; "
            "`storm sandbox check` may say why"
        )
    return env.episode
