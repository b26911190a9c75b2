"""The traces that the nano model is pretrained on: right ones, flawed ones, mended ones and hinted ones.

A trace is not written down but played: its segments go through the same `SolverEnv` that curation and reinforcement
learning use, so its programs really run, its outputs are what a solver said, and its token ids meet at the very seams
that they meet at later. What kind of trace an instance becomes is drawn from `MIX`, which states the rate of every flaw.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agents.interveners.hints import HINTS
from agents.triggers.names import TRIGGER_OF
from env.episode import Episode
from env.families import Instance
from env.families.base import Tier
from env.intervention import Finding
from env.problem import Problem
from env.reasoner import Generation
from env.solver_env import SolverEnv
from rl.nano.programs import Program, program
from rl.nano.tokenizer import IM_END

Kind = Literal[
    "direct",
    "mended_error",
    "mended_zero",
    "by_hand",
    "fragment",
    "imagined_output",
    "overruled",
    "wrong_sense",
    "missing_constraint",
    "wrong_type",
    "misread_number",
    "status_ignored",
    "unmended_error",
]

MIX: dict[Tier, dict[Kind, float]] = {
    "easy": {
        "direct": 0.36, "mended_error": 0.08,
        "by_hand": 0.14, "fragment": 0.05, "imagined_output": 0.04, "overruled": 0.08,
        "wrong_sense": 0.05, "missing_constraint": 0.08, "wrong_type": 0.06,
        "misread_number": 0.03, "status_ignored": 0.01, "unmended_error": 0.02,
    },
    "complex": {
        "direct": 0.12, "mended_error": 0.18, "mended_zero": 0.18,
        "by_hand": 0.07, "fragment": 0.05, "imagined_output": 0.02, "overruled": 0.07,
        "wrong_sense": 0.05, "missing_constraint": 0.10, "wrong_type": 0.06,
        "misread_number": 0.04, "status_ignored": 0.01, "unmended_error": 0.05,
    },
}  # fmt: skip
"""Share of each kind among traces without a hint, by tier. A kind that an instance cannot show becomes another draw."""

HINTED_SHARE = 0.35
"""Share of all traces in which a flaw is cut away, a hint stands in its place, and the rest is right."""


class Unsuitable(Exception):
    """This instance cannot show this kind of trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A played trace with its labels."""

    episode: Episode
    """The run; its transcript has ids and masks."""
    kind: Kind
    """What kind of trace it is; with a hint, the kind of flaw that was cut away."""
    hinted: bool
    """Whether the flaw was cut away and a hint given."""
    flaw_offset: int | None
    """Where the flaw begins in the transcript's text; None without a flaw or where a hint replaced it."""
    learn_from: int
    """Index of the first span that is learned: what stands before a hint is not, or flaws would become likelier."""


THOUGHTS: dict[str, tuple[str, ...]] = {
    "product_mix": ("Choose how much of each product to make; each resource limits the total use.",
                    "The amounts of the products are the decisions, the resources are the limits."),
    "knapsack": ("Each item is taken or not, and one limit holds for the total weight.",
                 "One yes or no decision for each item, with a limit on the weight."),
    "diet": ("Choose the amount of each ingredient; every nutrient has a lower bound.",
             "The amounts are the decisions, and each requirement is a lower bound."),
    "assignment": ("Each person takes one task and each task one person.",
                   "This is an assignment: one task in each row and column."),
    "transportation": ("Ship from each source to each destination within supply so that demand is met.",
                       "The flows are the decisions; supply bounds them above, demand below."),
    "investment": ("Spread the budget over the assets within their caps.",
                   "The amounts are the decisions, with a budget, caps and one minimum."),
    "production": ("Decide production and stock for each period; stock balances carry over.",
                   "For each period: stock before plus production equals demand plus stock after."),
    "facility": ("Open a site or not, and send amounts only from open sites.",
                 "Opening is a yes or no decision, and capacity holds only where a site is open."),
    "covering": ("Build each one or not so that everything is covered.",
                 "This is a set covering: each zone needs at least one."),
    "bin_packing": ("Put each thing into one bin and count the bins used.",
                    "This is bin packing: capacity holds for each bin that is used."),
    "scheduling": ("Put each job on one machine; the end is after every machine's total.",
                   "The makespan is at least the load of each machine."),
    "blending": ("Choose the amount of each ingredient; amounts add up to the total and the content is high enough.",
                 "The amounts are the decisions: a total, a content and the stocks."),
}  # fmt: skip

PLAN = ("Let me solve it with code.", "I will write a program for this.")
REPORT = ("The solver returns {}.", "The result is {}.")
SUMMARY = ("So the optimum is {}.", "That is the optimal value, {}.")


def play(env: SolverEnv, instance: Instance, problem: Problem, kind: Kind, *, hinted: bool, rng: random.Random) -> Trace:
    """Play one trace of this kind through the environment.

    Raises Unsuitable where the instance cannot show it (no integer variable to relax, no infeasible result, ...).
    """
    env.reset(problem)
    scene = _Scene(env, instance, rng, hinted)
    scene.think(rng.choice(THOUGHTS[instance.family]) + "\n")
    _ACTS[kind](scene)
    if hinted and scene.learn_from == 0:
        raise Unsuitable("nothing was cut")
    return Trace(
        episode=env.episode,
        kind=kind,
        hinted=hinted,
        flaw_offset=scene.flaw_offset,
        learn_from=scene.learn_from,
    )


class _Scene:
    """The hand that plays: what the model says next, and where a flaw is or was."""

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

    def hint(self, kind: Kind) -> None:
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
            raise Unsuitable("the program was not run")
        if execution.status != "ok":
            return execution.stderr.strip().splitlines()[-1]
        return execution.stdout.strip()

    def answer(self, value: str) -> None:
        """Close the thought and box the answer."""
        self._pending += f"</think>\nThe answer is \\boxed{{{value}}}."
        self._say(end=True)
        self.env.act()

    def _say(self, *, end: bool) -> None:
        self.env.write(said(self.env, self._pending, end=end))
        self._pending = ""

    def report(self, output: str) -> None:
        """Say what the solver returned and answer with it."""
        if not _is_result(output):
            raise Unsuitable(f"no result to report: {output!r}")
        sentence = "There is no feasible solution." if output == "infeasible" else self.rng.choice(REPORT).format(output)
        self.think(sentence + "\n")
        self.answer(output)

    def solve(self) -> str:
        """Announce a program, run the right one, return its output."""
        self.think(self.rng.choice(PLAN) + "\n")
        return self.run(self.right.code)

    def guess(self, near: str) -> str:
        """A plausible wrong value near a result."""
        if not _is_number(near):
            raise Unsuitable("no number to be near")
        wrong = round(float(near) * self.rng.choice((0.8, 0.9, 1.1, 1.2)))
        if abs(wrong - float(near)) < 1e-3:
            raise Unsuitable("the guess would be right")
        return str(wrong)

    def true_value(self) -> str:
        """The right answer, for making guesses that are near it."""
        answer = self.env.episode.problem.answers[0]
        if isinstance(answer, str):
            raise Unsuitable("no number is right")
        return str(answer)


def said(env: SolverEnv, text: str, *, end: bool) -> Generation:
    """Text as a model would have generated it, encoded by itself; with `end`, it closes its turn."""
    ids, ends = env.codec.encode(text + (IM_END if end else "")) or (None, None)
    if ends and end:
        ends = (*ends[:-1], len(text))
    return Generation(text=text, ids=ids, ends=ends, finish="end" if end else "stop")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _is_result(text: str) -> bool:
    return text == "infeasible" or _is_number(text)


def _direct(scene: _Scene) -> None:
    if scene.hinted:
        raise Unsuitable("nothing to hint at")
    scene.report(scene.solve())


def _broken(scene: _Scene) -> tuple[Program, str]:
    """A program that fails, and what is wrong with it in words."""
    right, rng = scene.right, scene.rng
    options: list[tuple[Program, str]] = [(right.without(0), "The import is missing.")]
    objective = right.tags("objective")[0]
    for old, new in ((".Minimize(", ".minimise("), (".Maximize(", ".maximise("), (".minimize(", ".min("),
                     (".maximize(", ".max(")):  # fmt: skip
        if old in right.lines[objective][1]:
            options.append((right.rewrite(objective, old, new), "There is no such method."))
    data = right.tags("data")[-1]
    name = right.lines[data][1].split(" = ")[0]
    options.append((right.rewrite(data, f"{name} = ", f"{name}s = "), "A name is misspelled."))
    for index in right.tags("limit") + right.tags("demand"):
        line = right.lines[index][1]
        if bounds := re.search(r"in range\(len\(([a-z])\)\):", line):
            longer = f"in range(len({bounds[1]}) + 1):"
            options.append((right.rewrite(index, bounds[0], longer), "An index runs too far."))
    return rng.choice(options)


def _mended_error(scene: _Scene) -> None:
    if scene.hinted:
        raise Unsuitable("nothing to hint at")
    broken, reason = _broken(scene)
    scene.think(scene.rng.choice(PLAN) + "\n")
    output = scene.run(broken.code)
    if _is_result(output):
        raise Unsuitable("the broken program ran")
    scene.think(f"The program failed. {reason} Let me mend it.\n")
    scene.report(scene.run(scene.right.code))


def _mended_zero(scene: _Scene) -> None:
    if scene.hinted or not scene.right.tags("demand"):
        raise Unsuitable("no demand to turn around")
    index = scene.right.tags("demand")[0]
    line = scene.right.lines[index][1]
    turned = scene.right.rewrite(index, ">=", "<=") if ">=" in line else scene.right.rewrite(index, " == ", " <= ")
    scene.think(scene.rng.choice(PLAN) + "\n")
    output = scene.run(turned.code)
    if output not in ("0.0", "-0.0"):
        raise Unsuitable("the turned program does not give 0")
    scene.think("A result of 0 is not plausible. One inequality points the wrong way. Let me mend it.\n")
    scene.report(scene.run(scene.right.code))


def _by_hand(scene: _Scene) -> None:
    wrong = scene.guess(scene.true_value())
    scene.flaw()
    scene.think("Let me work it out by hand.\n")
    if scene.hinted:
        scene.hint("by_hand")
        return scene.report(scene.solve())
    scene.think(f"Trying some good choices gives about {wrong}.\n")
    return scene.answer(wrong)


def _fragment(scene: _Scene) -> None:
    wrong = scene.guess(scene.true_value())
    data = "".join(f"{scene.right.lines[i][1]}\n" for i in scene.right.tags("data"))
    scene.think("Let me write down the data first.\n")
    scene.flaw()
    if scene.hinted:
        scene.think(f"```python\n{data}```\n")
        scene.hint("fragment")
        return scene.report(scene.run(scene.right.code))
    scene.run(data)
    scene.think(f"With these data the optimum should be about {wrong}.\n")
    return scene.answer(wrong)


def _imagined_output(scene: _Scene) -> None:
    wrong = scene.guess(scene.true_value())
    scene.flaw()
    scene.think(f"A program for this would print about {wrong}.\n")
    if scene.hinted:
        scene.hint("imagined_output")
        return scene.report(scene.solve())
    return scene.answer(wrong)


def _overruled(scene: _Scene) -> None:
    output = scene.solve()
    wrong = scene.guess(output)
    scene.think(scene.rng.choice(REPORT).format(output) + "\n")
    scene.flaw()
    scene.think(f"That does not look right, I would expect about {wrong}.\n")
    if scene.hinted:
        scene.hint("overruled")
        scene.think(scene.rng.choice(SUMMARY).format(output) + "\n")
        return scene.answer(output)
    return scene.answer(wrong)


def _flawed_program(scene: _Scene, flawed: Program, kind: Kind) -> None:
    """A program with a flaw in it: run and believed, or cut away before it runs."""
    assert flawed.code != scene.right.code
    scene.think(scene.rng.choice(PLAN) + "\n")
    scene.flaw()
    if scene.hinted:
        scene.think(f"```python\n{flawed.code}```\n")
        scene.hint(kind)
        return scene.report(scene.run(scene.right.code))
    return scene.report(scene.run(flawed.code))


def _wrong_sense(scene: _Scene) -> None:
    index = scene.right.tags("objective")[0]
    swaps = {"Maximize": "Minimize", "Minimize": "Maximize", "maximize": "minimize", "minimize": "maximize"}
    found = next(word for word in swaps if f".{word}(" in scene.right.lines[index][1])
    _flawed_program(scene, scene.right.rewrite(index, f".{found}(", f".{swaps[found]}("), "wrong_sense")


def _missing_constraint(scene: _Scene) -> None:
    limits = scene.right.tags("limit")
    if not limits:
        raise Unsuitable("no constraint to leave out")
    if len(limits) == 1 and scene.instance.family == "product_mix":
        raise Unsuitable("profit would have no bound")
    _flawed_program(scene, scene.right.without(scene.rng.choice(limits)), "missing_constraint")


TYPE_SWAPS = (
    ("IntVar(0, s.infinity()", "NumVar(0, s.infinity()"),
    ("y = [s.BoolVar('')", "y = [s.NumVar(0, 1, '')"),
    ("x = [s.BoolVar('')", "x = [s.NumVar(0, 1, '')"),
    ("NumVar(0, s.infinity()", "IntVar(0, s.infinity()"),
    ("NumVar(0, k", "IntVar(0, k"),
)


def _wrong_type(scene: _Scene) -> None:
    if scene.instance.family not in ("product_mix", "diet", "investment", "facility", "covering", "bin_packing"):
        raise Unsuitable("the type is not stated")
    index = scene.right.tags("variables")[0]
    line = scene.right.lines[index][1]
    old, new = next(swap for swap in TYPE_SWAPS if swap[0] in line)
    _flawed_program(scene, scene.right.rewrite(index, old, new), "wrong_type")


def _misread_number(scene: _Scene) -> None:
    index = scene.rng.choice(scene.right.tags("data"))
    line = scene.right.lines[index][1]
    numbers = [m for m in re.finditer(r"\d{2,}", line)]
    if not numbers:
        raise Unsuitable("no number to misread")
    number = scene.rng.choice(numbers)
    digits = list(number[0])
    place = scene.rng.randrange(len(digits))
    digits[place] = str((int(digits[place]) + scene.rng.randint(1, 8)) % 9 + 1)
    wrong = "".join(digits)
    if re.search(rf"(?<!\d){wrong}(?!\d)", scene.instance.question.replace(",", "")):
        raise Unsuitable("the misread number is another one of the problem")
    flawed = Program((
        *scene.right.lines[:index],
        ("data", line[: number.start()] + wrong + line[number.end() :]),
        *scene.right.lines[index + 1 :],
    ))  # fmt: skip
    if flawed.code == scene.right.code:
        raise Unsuitable("the number stayed")
    _flawed_program(scene, flawed, "misread_number")


def _status_ignored(scene: _Scene) -> None:
    if not isinstance(scene.env.episode.problem.answers[0], str):
        raise Unsuitable("the status makes no difference")
    flawed = scene.right
    index = flawed.tags("print")[0]
    line = flawed.lines[index][1]
    flawed = flawed.rewrite(index, line, line.split(" if ")[0] + ")")
    _flawed_program(scene, flawed, "status_ignored")


def _unmended_error(scene: _Scene) -> None:
    wrong = scene.guess(scene.true_value())
    broken, reason = _broken(scene)
    scene.think(scene.rng.choice(PLAN) + "\n")
    output = scene.run(broken.code)
    if _is_result(output):
        raise Unsuitable("the broken program ran")
    scene.flaw()
    scene.think(f"The program failed, but the optimum should be about {wrong}.\n")
    if scene.hinted:
        scene.hint("unmended_error")
        scene.think(f"{reason} Let me mend it.\n")
        return scene.report(scene.run(scene.right.code))
    return scene.answer(wrong)


_ACTS: dict[Kind, Callable[[_Scene], None]] = {
    "direct": _direct,
    "mended_error": _mended_error,
    "mended_zero": _mended_zero,
    "by_hand": _by_hand,
    "fragment": _fragment,
    "imagined_output": _imagined_output,
    "overruled": _overruled,
    "wrong_sense": _wrong_sense,
    "missing_constraint": _missing_constraint,
    "wrong_type": _wrong_type,
    "misread_number": _misread_number,
    "status_ignored": _status_ignored,
    "unmended_error": _unmended_error,
}
