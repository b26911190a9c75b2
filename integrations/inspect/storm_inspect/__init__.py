"""STORM's problems, scoring and sandbox for Inspect.

    inspect eval storm_inspect/families -T names=knapsack,diet -T limit=20 --model openai-api/local/qwen3
    inspect eval your_task.py --sandbox storm

`storm_agent` is the solver, `storm_scorer` the scorer, and `StormSandboxEnvironment` the sandbox provider.
"""

from storm_inspect.provider import StormSandboxEnvironment
from storm_inspect.scorer import backed, executions, storm_scorer
from storm_inspect.solver import storm_agent
from storm_inspect.tasks import benchmark, families, stress

__all__ = [
    "StormSandboxEnvironment",
    "backed",
    "benchmark",
    "executions",
    "families",
    "storm_agent",
    "storm_scorer",
    "stress",
]
