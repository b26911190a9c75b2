"""Differences between chat providers, learnt from the requests that they reject.

    quirks = ProviderQuirks()
    body = quirks.body(request, prompt)
    quirks = quirks.learn(error, body)         # None if the error names nothing that can be changed

Nobody has to say which endpoint it is: a request goes out with everything in it, and what the answer (400 or 422) names
is changed. Each thing is changed once.
"""

from __future__ import annotations

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
"""What may be refused; of several that are named together, the first, as of `top_p` and `temperature`."""

RENAMED = {"max_tokens": "max_completion_tokens"}
"""What has another name, which is tried before it is left out."""

DEMANDS = {
    "reasoning_content": re.compile(r"\breasoning_content\b"),
    "thought_signature": re.compile(r"\bthought_signature\b"),
    "turn after tool": re.compile(r"\buser\W+after role\W+tool\b|\broles must alternate\b"),
}
"""What may be demanded of earlier messages, by DeepSeek, Gemini and Mistral, and the words in which it is."""

SAMPLING = ("temperature", "top_p", "seed")
"""Whoever set one of these has to know that it is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderQuirks:
    """How one endpoint wants requests for one model."""

    changed: frozenset[str] = frozenset()
    """Names of `OPTIONAL_PARAMETERS` that it refuses, and of `DEMANDS` that it demands."""

    def body(self, request: Mapping[str, Any], prompt: str) -> dict[str, Any]:
        """`request` and the messages for `prompt`, as the endpoint takes them."""
        body: dict[str, Any] = {
            "messages": turns(
                prompt,
                thoughts="reasoning_content" in self.changed,
                signatures="thought_signature" in self.changed,
                acknowledge="turn after tool" in self.changed,
            )
        }
        return body | self.parameters(request)

    def parameters(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`request` without what the endpoint refuses, by the names that it takes."""
        taken: dict[str, Any] = {}
        for name, value in request.items():
            while name in self.changed and name in RENAMED:
                name = RENAMED[name]
            if name not in self.changed:
                taken[name] = value
        return taken

    def learn(self, error: openai.APIStatusError, body: Mapping[str, Any]) -> Self | None:
        """Return the quirks with what `error` says about `body`; None if that names nothing that can be changed."""
        named = [name for name in OPTIONAL_PARAMETERS if name in body and _speaks_of(error, name)]
        named += [name for name, words in DEMANDS.items() if name not in self.changed and words.search(str(error))]
        return type(self)(changed=self.changed | {named[0]}) if named else None


def _speaks_of(error: openai.APIStatusError, name: str) -> bool:
    """Whether the parameter is the one at fault: as `param` says, or else the words."""
    return error.param == name if error.param else re.search(rf"\b{name}\b", str(error)) is not None
