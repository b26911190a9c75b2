"""Optimization problems as an OpenEnv environment.

    from storm_openenv import StormAction, StormEnv

    with StormEnv(base_url="http://localhost:8000").sync() as env:
        question = env.reset(seed=7, family="knapsack").observation.question
        print(env.step(StormAction(code="print(6 * 7)")).observation.output)
        print(env.step(StormAction(answer="The answer is \\boxed{42}.")).reward)

Its modules:

    models         actions, observations, state and the options of a reset
    environment    one session: reset, step, state, and the tools for MCP
    app            the server
    client         the client
"""

from storm_openenv.client import StormEnv
from storm_openenv.models import StormAction, StormObservation, StormState

__all__ = ["StormAction", "StormEnv", "StormObservation", "StormState"]
