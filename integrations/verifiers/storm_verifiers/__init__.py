"""STORM's problems, sandbox and rewards as an environment of verifiers.

    vf-eval storm_verifiers -n 6 -m storm --client.base-url http://127.0.0.1:8000/v1 --env.agent.harness.form agent

Importing it keeps runs local: verifiers uploads each finished run by default. `PRIME_RUNS_MODE=online` uploads them.
"""

import os

os.environ.setdefault("PRIME_RUNS_MODE", "disabled")

from storm_verifiers.environment import StormEnv
from storm_verifiers.harness import StormHarness
from storm_verifiers.taskset import StormTaskset

__all__ = ["StormEnv", "StormHarness", "StormTaskset"]
