"""A person in the intervener's place: CALM stops where the intervener would look, and waits for a form.

    graph.invoke(question, config, context={"intervener": "person"})["__interrupt__"][0].value      # what is shown
    graph.invoke(Command(resume={"decision": "continue"}), config)
    graph.invoke(Command(resume={
        "decision": "intervene", "trigger": "solver_distrust", "quote": "That does not look right",
        "hint": "Wait, the solver proved this optimal. I should report it.",
    }), config)

A form that cannot be used is told what is wrong with it and asked for again; the run stays where it is. The person,
too, never sees the accepted answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Parts, Supply
from storm_calm.agents.graphs.state import CalmState
from storm_calm.agents.interveners import Inspection, RejectedHint, quote_matching
from storm_calm.agents.interveners.leak_check import faults
from storm_calm.env import Episode, Finding, Trigger, read_answer
from storm_calm.env.serialize import to_json

EVIDENCE = 80
"""Characters of the text at an offset that are kept as evidence, where no quote says what it is."""


class Form(BaseModel):
    """What a person answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    decision: Literal["continue", "intervene"]
    """"continue" where nothing is wrong; "intervene" to cut the run and put a hint there."""
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
    parts, episode = supply(), nodes.episode_of(state)
    over = episode.stop is not None
    if episode.stop == "infrastructure" or not (over or parts.hints_left(episode)):
        return {"finding": None, "hint": None}
    shown = show(parts, episode)
    # Not `response_schema=Form`: a form that does not fit it would end the run as an error, and ask nobody again.
    schema = Form.model_json_schema()
    rejected_hints = list(state["rejected_hints"])
    while True:
        try:
            form = read(interrupt(shown, response_schema=schema))
            finding = judged(form, episode, shown)
            return {"finding": finding and to_json(finding), "hint": form.hint, "rejected_hints": rejected_hints}
        except FormError as error:
            shown = {**shown, "wrong": error.wrong}
            rejected_hints += [to_json(rejected) for rejected in error.rejected_hints]


def show(parts: Parts, episode: Episode) -> Shown:
    """What a person is to look at."""
    transcript = episode.transcript
    last = transcript.spans[-1]
    if episode.stop is not None:
        offset = transcript.prompt_end
    else:
        offset = len(transcript.text) - (len(last.text) if last.source == "model" else 0)
    read = read_answer(transcript) if episode.stop == "answer" else None
    seen = parts.inspect(episode)
    return {
        "stage": "segment" if episode.stop is None else "run",
        "question": episode.problem.question,
        "text": transcript.text[offset:],
        "offset": offset,
        "answer": read.text if read else None,
        "suggestion": suggested(seen),
        "evidence": seen.finding.evidence if seen.finding else None,
        "hints_left": parts.hints_left(episode),
        "form": {name: field.description or "" for name, field in Form.model_fields.items()},
        "wrong": [],
    }


def suggested(seen: Inspection) -> dict[str, Any] | None:
    """What the intervener would have done, as a form; None where it would have gone on."""
    if seen.finding is None:
        return None
    finding = seen.finding
    return {"decision": "intervene", "trigger": finding.trigger, "offset": finding.offset, "hint": seen.hint}


class FormError(ValueError):
    """A form that cannot be used."""

    def __init__(self, wrong: list[str], rejected_hints: Sequence[RejectedHint] = ()) -> None:
        """wrong: a line for each fault, with the field and the fix. rejected_hints: the hint, if it is not valid."""
        super().__init__("; ".join(wrong))
        self.wrong = wrong
        self.rejected_hints = tuple(rejected_hints)


def read(given: Any) -> Form:
    """The form as it came: an object, its JSON, or the bare words "continue". Raises FormError for anything else."""
    if isinstance(given, str) and given.strip().strip('"').lower() == "continue":
        return Form(decision="continue")
    try:
        return Form.model_validate_json(given) if isinstance(given, str) else Form.model_validate(given)
    except ValidationError as error:
        fields = ", ".join(Form.model_fields)
        # The whole, where it is no object at all, has no field to name.
        raise FormError(
            [
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
                if one["loc"]
                else f'the form: give "continue", or an object with {fields}'
                for one in error.errors()
            ]
        ) from error


def judged(form: Form, episode: Episode, shown: Shown) -> Finding | None:
    """What the form finds in the episode; None for nothing. Raises FormError for a form that fits neither."""
    wrong: list[str] = []
    if form.decision == "continue":
        filled = [name for name in Form.model_fields if name != "decision" and getattr(form, name) is not None]
        if filled:
            raise FormError([f'{name}: leave it out to continue, or decide "intervene"' for name in filled])
        return None
    if form.trigger is None:
        wrong.append("trigger: say which kind of flaw it is")
    offset = None
    try:
        offset = placed(form, episode, shown)
    except ValueError as error:
        wrong.append(str(error))
    rejected_hints: list[RejectedHint] = []
    if shown["hints_left"] and form.hint is None:
        wrong.append("hint: give one or two sentences in the reasoner's own voice")
    elif shown["hints_left"] and form.hint is not None:
        for fault in faults(form.hint, episode):
            wrong.append(f"hint: {fault.message}")
            rejected_hints.append(RejectedHint(reason=fault.reason, trigger=form.trigger, text=form.hint))
    if wrong:
        raise FormError(wrong, rejected_hints[:1])
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
    try:
        return quote_matching.placed(form.quote, transcript, since=shown["offset"])[0]
    except quote_matching.QuoteError as error:
        raise ValueError(f"quote: {error}, or give an offset") from None
