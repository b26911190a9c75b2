"""Build a trace in the environment: write model text, mark the start of a flaw, and replace the flaw by a hint."""

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
    """An instance does not allow this kind of trace."""


class TraceBuilder:
    """A writer of model text into an environment."""

    def __init__(self, env: SolverEnv, instance: Instance, rng: random.Random, hinted: bool) -> None:
        self.env, self.instance, self.rng, self.hinted = env, instance, rng, hinted
        self.right = program(instance.family, instance.data)
        self.flaw_offset: int | None = None
        self.learn_from = 0
        self._pending = ""

    def think(self, text: str) -> None:
        """Add text that is written with the next program, hint or answer."""
        self._pending += text

    def flaw(self) -> None:
        """Mark the start of the flaw: the text that is added next."""
        self.flaw_offset = len(self.env.episode.transcript.text) + len(self._pending)

    def hint(self, kind: str) -> None:
        """Write the pending text, cut it at the flaw, and insert a hint."""
        assert self.flaw_offset is not None
        self._write(end=False)
        finding = Finding(trigger=TRIGGER_OF[kind], offset=self.flaw_offset, evidence=kind, confidence=1.0)
        self.env.intervene(finding, self.rng.choice(HINTS[kind]))
        self.flaw_offset = None
        self.learn_from = len(self.env.episode.transcript.spans)

    def run(self, code: str) -> str:
        """Write a code block, run it, and return its output, or the last line of its error."""
        self._pending += f"```python\n{code}```\n"
        self._write(end=False)
        execution = self.env.act().execution
        if execution is None:
            raise UnsuitableInstanceError("the program was not run")
        if execution.status != "ok":
            return execution.error_line
        return execution.stdout.strip()

    def answer(self, value: str) -> None:
        """Close the `<think>` block and write the boxed answer."""
        self._pending += f"</think>\nThe answer is \\boxed{{{value}}}."
        self._write(end=True)
        self.env.act()

    def _write(self, *, end: bool) -> None:
        """Write the pending text as a model's generation. end: whether it closes the turn."""
        text, self._pending = self._pending, ""
        ids, ends = self.env.renderer.encode_marked(text + (IM_END if end else "")) or (None, None)
        if ends and end:
            ends = (*ends[:-1], len(text))
        self.env.write(Generation(text=text, ids=ids, ends=ends, finish="end" if end else "stop"))

    def report(self, output: str) -> None:
        """Report the result of a program, and answer with it."""
        if not is_result(output):
            raise UnsuitableInstanceError(f"no result to report: {output!r}")
        infeasible = output == "infeasible"
        self.think(("There is no feasible solution." if infeasible else self.rng.choice(REPORT).format(output)) + "\n")
        self.answer(output)

    def solve(self) -> str:
        """Announce and run the correct program, and return its output."""
        self.think(self.rng.choice(PLAN) + "\n")
        return self.run(self.right.code)

    def guess(self, near: str) -> str:
        if not is_number(near):
            raise UnsuitableInstanceError("not a number")
        wrong = round(float(near) * self.rng.choice((0.8, 0.9, 1.1, 1.2)))
        if abs(wrong - float(near)) < 1e-3:
            raise UnsuitableInstanceError("the guess would be correct")
        return str(wrong)

    def true_value(self) -> str:
        """Return the accepted answer, which must be a number."""
        answer = self.env.episode.problem.answers[0]
        if isinstance(answer, str):
            raise UnsuitableInstanceError("the answer is not a number")
        return str(answer)


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def is_result(text: str) -> bool:
    return text == "infeasible" or is_number(text)
