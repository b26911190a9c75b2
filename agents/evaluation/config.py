"""The settings of an evaluation. The docstrings of fields are the help texts of `storm eval`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Config, Option, OptionError, check_options
from storm_calm.agents.runs.price_options import PriceOptions
from storm_calm.agents.runs.problem_options import ProblemOptions
from storm_calm.agents.runs.sandbox_options import EpisodeOptions

if TYPE_CHECKING:
    from storm_calm.env.problems.benchmarks import Loaded

STRESS_LIMIT = 10
"""The default number of problems of each stress kind, which are unlimited."""


@dataclass(frozen=True, kw_only=True)
class EvalConfig(ProblemOptions, PriceOptions, EpisodeOptions, Config):
    """The problems, the reasoner, the scoring rules and the limits of an evaluation."""

    group: ClassVar[str] = "Evaluation"

    split: Literal["train", "heldout"] = "heldout"
    limit: int | None = None
    """Number of problems, for each test set; by default all of a file or set, 100 of families, 10 of a stress kind."""
    benchmark: Annotated[tuple[str, ...], Option(metavar="NAME,...")] = ()
    """Public test sets, separated by commas: nl4opt, mamo_easy, mamo_complex, industryor, optmath, nlp4lp, complexor,
    optibench, bwor, logior; with data files, from --data-dir only: miplib_nl, or_space_build, or_space_revise,
    or_space_explain, dcp_bench."""
    release: Annotated[tuple[str, ...], Option(metavar="NAME,...")] = ()
    """Releases of the test sets, separated by commas: original, optimind, sirl, llm4or, llmopt, orthought. The
    questions are those of the first; the labels of the others score the same samples. By default the release in
    --data-dir, or the original. Other releases on --resume score the samples anew."""
    stress: Annotated[tuple[str, ...], Option(metavar="NAME,...")] = ()
    """Kinds of stress problems, separated by commas. "all", "outside" and "mixed" select several."""
    data_dir: Annotated[str, Option(metavar="DIR")] = ""
    """Folder with the files of the test sets; by default they are downloaded from the Hub with the package datasets."""
    samples: Annotated[int, Option(metavar="N", least=1)] = 1
    """Trajectories per problem and seed. A larger number on --resume adds the missing ones."""
    seeds: Annotated[int, Option(metavar="N", least=1)] = 1
    """Repetitions on the same problems, sampled with --seed, the next number, and so on. --resume adds missing ones."""
    rule: Annotated[tuple[str, ...], Option(metavar="NAME,...")] = ("paper",)
    """Scoring rules, separated by commas: paper, sirl, orlm, mamo, or_space. Other rules on --resume score the samples
    anew."""
    workers: Annotated[int, Option(metavar="N", least=1)] = 4
    """Trajectories in flight at the same time; results do not depend on it."""

    def __post_init__(self) -> None:
        from storm_calm.env import RULES
        from storm_calm.env.problems.benchmarks import BENCHMARKS, RELEASE_NAMES

        if sum(map(bool, (self.problems, self.families, self.benchmark, self.stress))) != 1:
            raise ValueError(
                "give a file of problems, families, test sets or stress sets, only one of these: "
                "--problems FILE, --families all, --benchmark nl4opt, --stress all"
            )
        if self.data_dir and not self.benchmark:
            raise OptionError("data_dir", "needs --benchmark, such as --benchmark nl4opt --data-dir DIR")
        if self.release and not self.benchmark:
            raise OptionError("release", "needs --benchmark, such as --benchmark industryor --release optimind")
        self.check_size()
        check_options(self)
        _ = self.chosen_shard  # Raises for an invalid one.
        self.check_cost()
        for name, known in (("rule", RULES), ("benchmark", BENCHMARKS), ("release", RELEASE_NAMES)):
            for one in getattr(self, name):
                if one not in known:
                    raise OptionError(name, f'"{one}" is unknown. Known: {", ".join(known)}')
        if not self.rule:
            raise OptionError("rule", f"give at least one rule. Known: {', '.join(RULES)}")


def load_problems(config: EvalConfig, workspaces: Path | None = None) -> Loaded:
    """Return the problems in order. Raises ValueError or OSError for an unusable file.

    workspaces: see `ProblemOptions.read_problems`.
    """
    from storm_calm.env.problems.benchmarks import Loaded, load_benchmarks

    if config.benchmark:
        folder = Path(config.data_dir) if config.data_dir else None
        return load_benchmarks(config.benchmark, folder, releases=config.release, limit=config.limit)
    if config.stress:
        from storm_calm.env.problems.stress.kinds import choose, generate

        limit = config.limit or STRESS_LIMIT * len(choose(config.stress))
        return Loaded(problems=tuple(generate(config.stress, seed=config.seed, limit=limit)), unread=())
    return Loaded(problems=config.read_problems(workspaces), unread=())
