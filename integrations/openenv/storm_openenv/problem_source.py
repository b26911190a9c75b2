"""Choose the problem of an episode: from the families, or from a problem file."""

from dataclasses import dataclass

from storm_calm import generate
from storm_calm.env import Problem
from storm_calm.env.problems.families import choose
from storm_calm.env.reward import scorable
from storm_openenv.models import ResetOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemSource:
    """The problems of a server."""

    problems: tuple[Problem, ...] = ()
    """The problems of a file; empty for the families, which are endless."""

    def __post_init__(self) -> None:
        for problem in self.problems:
            if not scorable(problem):
                raise ValueError(f"problem {problem.id!r}: it has no accepted answers; give one, or leave it out")

    def choose(self, options: ResetOptions, seed: int) -> Problem:
        """Return the problem of a reset. seed: in place of the options' own.

        Raises ValueError for an unknown family or problem.
        """
        if not self.problems:
            if options.problem_id is not None:
                raise ValueError("problem_id: this server has no problem file; give seed, family and split")
            families = choose([options.family])
            family = families[seed % len(families)]
            return next(generate([family.name], split=options.split, seed=seed, limit=1))
        if options.problem_id is None:
            return self.problems[seed % len(self.problems)]
        found = next((problem for problem in self.problems if problem.id == options.problem_id), None)
        if found is None:
            raise ValueError(f"problem_id: {options.problem_id!r:.100} is not in the server's problem file")
        return found
