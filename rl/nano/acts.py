"""Every kind of trace, acted out: honest work, the flaws of the seven triggers, and how a hint mends each.

A flaw is said where `scene.flaw()` marks it. With a hint, it is cut there again and what follows is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from storm_calm.rl.nano.programs import Program
from storm_calm.rl.nano.scene import PLAN, REPORT, SUMMARY, Scene, Unsuitable, is_result


def _direct(scene: Scene) -> None:
    if scene.hinted:
        raise Unsuitable("nothing to hint at")
    scene.report(scene.solve())


def _broken(scene: Scene) -> tuple[Program, str]:
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


def _mended_error(scene: Scene) -> None:
    if scene.hinted:
        raise Unsuitable("nothing to hint at")
    broken, reason = _broken(scene)
    scene.think(scene.rng.choice(PLAN) + "\n")
    output = scene.run(broken.code)
    if is_result(output):
        raise Unsuitable("the broken program ran")
    scene.think(f"The program failed. {reason} Let me mend it.\n")
    scene.report(scene.run(scene.right.code))


def _mended_zero(scene: Scene) -> None:
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


def _by_hand(scene: Scene) -> None:
    wrong = scene.guess(scene.true_value())
    scene.flaw()
    scene.think("Let me work it out by hand.\n")
    if scene.hinted:
        scene.hint("by_hand")
        return scene.report(scene.solve())
    scene.think(f"Trying some good choices gives about {wrong}.\n")
    return scene.answer(wrong)


def _fragment(scene: Scene) -> None:
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


def _imagined_output(scene: Scene) -> None:
    wrong = scene.guess(scene.true_value())
    scene.flaw()
    scene.think(f"A program for this would print about {wrong}.\n")
    if scene.hinted:
        scene.hint("imagined_output")
        return scene.report(scene.solve())
    return scene.answer(wrong)


def _overruled(scene: Scene) -> None:
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


def _flawed_program(scene: Scene, flawed: Program, kind: str) -> None:
    """A program with a flaw in it: run and believed, or cut away before it runs."""
    assert flawed.code != scene.right.code
    scene.think(scene.rng.choice(PLAN) + "\n")
    scene.flaw()
    if scene.hinted:
        scene.think(f"```python\n{flawed.code}```\n")
        scene.hint(kind)
        return scene.report(scene.run(scene.right.code))
    return scene.report(scene.run(flawed.code))


def _wrong_sense(scene: Scene) -> None:
    index = scene.right.tags("objective")[0]
    swaps = {"Maximize": "Minimize", "Minimize": "Maximize", "maximize": "minimize", "minimize": "maximize"}
    found = next(word for word in swaps if f".{word}(" in scene.right.lines[index][1])
    _flawed_program(scene, scene.right.rewrite(index, f".{found}(", f".{swaps[found]}("), "wrong_sense")


def _missing_constraint(scene: Scene) -> None:
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


def _wrong_type(scene: Scene) -> None:
    if scene.instance.family not in ("product_mix", "diet", "investment", "facility", "covering", "bin_packing"):
        raise Unsuitable("the type is not stated")
    index = scene.right.tags("variables")[0]
    line = scene.right.lines[index][1]
    old, new = next(swap for swap in TYPE_SWAPS if swap[0] in line)
    _flawed_program(scene, scene.right.rewrite(index, old, new), "wrong_type")


def _misread_number(scene: Scene) -> None:
    index = scene.rng.choice(scene.right.tags("data"))
    line = scene.right.lines[index][1]
    numbers = list(re.finditer(r"\d{2,}", line))
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


def _status_ignored(scene: Scene) -> None:
    if not isinstance(scene.env.episode.problem.answers[0], str):
        raise Unsuitable("the status makes no difference")
    flawed = scene.right
    index = flawed.tags("print")[0]
    line = flawed.lines[index][1]
    flawed = flawed.rewrite(index, line, line.split(" if ")[0] + ")")
    _flawed_program(scene, flawed, "status_ignored")


def _unmended_error(scene: Scene) -> None:
    wrong = scene.guess(scene.true_value())
    broken, reason = _broken(scene)
    scene.think(scene.rng.choice(PLAN) + "\n")
    output = scene.run(broken.code)
    if is_result(output):
        raise Unsuitable("the broken program ran")
    scene.flaw()
    scene.think(f"The program failed, but the optimum should be about {wrong}.\n")
    if scene.hinted:
        scene.hint("unmended_error")
        scene.think(f"{reason} Let me mend it.\n")
        return scene.report(scene.run(scene.right.code))
    return scene.answer(wrong)


ACTS: dict[str, Callable[[Scene], None]] = {
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
