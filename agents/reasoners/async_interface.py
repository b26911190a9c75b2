"""What a reasoner on an event loop does: its writing is awaited, and stopped by cancelling it."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass

from storm_calm.env.reasoner import Generation, PromptRenderer, Sampling

OnText = Callable[[str, int], None]
"""Called on the loop with a piece of text and how many tokens it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a model wrote in one go, and what it took."""

    generation: Generation
    """The text."""
    prompt_tokens: int | None
    """Tokens of the prompt; None where nobody counted them."""
    tokens: int
    """Tokens that were written."""


class AsyncReasoner(PromptRenderer, typing.Protocol):
    """A `Reasoner` whose writing is awaited."""

    @property
    def name(self) -> str:
        """Its name, for records."""

    @property
    def sampling(self) -> Sampling:
        """How it is best drawn from."""

    async def write(
        self,
        prompt: str | tuple[int, ...],
        *,
        stop: tuple[str, ...],
        max_tokens: int,
        sampling: Sampling,
        on_text: OnText,
    ) -> Written:
        """Go on from `prompt`. Cancelled, it stops the model. Raises ReasonerError."""
