"""Differences between chat providers, learned from the requests that they reject.

    quirks = ProviderQuirks()
    body = quirks.body(request, prompt)
    quirks = quirks.learn(error, body)         # None if the error names nothing that can be changed

The provider need not be configured. The first request contains all parameters; each rejection (400 or 422) changes the
one that it names. Each parameter is changed only once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import openai

from storm_calm.agents.reasoners.chat_messages import turns

OPTIONAL_PARAMETERS = (
    "parallel_tool_calls",
    "stream_options",
    "top_p",
    "seed",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
)
"""Parameters that a provider may reject. If an error names several, the first one here is changed."""

RENAMED = {"max_tokens": "max_completion_tokens"}
"""Alternative names, which are tried before a parameter is omitted."""
DEMANDS = {
    "reasoning_content": re.compile(r"\breasoning_content\b"),
    "thought_signature": re.compile(r"\bthought_signature\b"),
    "turn after tool": re.compile(r"\buser\W+after role\W+tool\b|\broles must alternate\b"),
}
"""Requirements of DeepSeek, Gemini and Mistral on earlier messages, and patterns of the errors that name them."""

LOGGED = ("temperature", "top_p", "seed", "max_completion_tokens")
"""Parameters whose omission is logged: without them a run cannot be repeated exactly, or has no token limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderQuirks:
    """The known quirks of one endpoint and model."""

    changed: frozenset[str] = frozenset()
    """Names of `OPTIONAL_PARAMETERS` that it rejects, and of `DEMANDS` that it has."""

    def body(self, request: Mapping[str, Any], prompt: str) -> dict[str, Any]:
        """Return `request` and the messages for `prompt`, in the form that the endpoint accepts."""
        messages = turns(
            prompt,
            thoughts="reasoning_content" in self.changed,
            signatures="thought_signature" in self.changed,
            acknowledge="turn after tool" in self.changed,
        )
        return {"messages": messages, **self.parameters(request)}

    def parameters(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `request` with rejected parameters renamed or omitted."""
        accepted: dict[str, Any] = {}
        for name, value in request.items():
            while name in self.changed and name in RENAMED:
                name = RENAMED[name]
            if name not in self.changed:
                accepted[name] = value
        return accepted

    def learn(self, error: openai.APIStatusError, body: Mapping[str, Any]) -> Self | None:
        """Return the quirks extended by the rejection of `body`; None if the error names nothing to change."""
        named = [name for name in OPTIONAL_PARAMETERS if name in body and _names(error, name)]
        named += [name for name, pattern in DEMANDS.items() if name not in self.changed and pattern.search(str(error))]
        return type(self)(changed=self.changed | {named[0]}) if named else None


def _names(error: openai.APIStatusError, name: str) -> bool:
    """Return whether the error names the parameter, in `param` if that is set, else in its message."""
    return error.param == name if error.param else re.search(rf"\b{name}\b", str(error)) is not None
