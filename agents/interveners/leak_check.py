"""Validation of hints: a hint is a short thought in the reasoner's own voice and must not solve the problem.

    next(faults("The answer is 42.", episode), None)     # Fault(reason="answer", ...)

A hint with the answer, a new number or code would leak information that is missing at test time into golden
trajectories. Every hint, by rules, model or person, is therefore validated before it is used.
"""

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
"""The length limit of a hint in characters, enough for two sentences."""

FORBIDDEN_MARKS = re.compile(r"<\||</?(?:think|hint|tool_\w*)\b|\\+boxed", re.IGNORECASE)
"""Text that would be parsed as an answer, a tool call, or the beginning or end of a turn."""

# "The user" is allowed: reasoning models write it in their own thoughts.
SECOND_PERSON = re.compile(r"\b(?:you|your|yours|yourself|please|the (?:assistant|student|reasoner))\b", re.IGNORECASE)
FIRST_PERSON = re.compile(
    r"^\W*(?:wait|hmm|hold on|actually|no)\b|\b(?:I|I'm|I've|I'd|I'll|my|me|myself|let's|we|our)\b", re.IGNORECASE
)

FINISHED_CODE = re.compile(
    r"```"
    r"|^\s*(?:import|from)\s+\w+"  # An import.
    r"|\b\w+(?:\.\w+)+\s*\("  # A method call.
    r"|\b\w+\((?=[^()]*[=\[{\"'])"  # A call with a keyword argument, a list, a dictionary or a string.
    r"|^\s*[A-Za-z_]\w*(?:\[[^\]]*\])?\s*[-+*/]?=(?!=)"  # An assignment.
    r"|^\s*(?:def|class|for|while|if|with)\b.*:\s*$",
    re.MULTILINE,
)
"""Code that could be copied. Naming a function or a library is allowed."""


def faults(hint: str, episode: Episode) -> Iterator[Fault]:
    """Yield the faults of a hint for this episode, whose problem must have its accepted answers."""
    if len(hint) > MAX_HINT_CHARS:
        yield Fault(reason="length", message=f"it has {len(hint)} characters; {MAX_HINT_CHARS} are the most")
    if mark := FORBIDDEN_MARKS.search(hint):
        message = f"{mark[0]!r} is not allowed in it; write a thought, without code or answer"
        yield Fault(reason="marks", message=message)
    if code := FINISHED_CODE.search(hint):
        yield Fault(reason="code", message=f"{code[0].strip()!r} is code; say what to do, and leave the writing of it")
    if other := SECOND_PERSON.search(hint):
        message = f"{other[0]!r} speaks to somebody; write it as the reasoner's own second thought, with I"
        yield Fault(reason="voice", message=message)
    elif not FIRST_PERSON.search(hint):
        message = 'nobody speaks in it; write it as the reasoner would think it ("Wait, I ...")'
        yield Fault(reason="voice", message=message)
    if gives_away(hint, episode.problem):
        # The message must not reveal whether it was a number or a word.
        yield Fault(reason="answer", message="it names a result; say what is wrong, not what comes out")
    elif strange := strange_numbers(hint, episode):
        listed = ", ".join(f"{number:g}" for number in strange)
        yield Fault(reason="number", message=f"{listed} stands neither in the question nor in the run; leave it out")


def gives_away(hint: str, problem: Problem) -> bool:
    """Return whether a number (in digits or words, of either sign) or a word in the hint matches an accepted answer."""
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
    """Return the numbers in a hint that occur neither in the question nor in the trajectory."""
    transcript = episode.transcript
    shown = f"{episode.problem.question}\n{transcript.text[transcript.prompt_end :]}"
    known = {value for value, _ in numbers_in(shown)}
    return [value for value, _ in numbers_in(hint) if value not in known]
