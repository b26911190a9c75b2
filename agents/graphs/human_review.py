"""Human review: CALM interrupts instead of calling the intervener, and waits for a person's form.

    graph.invoke(question, config, context={"intervener": "person"})["__interrupt__"][0].value      # a `Shown`
    graph.invoke(Command(resume={"decision": "continue"}), config)
    graph.invoke(Command(resume={
        "decision": "intervene", "trigger": "solver_distrust", "quote": "That does not look right",
        "hint": "Wait, the solver proved this optimal. I should report it.",
    }), config)

An invalid form is rejected with its faults and requested again. The person never sees the accepted answer.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Parts, Supply
from storm_calm.agents.graphs.state import CalmState
from storm_calm.agents.interveners import RejectedHint, quote_matching
from storm_calm.agents.interveners.leak_check import faults
from storm_calm.env import Episode, Finding, Trigger, read_answer
from storm_calm.env.serialize import to_json
from storm_calm.env.workspace import shown_question

MAX_EVIDENCE_CHARS = 80
"""Characters of text kept as evidence for a form with an offset instead of a quote."""


class Form(BaseModel):
    """The form that a person fills in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    decision: Literal["continue", "intervene"]
    """"continue" without a flaw; "intervene" to cut the trajectory and insert a hint."""
    trigger: Trigger | None = None
    """The kind of flaw."""
    quote: str | None = None
    """The words at which the flaw begins, copied exactly and long enough to occur only once."""
    offset: int | None = None
    """The offset at which the flaw begins, in characters of the transcript; instead of a quote."""
    hint: str | None = None
    """One or two sentences in the reasoner's own voice. No answer, no code."""

    @field_validator("trigger", "quote", "hint", mode="before")
    @classmethod
    def _blank_is_none(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value


class Shown(TypedDict):
    """The value of the interrupt, for display to the person."""

    stage: Literal["segment", "run"]
    """A segment whose program has not run yet, or the finished trajectory."""
    question: str
    text: str
    """The segment, or everything after the prompt."""
    offset: int
    """The offset of `text` in the transcript, in characters."""
    answer: str | None
    """The answer of a finished trajectory; None without one."""
    suggestion: dict[str, Any] | None
    """The finding and hint of the intervener as a form to submit; None without a finding."""
    evidence: str | None
    """The evidence of the suggestion."""
    hints_left: int
    """Hints that may still be given. If none are left, a flaw in the finished trajectory keeps it from being golden."""
    form: dict[str, str]
    """The fields of the form with their descriptions."""
    wrong: list[str]
    """The faults of the submitted form, one per field; empty at first."""


def review(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Interrupt with the last segment or the finished trajectory until there is a valid form."""
    parts, episode = supply(), nodes.episode_of(state)
    over = episode.stop is not None
    if episode.stop == "infrastructure" or not (over or parts.guard.hints_left(episode)):
        return {"finding": None, "hint": None}
    shown = show(parts, episode)
    # Not `response_schema=Form`: an invalid form would then end the graph with an error instead of a new request.
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
    """Inspect an episode and return the value of the interrupt."""
    transcript = episode.transcript
    last = transcript.spans[-1]
    if episode.stop is not None:
        offset = transcript.prompt_end
    else:
        offset = len(transcript.text) - (len(last.text) if last.source == "model" else 0)
    answer = read_answer(transcript) if episode.stop == "answer" else None
    seen = parts.guard.inspect(episode)
    suggestion: dict[str, Any] | None = None
    if seen.finding is not None:
        suggestion = {"decision": "intervene", "trigger": seen.finding.trigger}
        suggestion |= {"offset": seen.finding.offset, "hint": seen.hint}
    return {
        "stage": "segment" if episode.stop is None else "run",
        "question": shown_question(episode.problem),
        "text": transcript.text[offset:],
        "offset": offset,
        "answer": answer.text if answer else None,
        "suggestion": suggestion,
        "evidence": seen.finding.evidence if seen.finding else None,
        "hints_left": parts.guard.hints_left(episode),
        "form": {name: field.description or "" for name, field in Form.model_fields.items()},
        "wrong": [],
    }


class FormError(ValueError):
    """An invalid form: `wrong` has its faults with field and fix, `rejected_hints` its hint if that is invalid."""

    def __init__(self, wrong: list[str], rejected_hints: Sequence[RejectedHint] = ()) -> None:
        super().__init__("; ".join(wrong))
        self.wrong = wrong
        self.rejected_hints = tuple(rejected_hints)


def read(given: Any) -> Form:
    """Parse a form: an object, its JSON, or the bare word "continue". Raises FormError."""
    if isinstance(given, str) and given.strip().strip('"').lower() == "continue":
        return Form(decision="continue")
    try:
        return Form.model_validate_json(given) if isinstance(given, str) else Form.model_validate(given)
    except ValidationError as error:
        # An error about the whole form, such as a number instead of an object, has no field in `loc`.
        whole = f'the form: give "continue", or an object with {", ".join(Form.model_fields)}'
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" if one["loc"] else whole for one in error.errors()]
        raise FormError(wrong) from error


def judged(form: Form, episode: Episode, shown: Shown) -> Finding | None:
    """Return the finding of a form, None to continue. Raises FormError for an inconsistent form."""
    if form.decision == "continue":
        filled = [name for name in Form.model_fields if name != "decision" and getattr(form, name) is not None]
        if filled:
            raise FormError([f'{name}: leave it out to continue, or decide "intervene"' for name in filled])
        return None
    wrong: list[str] = []
    rejected_hints: list[RejectedHint] = []
    offset = None
    if form.trigger is None:
        wrong.append("trigger: name the kind of flaw")
    try:
        offset = placed(form, episode, shown)
    except ValueError as error:
        wrong.append(str(error))
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
    evidence = form.quote or episode.transcript.text[offset : offset + MAX_EVIDENCE_CHARS]
    return Finding(trigger=form.trigger, offset=offset, evidence=evidence, rule="person")


def placed(form: Form, episode: Episode, shown: Shown) -> int:
    """Return the offset of the flaw in the transcript, in characters.

    A quote is searched in the shown text first, then in everything after the prompt. Raises ValueError if it does not
    occur exactly once, and for an offset outside the text after the prompt.
    """
    transcript = episode.transcript
    start, end = transcript.prompt_end, len(transcript.text)
    if (form.quote is None) == (form.offset is None):
        raise ValueError("quote: give either the words at which the flaw begins or an offset, not both")
    if form.offset is not None:
        if not start <= form.offset <= end:
            raise ValueError(f"offset: {form.offset} is outside the trajectory; give {start} to {end}")
        return form.offset
    assert form.quote is not None
    try:
        return quote_matching.placed(form.quote, transcript, since=shown["offset"])[0]
    except quote_matching.QuoteError as error:
        raise ValueError(f"quote: {error}, or give an offset") from None
