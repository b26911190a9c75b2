"""Run a curation with an LLM intervener in a process: `python -m support.curate_llm_process PROBLEMS OUT URL`."""

import sys
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from support.fake_reasoner import FakeReasoner, direct, wrong


def careless(hours, hints, outputs):
    """A role with a wrong profit until it gets a hint."""
    return direct(hours, hints, outputs) if hints else wrong(hours, hints, outputs)


if __name__ == "__main__":
    settings = {"problems": sys.argv[1], "intervener": "llm", "intervener_url": sys.argv[3]}
    config = CurateConfig(seed=7, workers=4, minimum_isolation="limits", **settings)
    curate(config, Path(sys.argv[2]), resume=True, reasoner=FakeReasoner(careless, pause=0.02))
