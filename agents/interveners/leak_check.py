"""What a hint may be: a light thought in the reasoner's own voice, and nothing that solves the problem for it.

    next(faults("The answer is 42.", episode), None)     # Fault(reason="answer", ...)

A hint that says the answer, brings a number of its own or hands over code would make a golden run that the model did
not earn, and training on it would teach what nobody knows at test time. So every hint, by whomever, passes here before
it is used, and what fails is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from storm_calm.agents.interveners.inspection import Fault
from storm_calm.agents.triggers import number_words
from storm_calm.agents.triggers.evidence import numbers_in
from storm_calm.env.answers import Answer, parse_answer
from storm_calm.env.episode import Episode
from storm_calm.env.problem import Problem
from storm_calm.env.reward import RULES, matches

MAX_HINT_CHARS = 400
"""Characters that a hint may have: two sentences."""

FORBIDDEN_MARKS = re.compile(r"<\||</?(?:think|hint|tool_\w*)\b|\\+boxed", re.IGNORECASE)
"""What would be read as an answer, or as the end of a turn, when all that a hint may be is a thought."""

# "The user wants" stays: reasoning models think of who asked in this way.
SECOND_PERSON = re.compile(r"\b(?:you|your|yours|yourself|please|the (?:assistant|student|reasoner))\b", re.IGNORECASE)
FIRST_PERSON = re.compile(
    r"^\W*(?:wait|hmm|hold on|actually|no)\b|\b(?:I|I'm|I've|I'd|I'll|my|me|myself|let's|we|our)\b", re.IGNORECASE
)

FINISHED_CODE = re.compile(
    r"```"
    r"|^\s*(?:import|from)\s+\w+"  # An import.
    r"|\b\w+(?:\.\w+)+\s*\("  # A method's call.
    r"|\b\w+\((?=[^()]*[=\[{\"'])"  # A call with a keyword, a list or a text.
    r"|^\s*[A-Za-z_]\w*(?:\[[^\]]*\])?\s*[-+*/]?=(?!=)"  # An assignment.
    r"|^\s*(?:def|class|for|while|if|with)\b.*:\s*$",
    re.MULTILINE,
)
"""Finished code. Naming a function or a library is none."""


def faults(hint: str, episode: Episode) -> Iterator[Fault]:
    """What is wrong with a hint for this run, the accepted answers of its problem included."""
    if len(hint) > MAX_HINT_CHARS:
        yield Fault(reason="length", message=f"it has {len(hint)} characters; {MAX_HINT_CHARS} are the most")
    if mark := FORBIDDEN_MARKS.search(hint):
        yield Fault(
            reason="marks", message=f"{mark[0]!r} is not allowed in it; write a thought, without code or answer"
        )
    if code := FINISHED_CODE.search(hint):
        yield Fault(reason="code", message=f"{code[0].strip()!r} is code; say what to do, and leave the writing of it")
    if other := SECOND_PERSON.search(hint):
        yield Fault(
            reason="voice",
            message=f"{other[0]!r} speaks to somebody; write it as the reasoner's own second thought, with I",
        )
    elif not FIRST_PERSON.search(hint):
        yield Fault(
            reason="voice", message='nobody speaks in it; write it as the reasoner would think it ("Wait, I ...")'
        )
    if gives_away(hint, episode.problem):
        # The same words whether it is a number or a word, right by chance or not: who words hints must not learn more.
        yield Fault(reason="answer", message="it names a result; say what is wrong, not what comes out")
    elif strange := strange_numbers(hint, episode):
        listed = ", ".join(f"{number:g}" for number in strange)
        yield Fault(reason="number", message=f"{listed} stands neither in the question nor in the run; leave it out")


def gives_away(hint: str, problem: Problem) -> bool:
    """Whether a number in the hint, in digits or in words, or a word, would count as right. Its sign aside."""
    pieces = re.findall(r"\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?", hint)
    numbers = [parse_answer(piece.rstrip(",")) for piece in pieces]
    numbers += [Answer(value=value, status="number", text=hint) for value in number_words.numbers(hint)]
    rule = RULES[problem.rule]
    for accepted in problem.answers:
        if isinstance(accepted, str):
            if accepted in hint.lower():
                return True
        elif any(number is not None and matches(number, abs(accepted), rule) for number in numbers):
            return True
    return False


def strange_numbers(hint: str, episode: Episode) -> list[float]:
    """The numbers in a hint that stand neither in the question nor in the run."""
    transcript = episode.transcript
    known = {
        value for value, _ in numbers_in(f"{episode.problem.question}\n{transcript.text[transcript.prompt_end :]}")
    }
    return [value for value, _ in numbers_in(hint) if value not in known]
