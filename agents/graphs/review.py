"""A person in the intervener's place: CALM stops where the intervener would look, and waits for a form.

    graph.invoke(question, config, context={"intervener": "person"})["__interrupt__"][0].value      # what is shown
    graph.invoke(Command(resume={"decision": "go on"}), config)
    graph.invoke(Command(resume={
        "decision": "intervene", "trigger": "solver_distrust", "quote": "That does not look right",
        "hint": "Wait, the solver proved this optimal. I should report it.",
    }), config)

A form that cannot be used is told what is wrong with it and asked for again; the run stays where it is. The person,
too, never sees the accepted answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, TypedDict

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from agents.graphs import steps
from agents.graphs.parts import Parts, Supply
from agents.graphs.state import CalmState
from env import Episode, Finding, Problem, Trigger, parse_answer, read_answer
from env.scoring import RULES, matches

MAX_HINT = 400
"""Characters that a person's hint may have: two sentences."""
EVIDENCE = 80
"""Characters of the text at an offset that are kept as evidence, where no quote says what it is."""
MARKS = re.compile(r"```|<\||</?think>|</?tool_|\\boxed")
"""What would be read as code, as an answer or as the end of a turn, when all that a hint may be is a thought."""


class Form(BaseModel):
    """What a person answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    decision: Literal["go on", "intervene"]
    """"go on" where nothing is wrong; "intervene" to cut the run and put a hint there."""
    trigger: Trigger | None = None
    """Which kind of flaw it is."""
    quote: str | None = None
    """Where the flaw begins: words from the text as they stand there, enough of them to be found only once."""
    offset: int | None = None
    """Where the flaw begins, instead of a quote: in characters of the transcript, as in what is shown."""
    hint: str | None = None
    """One or two sentences in the reasoner's own voice. No answer, no code."""

    @field_validator("trigger", "quote", "hint", mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        """A field that was left blank."""
        return None if isinstance(value, str) and not value.strip() else value


class Shown(TypedDict):
    """What a person is shown: the value of the interrupt."""

    stage: Literal["segment", "run"]
    """Whether it is a segment whose program has not run yet, or the whole run, which is over."""
    question: str
    """The problem in words."""
    text: str
    """The segment, or all that follows the prompt."""
    offset: int
    """Where `text` begins, in characters of the transcript."""
    answer: str | None
    """What the run answers; None while it goes on, and where it does not."""
    suggestion: dict[str, Any] | None
    """What the rules would have done, as a form that can be handed in; None where they find nothing."""
    evidence: str | None
    """The words or numbers by which they found it."""
    hints_left: int
    """Hints that the run may still get. A flaw in the whole run when there are none left keeps it from being golden."""
    form: dict[str, str]
    """The fields of the form, each with its meaning."""
    wrong: list[str]
    """What was wrong with the form that was given, field by field; empty at first."""


def review(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Show a person what was written, and wait for the form."""
    parts, episode = supply(), steps.episode_of(state)
    over = episode.stop is not None
    if episode.stop == "infrastructure" or not (over or parts.hints_left(episode)):
        return {"finding": None, "hint": None}
    shown = show(parts, episode)
    # Not `response_schema=Form`: a form that does not fit it would end the run as an error, and ask nobody again.
    schema = Form.model_json_schema()
    while True:
        try:
            form = read(interrupt(shown, response_schema=schema))
            finding = judged(form, episode, shown)
            return {"finding": finding and finding.to_dict(), "hint": form.hint}
        except FormError as error:
            shown = {**shown, "wrong": error.wrong}


def show(parts: Parts, episode: Episode) -> Shown:
    """What a person is to look at."""
    transcript = episode.transcript
    last = transcript.spans[-1]
    if episode.stop is not None:
        offset = transcript.prompt_end
    else:
        offset = len(transcript.text) - (len(last.text) if last.source == "model" else 0)
    read = read_answer(transcript) if episode.stop == "answer" else None
    found = parts.found(episode)
    return {
        "stage": "segment" if episode.stop is None else "run",
        "question": episode.problem.question,
        "text": transcript.text[offset:],
        "offset": offset,
        "answer": read.text if read else None,
        "suggestion": suggested(parts, found) if found else None,
        "evidence": found.evidence if found else None,
        "hints_left": parts.hints_left(episode),
        "form": {name: field.description or "" for name, field in Form.model_fields.items()},
        "wrong": [],
    }


def suggested(parts: Parts, found: Finding) -> dict[str, Any]:
    """What the intervener would have done, as a form."""
    return {
        "decision": "intervene",
        "trigger": found.trigger,
        "offset": found.offset,
        "hint": parts.intervener.hint(found),
    }


class FormError(ValueError):
    """A form that cannot be used."""

    def __init__(self, wrong: list[str]) -> None:
        """wrong: a line for each fault, with the field and the fix."""
        super().__init__("; ".join(wrong))
        self.wrong = wrong


def read(given: Any) -> Form:
    """The form as it came: an object, its JSON, or the bare words "go on". Raises FormError for anything else."""
    if isinstance(given, str) and given.strip().strip('"').lower() == "go on":
        return Form(decision="go on")
    try:
        return Form.model_validate_json(given) if isinstance(given, str) else Form.model_validate(given)
    except ValidationError as error:
        fields = ", ".join(Form.model_fields)
        # The whole, where it is no object at all, has no field to name.
        raise FormError(
            [
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
                if one["loc"]
                else f'the form: give "go on", or an object with {fields}'
                for one in error.errors()
            ]
        ) from error


def judged(form: Form, episode: Episode, shown: Shown) -> Finding | None:
    """What the form finds in the episode; None for nothing. Raises FormError for a form that fits neither."""
    wrong: list[str] = []
    if form.decision == "go on":
        filled = [name for name in Form.model_fields if name != "decision" and getattr(form, name) is not None]
        if filled:
            raise FormError([f'{name}: leave it out to go on, or decide "intervene"' for name in filled])
        return None
    if form.trigger is None:
        wrong.append("trigger: say which kind of flaw it is")
    offset = None
    try:
        offset = placed(form, episode, shown)
    except ValueError as error:
        wrong.append(str(error))
    if shown["hints_left"]:
        wrong.extend(hint_faults(form.hint, episode.problem))
    if wrong:
        raise FormError(wrong)
    assert form.trigger is not None
    assert offset is not None
    evidence = form.quote or episode.transcript.text[offset : offset + EVIDENCE]
    return Finding(trigger=form.trigger, offset=offset, evidence=evidence, rule="person")


def placed(form: Form, episode: Episode, shown: Shown) -> int:
    """Where the flaw begins, in characters of the transcript.

    A quote is looked for in what is shown, then in all that follows the prompt. Raises ValueError where it is not
    there, or more than once, and for an offset outside of what follows the prompt.
    """
    transcript = episode.transcript
    text, first = transcript.text, transcript.prompt_end
    if (form.quote is None) == (form.offset is None):
        raise ValueError("quote: give the words where the flaw begins, or an offset, and not both")
    if form.offset is not None:
        if not first <= form.offset <= len(text):
            raise ValueError(f"offset: {form.offset} is outside of the run; give {first} to {len(text)}")
        return form.offset
    assert form.quote is not None
    for start in (shown["offset"], first):
        count = text.count(form.quote, start)
        if count > 1:
            raise ValueError(f"quote: it stands there {count} times; quote more of it, or give an offset")
        if count == 1:
            return text.index(form.quote, start)
    raise ValueError("quote: it does not stand there; copy it from the text as it is, or give an offset")


def hint_faults(hint: str | None, problem: Problem) -> Iterator[str]:
    """What is wrong with a hint."""
    if hint is None:
        yield "hint: give one or two sentences in the reasoner's own voice"
        return
    if len(hint) > MAX_HINT:
        yield f"hint: it has {len(hint)} characters; {MAX_HINT} are the most"
    mark = MARKS.search(hint)
    if mark:
        yield f"hint: {mark[0]!r} is not allowed in it; write a thought, without code or answer"
    if gives_away(hint, problem):
        yield "hint: it gives the accepted answer away; say what is wrong, not what comes out"


def gives_away(hint: str, problem: Problem) -> bool:
    """Whether a number in the hint, or a word, would count as right. Its sign aside."""
    numbers = [parse_answer(piece.rstrip(",")) for piece in re.findall(r"\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?", hint)]
    rule = RULES[problem.rule]
    for accepted in problem.answers:
        if isinstance(accepted, str):
            if accepted in hint.lower():
                return True
        elif any(number is not None and matches(number, abs(accepted), rule) for number in numbers):
            return True
    return False
