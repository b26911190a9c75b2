"""Training data without reflection: a problem, followed directly by its correct program.

This is the paper's degradation experiment (arXiv 2510.04204, section 2.2): for a reasoning model, public datasets of
problems and programs look like this. They lack plans, failed programs and corrections. The problems are those
of the golden trajectories, so the two datasets differ only in how they solve.
"""

import random
from collections.abc import Collection, Iterator
from itertools import islice

from storm_calm.env import Episode, SolverEnv, score
from storm_calm.env.problems.families import FAMILIES, instances
from storm_calm.env.reasoner import PromptRenderer
from storm_calm.rl.nano.trace_builder import TraceBuilder
from storm_calm.sandbox import Sandbox


def plain_pairs(
    wanted: Collection[str], *, seed: int, problems: int, renderer: PromptRenderer, sandbox: Sandbox
) -> Iterator[Episode]:
    """Yield an episode for each of the first `problems` training problems whose id is in `wanted`, in order.

    seed: that of the curation. Raises ValueError if the correct program of a problem gives a wrong answer here.
    """
    env = SolverEnv(sandbox, renderer)
    for instance in islice(instances(list(FAMILIES.values()), split="train", seed=seed), problems):
        problem = instance.problem()
        if problem.id not in wanted:
            continue
        env.reset(problem)
        builder = TraceBuilder(env, instance, random.Random(0), hinted=False)
        output = builder.run(builder.right.code)
        builder.answer(output)
        if score(env.episode).reward != 1.0:
            raise ValueError(f"problem {problem.id}: its correct program printed {output!r}; see `storm sandbox check`")
        yield env.episode
