"""A curation in a process of its own, for tests that kill it: `python killed.py PROBLEMS OUT`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[3])]

from actor import Actor, mixed  # noqa: E402

from storm_calm.agents.curation.config import CurateConfig  # noqa: E402
from storm_calm.agents.curation.run_curation import curate  # noqa: E402

if __name__ == "__main__":
    config = CurateConfig(problems=sys.argv[1], seed=7, workers=3, minimum_isolation="limits")
    curate(config, Path(sys.argv[2]), resume=True, reasoner=Actor(mixed, pause=0.05))
