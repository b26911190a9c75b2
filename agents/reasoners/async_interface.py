"""Types that reasoners share, and the interface of an asynchronous reasoner."""

import typing
from collections.abc import Callable
from dataclasses import dataclass

from storm_calm.env.reasoner import Generation, PromptRenderer, Sampling

Prompt = str | tuple[int, ...]
"""A raw prompt, as text or as token ids."""
OnText = Callable[[str, int], None]
"""Callback on the event loop, with a piece of text and its number of tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """One generation and its usage."""

    generation: Generation
    prompt_tokens: int | None
    """None if the tokens of the prompt were not counted."""
    tokens: int
    """Generated tokens."""


class AsyncReasoner(PromptRenderer, typing.Protocol):
    """A `Reasoner` that generates asynchronously."""

    @property
    def name(self) -> str: ...
    @property
    def sampling(self) -> Sampling: ...

    async def write(
        self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling, on_text: OnText
    ) -> Written:
        """Continue `prompt`. If cancelled, stop the model. Raises ReasonerError."""
