"""The hints that the nano model is pretrained to follow (`rl/nano/`): one or two short sentences for each rule.

Nano knows exactly these words, so they do not change. Other models get those of `agents.interveners.plain_hints`. No
hint has a number, an answer or code.
"""

import zlib

HINTS: dict[str, tuple[str, ...]] = {
    "by_hand": (
        "Wait, working this out by hand is unreliable. I should write a program and let a solver do it.",
        "Wait, a program will do this better than I can by hand.",
    ),
    "fragment": (
        "Wait, I should write one complete program that builds the model, solves it and prints the result.",
        "Wait, a piece of code answers nothing. I should write the whole program at once.",
    ),
    "imagined_output": (
        "Wait, I should not guess what a program would print. I should write it and run it.",
        "Wait, I have to run the program to know its output.",
    ),
    "overruled": (
        "Wait, the solver proved this result optimal. I should trust it and report it.",
        "Wait, I have no reason to doubt the solver. Its result is the answer.",
    ),
    "wrong_sense": (
        "Wait, the objective points the wrong way. I should read again what is asked.",
        "Wait, I mixed up maximizing and minimizing.",
    ),
    "missing_constraint": (
        "Wait, I left out a constraint. The program needs every condition of the problem.",
        "Wait, one condition of the problem is missing in the program.",
    ),
    "wrong_type": (
        "Wait, the type of the variables is wrong. I should check which quantities must be whole.",
        "Wait, I should declare the variables as the problem says, whole or fractional.",
    ),
    "misread_number": (
        "Wait, a number in my program is not the one in the problem. I should copy the data again.",
        "Wait, I misread a number. I should read the data once more.",
    ),
    "status_ignored": (
        "Wait, the program must check the solver's status before it prints a result.",
        "Wait, I should look at the solver's status first.",
    ),
    "unmended_error": (
        "Wait, the program failed. I should mend it and run it again, not guess.",
        "Wait, there was an error, so there is no result yet. I should fix the program.",
    ),
}
"""The wordings of each rule's hint."""


def hint_for(rule: str, seed: str) -> str:
    """Return a wording of this rule's hint, the same for the same `seed`. Raises KeyError for an unknown rule."""
    wordings = HINTS[rule]
    return wordings[zlib.crc32(seed.encode()) % len(wordings)]
