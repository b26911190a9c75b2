"""The questions of tasks about solved problems, and other wordings of a question."""

from storm_calm.env.problems.families.scaled.scaled_problems import tolerance_words
from storm_calm.env.problems.families.tasks.revise import Change
from storm_calm.env.problems.families.tasks.solved import Solved
from storm_calm.env.problems.families.wording import PEOPLE, Wording

PREVIOUS_PLAN = "previous_plan.json"
"""The file of the plan of a solved problem."""
CURRENT_MODEL = "current_model.py"
"""The file of the program that found it."""


class Reworded(Wording):
    """A style in which the sentences are a list or a letter."""

    def text(self, *sentences: str) -> str:
        """Join the sentences that are not empty."""
        first, *others = [sentence for sentence in sentences if sentence]
        if self.one_of("list", "letter") == "list":
            lines = "\n".join(f"- {sentence}" for sentence in others[:-2])
            return f"{first} This is what we know:\n\n{lines}\n\n{' '.join(others[-2:])}"
        middle = len(others) // 2
        return (
            f"Dear {self.one_of(*PEOPLE)},\n\nplease help us with a decision. {first} {' '.join(others[:middle])}\n\n"
            f"{' '.join(others[middle:])}"
        )


def revise_question(solved: Solved, question: str, change: Change, say: Wording) -> str:
    """Return the question of a revise task. question: of the solved problem."""
    if change.kind == "objective":
        news = f"Now the objective is another one. {change.request} All other requirements stay as they are."
    elif change.kind == "constraint":
        news = say.one_of("Now there is one more requirement.", "Since then a requirement was added.")
        news += f" {change.request} Everything else stays as it is."
    else:
        news = say.one_of("Since then a number has changed.", "Now there is a change.")
        news += f" {change.request} Everything else stays as it is."
    return (
        f"{_solved(solved, question, say)}\n\n{news} The data files do not show the change yet.\n\nFind a plan that is "
        f"optimal after the change, in the same form as before. What is its objective value? "
        f"{tolerance_words(change.after.gap)}"
    )


def explain_question(solved: Solved, question: str, asked: str, say: Wording) -> str:
    """Return the question of an explain task. question: of the solved problem. asked: what is asked about it."""
    return f"{_solved(solved, question, say)}\n\n{asked}"


def _solved(solved: Solved, question: str, say: Wording) -> str:
    """Return the question of a solved problem with what is known about its solution."""
    value = f"{solved.objective:.12g}"
    known = say.one_of(
        f"This problem has been solved. {PREVIOUS_PLAN} is an optimal plan, with the objective value {value}. "
        f"{CURRENT_MODEL} is the program that found it. It reads the data files, writes plan.json and prints the "
        "objective value.",
        f"The answer is known: {CURRENT_MODEL}, which reads the data files and writes plan.json, found the optimal "
        f"plan that is now in {PREVIOUS_PLAN}, with the objective value {value}.",
    )
    return f"{question.strip()}\n\n{known}"
