"""The settings of an evaluation: one frozen dataclass, whose field docstrings are the help texts of `storm eval`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from storm_calm.agents.runs.settings import FAMILY_LIMIT
from storm_calm.env import RULES, Problem, read_problems
from storm_calm.env.problems.benchmarks import BENCHMARKS, Loaded, load_benchmarks
from storm_calm.sandbox import Isolation

LISTS = ("families", "benchmark", "stress", "rule")
"""Fields that are lists; a name that is given twice counts once."""
STRESS_LIMIT = 10
"""Problems of each kind that are taken from stress sets, which are endless, if nobody says how many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalConfig:
    """What to evaluate on, with which reasoner, under which rules."""

    problems: str = ""
    """File of problems, one JSON object a line with "id", "question" and "answer"; instead of families."""
    families: tuple[str, ...] = ()
    """Problem families to draw from, separated by commas; "all", "easy" and "complex" stand for several."""
    split: str = "heldout"
    """Which split of the families to draw from: "heldout", which is for measuring, or "train"."""
    benchmark: tuple[str, ...] = ()
    """Public test sets, separated by commas: nl4opt, mamo_easy, mamo_complex, industryor, optmath."""
    stress: tuple[str, ...] = ()
    """Kinds of stress problems, separated by commas; "all", "outside" and "mixed" stand for several."""
    data_dir: str = ""
    """Folder with the files of the test sets; if left out, they come from the Hub, with the package datasets."""
    limit: int | None = None
    """How many problems, of each test set; if left out, all of a file or set, 100 of families, 10 of a stress kind."""
    samples: int = 1
    """Runs at each problem. More on --resume adds the missing ones."""
    rule: tuple[str, ...] = ("paper",)
    """Scoring rules, separated by commas, side by side: paper, sirl, orlm, mamo. Others on --resume score anew."""
    seed: int = 0
    """For the same problems and the same draws again, whatever runs beside them."""
    reasoner: str = "nano"
    """Who solves: "nano", "nano-base", a nano model's folder, a server's address, or chat: and an address."""
    model: str = ""
    """The model's name, where a server has more than one."""
    tokenizer: str = ""
    """A server's model's tokenizer.json: only with it are tokens counted and not estimated."""
    temperature: float | None = None
    """How freely tokens are drawn, 0 for the likeliest; if left out, the reasoner's own."""
    minimum_isolation: str = "landlock"
    """The weakest sandbox to accept: "full", "landlock" or "limits"."""
    workers: int = 4
    """Runs in flight at once; results do not depend on it."""

    def __post_init__(self) -> None:
        for name in LISTS:
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        if sum(map(bool, (self.problems, self.families, self.benchmark, self.stress))) != 1:
            raise ValueError(
                "give a file of problems, families, test sets or stress sets, one of them: --problems FILE, "
                "--families all, --benchmark nl4opt, or --stress all"
            )
        if self.data_dir and not self.benchmark:
            raise ValueError("data_dir goes with benchmark: --benchmark nl4opt --data-dir DIR")
        if self.split not in ("train", "heldout"):
            raise ValueError(f'split is {self.split!r}; give "heldout" or "train"')
        if self.minimum_isolation not in get_args(Isolation):
            raise ValueError(
                f"minimum_isolation is {self.minimum_isolation!r}; give one of {', '.join(get_args(Isolation))}"
            )
        for name, known in (("rule", RULES), ("benchmark", BENCHMARKS)):
            for one in getattr(self, name):
                if one not in known:
                    raise ValueError(f'unknown {name} "{one}"; known: {", ".join(known)}')
        if not self.rule:
            raise ValueError(f"no rule given; known: {', '.join(RULES)}")
        for name in ("limit", "samples", "workers"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} is {value!r}; give a whole number of at least 1")
        if self.temperature is not None and not self.temperature >= 0:
            raise ValueError(f"temperature is {self.temperature!r}; give 0 or more")


def load_problems(config: EvalConfig) -> Loaded:
    """The problems, in order. Raises ValueError or OSError for a file that cannot be used."""
    if config.benchmark:
        folder = Path(config.data_dir) if config.data_dir else None
        return load_benchmarks(config.benchmark, folder, limit=config.limit)
    if config.problems:
        return Loaded(problems=read_problems(config.problems)[: config.limit], unread=())
    if config.stress:
        return Loaded(problems=_stress_problems(config), unread=())
    from storm_calm.env.problems.families import Split, generate

    split = cast(Split, config.split)
    drawn = generate(config.families, split=split, seed=config.seed, limit=config.limit or FAMILY_LIMIT)
    return Loaded(problems=tuple(drawn), unread=())


def _stress_problems(config: EvalConfig) -> tuple[Problem, ...]:
    from storm_calm.env.problems.stress.kinds import choose, generate

    limit = config.limit or STRESS_LIMIT * len(choose(config.stress))
    return tuple(generate(config.stress, seed=config.seed, limit=limit))
