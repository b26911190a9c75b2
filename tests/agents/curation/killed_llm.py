"""A curation that a language model watches, in a process of its own: `python killed_llm.py PROBLEMS OUT URL`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[3])]

from actor import Actor, direct, wrong  # noqa: E402

from storm_calm.agents.curation.config import CurateConfig  # noqa: E402
from storm_calm.agents.curation.run_curation import curate  # noqa: E402


def careless(hours, hints, outputs):
    """Mistakes the profit until a hint comes."""
    return direct(hours, hints, outputs) if hints else wrong(hours, hints, outputs)


if __name__ == "__main__":
    settings = {"problems": sys.argv[1], "intervener": "llm", "intervener_url": sys.argv[3]}
    config = CurateConfig(seed=7, workers=4, minimum_isolation="limits", **settings)
    curate(config, Path(sys.argv[2]), resume=True, reasoner=Actor(careless, pause=0.02))
