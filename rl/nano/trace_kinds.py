"""Write every kind of trace: correct solutions, the flaws of the seven triggers, and their repair after a hint.

`builder.flaw()` marks the start of a flaw. With a hint, the trace is cut there and continues correctly.
"""

import re
from collections.abc import Callable

from storm_calm.rl.nano.family_programs import TaggedProgram
from storm_calm.rl.nano.trace_builder import PLAN, REPORT, SUMMARY, TraceBuilder, UnsuitableInstanceError, is_result


def direct(builder: TraceBuilder) -> None:
    builder.report(builder.solve())


def _broken(builder: TraceBuilder) -> tuple[TaggedProgram, str]:
    """Return a program with an error, and a sentence that explains the error."""
    right, rng = builder.right, builder.rng
    options: list[tuple[TaggedProgram, str]] = [(right.without(0), "The import is missing.")]
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


def _run_broken(builder: TraceBuilder) -> str:
    """Run a program with an error, and return the sentence that explains the error."""
    broken, reason = _broken(builder)
    builder.think(builder.rng.choice(PLAN) + "\n")
    if is_result(builder.run(broken.code)):
        raise UnsuitableInstanceError("the broken program ran")
    return reason


def mended_error(builder: TraceBuilder) -> None:
    reason = _run_broken(builder)
    builder.think(f"The program failed. {reason} Let me mend it.\n")
    builder.report(builder.run(builder.right.code))


def mended_zero(builder: TraceBuilder) -> None:
    if not builder.right.tags("demand"):
        raise UnsuitableInstanceError("no demand to reverse")
    index = builder.right.tags("demand")[0]
    line = builder.right.lines[index][1]
    reversed_demand = (
        builder.right.rewrite(index, ">=", "<=") if ">=" in line else builder.right.rewrite(index, " == ", " <= ")
    )
    builder.think(builder.rng.choice(PLAN) + "\n")
    if builder.run(reversed_demand.code) not in ("0.0", "-0.0"):
        raise UnsuitableInstanceError("the result is not 0")
    builder.think("A result of 0 is not plausible. One inequality points the wrong way. Let me mend it.\n")
    builder.report(builder.run(builder.right.code))


def by_hand(builder: TraceBuilder) -> None:
    wrong = builder.guess(builder.true_value())
    builder.flaw()
    builder.think("Let me work it out by hand.\n")
    if builder.hinted:
        builder.hint("by_hand")
        return builder.report(builder.solve())
    builder.think(f"Trying some good choices gives about {wrong}.\n")
    return builder.answer(wrong)


def fragment(builder: TraceBuilder) -> None:
    wrong = builder.guess(builder.true_value())
    data = "".join(f"{builder.right.lines[i][1]}\n" for i in builder.right.tags("data"))
    builder.think("Let me write down the data first.\n")
    builder.flaw()
    if builder.hinted:
        builder.think(f"```python\n{data}```\n")
        builder.hint("fragment")
        return builder.report(builder.run(builder.right.code))
    builder.run(data)
    builder.think(f"With these data the optimum should be about {wrong}.\n")
    return builder.answer(wrong)


def imagined_output(builder: TraceBuilder) -> None:
    wrong = builder.guess(builder.true_value())
    builder.flaw()
    builder.think(f"A program for this would print about {wrong}.\n")
    if builder.hinted:
        builder.hint("imagined_output")
        return builder.report(builder.solve())
    return builder.answer(wrong)


def overruled(builder: TraceBuilder) -> None:
    output = builder.solve()
    wrong = builder.guess(output)
    builder.think(builder.rng.choice(REPORT).format(output) + "\n")
    builder.flaw()
    builder.think(f"That does not look right, I would expect about {wrong}.\n")
    if builder.hinted:
        builder.hint("overruled")
        builder.think(builder.rng.choice(SUMMARY).format(output) + "\n")
        return builder.answer(output)
    return builder.answer(wrong)


def _flawed_program(builder: TraceBuilder, flawed: TaggedProgram, kind: str) -> None:
    """Write a flawed program; report its result, or cut it before it runs and continue with the correct program."""
    assert flawed.code != builder.right.code
    builder.think(builder.rng.choice(PLAN) + "\n")
    builder.flaw()
    if builder.hinted:
        builder.think(f"```python\n{flawed.code}```\n")
        builder.hint(kind)
        return builder.report(builder.run(builder.right.code))
    return builder.report(builder.run(flawed.code))


def wrong_sense(builder: TraceBuilder) -> None:
    index = builder.right.tags("objective")[0]
    swaps = {"Maximize": "Minimize", "Minimize": "Maximize", "maximize": "minimize", "minimize": "maximize"}
    found = next(word for word in swaps if f".{word}(" in builder.right.lines[index][1])
    _flawed_program(builder, builder.right.rewrite(index, f".{found}(", f".{swaps[found]}("), "wrong_sense")


def missing_constraint(builder: TraceBuilder) -> None:
    limits = builder.right.tags("limit")
    if not limits:
        raise UnsuitableInstanceError("no constraint to drop")
    if len(limits) == 1 and builder.instance.family == "product_mix":
        raise UnsuitableInstanceError("the problem would be unbounded")
    _flawed_program(builder, builder.right.without(builder.rng.choice(limits)), "missing_constraint")


TYPE_SWAPS = (
    ("IntVar(0, s.infinity()", "NumVar(0, s.infinity()"),
    ("y = [s.BoolVar('')", "y = [s.NumVar(0, 1, '')"),
    ("x = [s.BoolVar('')", "x = [s.NumVar(0, 1, '')"),
    ("NumVar(0, s.infinity()", "IntVar(0, s.infinity()"),
    ("NumVar(0, k", "IntVar(0, k"),
)


def wrong_type(builder: TraceBuilder) -> None:
    if builder.instance.family not in ("product_mix", "diet", "investment", "facility", "covering", "bin_packing"):
        raise UnsuitableInstanceError("the question does not state the type")
    index = builder.right.tags("variables")[0]
    line = builder.right.lines[index][1]
    old, new = next(swap for swap in TYPE_SWAPS if swap[0] in line)
    _flawed_program(builder, builder.right.rewrite(index, old, new), "wrong_type")


def misread_number(builder: TraceBuilder) -> None:
    index = builder.rng.choice(builder.right.tags("data"))
    line = builder.right.lines[index][1]
    numbers = list(re.finditer(r"\d{2,}", line))
    if not numbers:
        raise UnsuitableInstanceError("no number to misread")
    number = builder.rng.choice(numbers)
    digits = list(number[0])
    place = builder.rng.randrange(len(digits))
    digits[place] = str((int(digits[place]) + builder.rng.randint(1, 8)) % 9 + 1)
    wrong = "".join(digits)
    if re.search(rf"(?<!\d){wrong}(?!\d)", builder.instance.question.replace(",", "")):
        raise UnsuitableInstanceError("the misread number appears in the question")
    flawed = TaggedProgram((
        *builder.right.lines[:index],
        ("data", line[: number.start()] + wrong + line[number.end() :]),
        *builder.right.lines[index + 1 :],
    ))  # fmt: skip
    if flawed.code == builder.right.code:
        raise UnsuitableInstanceError("the number did not change")
    _flawed_program(builder, flawed, "misread_number")


def status_ignored(builder: TraceBuilder) -> None:
    if not isinstance(builder.env.episode.problem.answers[0], str):
        raise UnsuitableInstanceError("the status makes no difference")
    index = builder.right.tags("print")[0]
    line = builder.right.lines[index][1]
    _flawed_program(builder, builder.right.rewrite(index, line, line.split(" if ")[0] + ")"), "status_ignored")


def unmended_error(builder: TraceBuilder) -> None:
    wrong = builder.guess(builder.true_value())
    reason = _run_broken(builder)
    builder.flaw()
    builder.think(f"The program failed, but the optimum should be about {wrong}.\n")
    if builder.hinted:
        builder.hint("unmended_error")
        builder.think(f"{reason} Let me mend it.\n")
        return builder.report(builder.run(builder.right.code))
    return builder.answer(wrong)


WRITERS: tuple[Callable[[TraceBuilder], None], ...] = (
    *(direct, mended_error, mended_zero, by_hand, fragment, imagined_output, overruled, wrong_sense),
    *(missing_constraint, wrong_type, misread_number, status_ignored, unmended_error),
)
TRACE_KINDS = {writer.__name__: writer for writer in WRITERS}
