"""The reply of a language model that watches a trajectory: its schema, and how it is parsed.

    parsed = read_reply('{"flaw": true, "trigger": "solver_distrust", ...}')

Endpoints that know JSON schemas hold the model to `SCHEMA`. Others answer as they like: with thoughts before the
object, fences around it, or half of it. What cannot be read is a ReplyError, whose words go back to the model.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storm_calm.env.intervention import TRIGGERS, Trigger

NO_TRIGGER = "none"
"""The trigger of a reply that finds no flaw."""

_TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    # In this order it is written: a model that says why before it decides has thought about it.
    "properties": {
        "why": _TEXT,
        "flaw": {"type": "boolean"},
        "trigger": {"type": "string", "enum": [*TRIGGERS, NO_TRIGGER]},
        "quote": _TEXT,
        "hint": _TEXT,
        "confidence": {"type": "number"},
    },
    "required": ["why", "flaw", "trigger", "quote", "hint", "confidence"],
    "additionalProperties": False,
}
"""The object, in the part of JSON Schema that every endpoint takes: everything required, nothing nullable."""


class ReplyError(ValueError):
    """A reply that violates the schema."""


class ParsedReply(BaseModel):
    """What a language model says of a run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    flaw: bool
    """Whether there is a flaw. The other fields mean nothing without one."""
    trigger: str = NO_TRIGGER
    """Which kind of flaw, as the model calls it."""
    quote: str = ""
    """The words of the run at which the flaw begins."""
    why: str = ""
    """What is wrong there."""
    hint: str = ""
    """What the reasoner should think there."""
    confidence: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    """How sure it is, in [0, 1]."""

    @field_validator("trigger", "quote", "why", "hint")
    @classmethod
    def _sound(cls, value: str) -> str:
        return sound(value)

    @property
    def known_trigger(self) -> Trigger | None:
        """The trigger; None where there is none of that name. Capitals, spaces and hyphens are forgiven."""
        name = re.sub(r"[\s_-]+", "_", self.trigger.strip().lower())
        return next((trigger for trigger in TRIGGERS if trigger == name), None)


def sound(text: str) -> str:
    """`text` as a file can hold it: halves of one character put together, single ones replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_reply(reply: str) -> ParsedReply:
    """Parse a reply. Raises ReplyError that says what is wrong and what is wanted instead."""
    _, _, said = reply.rpartition("</think>")
    first, last = said.find("{"), said.rfind("}")
    if "<think>" in said or first < 0:
        raise ReplyError("there is no JSON object in the reply; give the object alone")
    try:
        # Not strict: models put line breaks into their strings.
        data = json.loads(said[first : last + 1] if last > first else said[first:], strict=False)
    except (ValueError, RecursionError):
        raise ReplyError("the reply is not valid JSON, or not all of it; give one whole JSON object, alone") from None
    try:
        return ParsedReply.model_validate(data)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ReplyError(f"the JSON object is not the one that was asked for ({wrong})") from None
