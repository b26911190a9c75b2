"""Build a trace through the environment: the model's text, where its flaw begins, and the hint in its place."""

from __future__ import annotations

import random
import re

from storm_calm.agents.interveners.hints import HINTS
from storm_calm.agents.triggers.names import TRIGGER_OF
from storm_calm.env.intervention import Finding
from storm_calm.env.problems.families import Instance
from storm_calm.env.reasoner import Generation
from storm_calm.env.solver_env import SolverEnv
from storm_calm.rl.nano.family_programs import program
from storm_calm.rl.nano.nano_tokenizer import IM_END

PLAN = ("Let me solve it with code.", "I will write a program for this.")
REPORT = ("The solver returns {}.", "The result is {}.")
SUMMARY = ("So the optimum is {}.", "That is the optimal value, {}.")


class UnsuitableInstanceError(Exception):
    """This instance cannot show this kind of trace."""


class TraceBuilder:
    """Writes the model's text into an environment, and knows where a flaw begins."""

    def __init__(self, env: SolverEnv, instance: Instance, rng: random.Random, hinted: bool) -> None:
        self.env, self.instance, self.rng, self.hinted = env, instance, rng, hinted
        self.right = program(instance.family, instance.data)
        self.flaw_offset: int | None = None
        self.learn_from = 0
        self._pending = ""

    def think(self, text: str) -> None:
        """Words that the next `run` or `end` begins with."""
        self._pending += text

    def flaw(self) -> None:
        """Mark where the flaw begins: at what is said next."""
        self.flaw_offset = len(self.env.episode.transcript.text) + len(self._pending)

    def hint(self, kind: str) -> None:
        """Say what is pending, cut it at the flaw, drop in a hint."""
        assert self.flaw_offset is not None
        self._say(end=False)
        wording = self.rng.choice(HINTS[kind])
        self.env.intervene(
            Finding(trigger=TRIGGER_OF[kind], offset=self.flaw_offset, evidence=kind, confidence=1.0), wording
        )
        self.flaw_offset = None
        self.learn_from = len(self.env.episode.transcript.spans)

    def run(self, code: str) -> str:
        """Write a code block, run it, and return what it printed or the last line of its error."""
        self._pending += f"```python\n{code}```\n"
        self._say(end=False)
        execution = self.env.act().execution
        if execution is None:
            raise UnsuitableInstanceError("the program was not run")
        if execution.status != "ok":
            return execution.stderr.strip().splitlines()[-1]
        return execution.stdout.strip()

    def answer(self, value: str) -> None:
        """Close the thought and box the answer."""
        self._pending += f"</think>\nThe answer is \\boxed{{{value}}}."
        self._say(end=True)
        self.env.act()

    def _say(self, *, end: bool) -> None:
        self.env.write(to_generation(self.env, self._pending, end=end))
        self._pending = ""

    def report(self, output: str) -> None:
        """Say what the solver returned and answer with it."""
        if not is_result(output):
            raise UnsuitableInstanceError(f"no result to report: {output!r}")
        sentence = (
            "There is no feasible solution." if output == "infeasible" else self.rng.choice(REPORT).format(output)
        )
        self.think(sentence + "\n")
        self.answer(output)

    def solve(self) -> str:
        """Announce a program, run the right one, return its output."""
        self.think(self.rng.choice(PLAN) + "\n")
        return self.run(self.right.code)

    def guess(self, near: str) -> str:
        """A plausible wrong value near a result."""
        if not is_number(near):
            raise UnsuitableInstanceError("no number to be near")
        wrong = round(float(near) * self.rng.choice((0.8, 0.9, 1.1, 1.2)))
        if abs(wrong - float(near)) < 1e-3:
            raise UnsuitableInstanceError("the guess would be right")
        return str(wrong)

    def true_value(self) -> str:
        """The right answer, for making guesses that are near it."""
        answer = self.env.episode.problem.answers[0]
        if isinstance(answer, str):
            raise UnsuitableInstanceError("no number is right")
        return str(answer)


def to_generation(env: SolverEnv, text: str, *, end: bool) -> Generation:
    """Text as a model would have generated it, encoded by itself; with `end`, it closes its turn."""
    ids, ends = env.renderer.encode_marked(text + (IM_END if end else "")) or (None, None)
    if ends and end:
        ends = (*ends[:-1], len(text))
    return Generation(text=text, ids=ids, ends=ends, finish="end" if end else "stop")


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def is_result(text: str) -> bool:
    return text == "infeasible" or is_number(text)
