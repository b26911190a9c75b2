"""Run a curation in its own process, for tests that kill it: `python -m support.curate_process PROBLEMS OUT`."""

import sys
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from support.fake_reasoner import FakeReasoner, mixed

if __name__ == "__main__":
    config = CurateConfig(problems=sys.argv[1], seed=7, workers=3, minimum_isolation="limits")
    curate(config, Path(sys.argv[2]), resume=True, reasoner=FakeReasoner(mixed, pause=0.05))
