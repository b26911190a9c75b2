"""Triggers 1 and 2, distrust of code: computing by hand, code in pieces or imagined."""

from __future__ import annotations

import re
from collections.abc import Iterator

from storm_calm.agents.triggers.arithmetic import EQUATION
from storm_calm.agents.triggers.evidence import Evidence, numbers_in, sentence_start
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

BY_HAND = re.compile(
    r"\b(?:by hand|manually|in my head|mentally|with pen and paper|without (?:any |writing )?(?:code|a program))\b",
    re.IGNORECASE,
)
WOULD_PRINT = re.compile(
    r"\b(?:(?:program|code|script|solver|model)\b[^.\n]{0,40}\b(?:would|should|will)"
    r"(?: \w+)? (?:print|output|return|give|show|yield)"
    r"|output (?:would|should|will)(?: \w+)? be"
    r"|expect (?:it|this|that|the (?:program|code|script|solver|model)) to print"
    r"|(?:it|this|that)(?:'d| would| should| will)(?: \w+)? (?:print|output|display))\b",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"(?:\b(?:not|never|instead of|rather than|avoid|stop|could|would|hard|difficult|tempt\w*|than)\b|n't\b)"
    r"[^.\n]{0,40}$",
    re.IGNORECASE,
)
DISMISSAL = re.compile(
    r"^ (?:is|would be|seems|gets)\b"
    r"|\b(?:but|however|instead|better|too (?:many|much|long|slow)|unreliable|error|tedious|hard|risky)\b"
    r"|(?<!need to )\b(?:write|use|run)\b[^.\n]{0,40}\b(?:program|code|python|solver|script)\b",
    re.IGNORECASE,
)
"""What follows on working by hand where it is only spoken of."""
CONDITION = re.compile(
    r"\b(?:if(?! (?:I|we) (?:ran|run|were to run|wrote|executed))|when|unless|otherwise|in case|whether|until|once)\b",
    re.IGNORECASE,
)
"""Words that make a mention of printing a mere case; imagining a run ("if I ran it") is none."""
COUNTED = re.compile(
    r"\d[\d,]* (?:\w+ )?(?:lines|rows|values|numbers|columns|entries|variables|constraints|digits|places|times)\b",
    re.IGNORECASE,
)
"""Numbers of things that are printed, and no result."""
ROUGHLY = re.compile(r"\b(?:about|around|roughly|approximately|something like)\b|[:=≈]", re.IGNORECASE)

EQUATIONS = 3
"""So many worked equations in one turn without a program count as computing by hand."""
EQUATIONS_BEFORE_CODE = 6
"""So many in a turn that ends with one: a few are how data are read."""


def by_hand(evidence: Evidence) -> Iterator[Finding]:
    """Numbers worked out in prose where a program would do; an answer without any run.

    What is worked out after a program gave a result is a check of it.
    """
    for turn in evidence.turns:
        if evidence.result_before(turn):
            break
        worked = list(EQUATION.finditer(turn.prose))
        enough = EQUATIONS if turn.source is None else EQUATIONS_BEFORE_CODE
        if found := _resolved(turn.prose):
            yield finding("by_hand", turn, sentence_start(turn.text, found.start()), found[0])
        elif len(worked) >= enough:
            yield finding("by_hand", turn, sentence_start(turn.text, worked[0].start()), worked[0][0])
    if evidence.answer is not None and evidence.last_execution is None:
        turn = evidence.turns[-1]
        closing = turn.text.find("</think>")
        yield finding(
            "by_hand", turn, max(0, closing), f"answered {evidence.answer.text} without running a program", 0.9
        )


def fragment(evidence: Evidence) -> Iterator[Finding]:
    """A block that neither solves nor prints anything that it worked out: a piece of a program."""
    for turn in evidence.turns:
        code = turn.code
        if code is not None and turn.block is not None and not code.solves and not code.prints:
            yield finding("fragment", turn, turn.block - turn.start, "the block solves nothing and prints nothing")


def imagined_output(evidence: Evidence) -> Iterator[Finding]:
    """Saying which numbers a program would print instead of running it; it begins where printing is first spoken of."""
    for turn in evidence.turns:
        spoken = [found for found in WOULD_PRINT.finditer(turn.prose) if _imagines(turn.prose, found)]
        with_numbers = [found for found in spoken if _foretells(_rest(turn.prose, found))]
        if with_numbers:
            at = sentence_start(turn.text, spoken[0].start())
            yield finding("imagined_output", turn, at, f"{with_numbers[0][0]}{_rest(turn.prose, with_numbers[0])}"[:80])


def _imagines(text: str, found: re.Match[str]) -> bool:
    """Whether a mention of printing is neither refused nor a mere case."""
    before = text[max(sentence_start(text, found.start()), found.start() - 200) : found.start()]
    sentence = before + _rest(text, found)
    return not REFUSAL.search(before) and not CONDITION.search(sentence)


def _rest(text: str, found: re.Match[str]) -> str:
    """The rest of the sentence."""
    return re.split(r"[.!?]\s", text[found.end() : found.end() + 120])[0]


def _foretells(rest: str) -> bool:
    """Whether there is a number in it that may be a result; a small one alone may count what is printed."""
    counted = COUNTED.sub(" ", rest)
    return any(value >= 10 or value != int(value) or ROUGHLY.search(counted) for value, _ in numbers_in(counted))


def _resolved(text: str) -> re.Match[str] | None:
    """The first word of working by hand that is neither refused nor dismissed in its sentence or the one after."""
    for found in BY_HAND.finditer(text):
        here, *later = re.split(r"(?<=[.!?])\s+|\n+", text[found.end() : found.end() + 400], maxsplit=2)
        refused = REFUSAL.search(text[max(0, found.start() - 80) : found.start()])
        if not refused and not any(map(DISMISSAL.search, [here, *later[:1]])):
            return found
    return None
