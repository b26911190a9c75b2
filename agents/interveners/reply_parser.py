"""Parse the reply of the LLM intervener.

Endpoints with JSON schema support enforce `SCHEMA`. Replies of others may have thoughts before the object or fences
around it, or may be incomplete. An invalid reply raises ReplyError, whose message is sent to the model.
"""

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
    # Models generate the fields in this order: "why" first makes them reason before they decide.
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
"""The JSON schema, limited to what every endpoint accepts: all fields required, none nullable."""


class ReplyError(ValueError):
    """A reply that violates the schema."""


class ParsedReply(BaseModel):
    """The reply of a language model on a trajectory."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    flaw: bool
    """Whether there is a flaw. The other fields are ignored without one."""
    trigger: str = NO_TRIGGER
    """The kind of flaw, in the model's spelling."""
    quote: str = ""
    """The words at which the flaw begins."""
    why: str = ""
    """An explanation of the flaw."""
    hint: str = ""
    confidence: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)

    @field_validator("trigger", "quote", "why", "hint")
    @classmethod
    def _sound(cls, value: str) -> str:
        return sound(value)

    @property
    def known_trigger(self) -> Trigger | None:
        """The trigger, None if it is unknown. Capitals, spaces and hyphens are accepted."""
        name = re.sub(r"[\s_-]+", "_", self.trigger.strip().lower())
        return next((trigger for trigger in TRIGGERS if trigger == name), None)


def sound(text: str) -> str:
    """Return `text` as valid Unicode: surrogate pairs are joined, single surrogates replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_reply(reply: str) -> ParsedReply:
    """Parse a reply. Raises ReplyError with the fault and the fix."""
    text = reply.rpartition("</think>")[2]
    start, end = text.find("{"), text.rfind("}")
    if "<think>" in text or start < 0:
        raise ReplyError("there is no JSON object in the reply; give the object alone")
    try:
        # Not strict: models write line breaks in strings.
        data = json.loads(text[start : end + 1] if end > start else text[start:], strict=False)
    except (ValueError, RecursionError):
        raise ReplyError("the reply is not valid JSON, or not all of it; give one whole JSON object, alone") from None
    try:
        return ParsedReply.model_validate(data)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ReplyError(f"the JSON object is not the one that was asked for ({wrong})") from None
