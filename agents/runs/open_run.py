"""Reasoner and sandbox, opened as the settings say."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.runs.cancellable_reasoner import CancellableReasoner
from storm_calm.env import Reasoner, Sampling
from storm_calm.sandbox import Isolation, Sandbox, open_sandbox


class RunSettings(typing.Protocol):
    """What has to be said about a reasoner and a sandbox; help texts are in the configurations."""

    @property
    def reasoner(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def temperature(self) -> float | None: ...
    @property
    def minimum_isolation(self) -> str: ...


@contextmanager
def open_reasoner_and_sandbox(
    settings: RunSettings, reasoner: Reasoner | None = None
) -> Iterator[tuple[CancellableReasoner, Sampling, Sandbox]]:
    """The reasoner, how it draws tokens, and the sandbox.

    reasoner: instead of the configured one; it is not closed.
    Raises ReasonerError, SandboxUnavailableError, and ValueError for a reasoner that nobody knows.
    """
    given = closing(_reasoner(settings)) if reasoner is None else nullcontext(reasoner)
    with given as writer, open_sandbox(minimum_isolation=cast(Isolation, settings.minimum_isolation)) as sandbox:
        temperature = settings.temperature
        sampling = writer.sampling if temperature is None else replace(writer.sampling, temperature=temperature)
        yield CancellableReasoner(writer), sampling, sandbox


def _reasoner(settings: RunSettings) -> Reasoner:
    return open_reasoner(
        settings.reasoner,
        model=settings.model or None,
        tokenizer=Path(settings.tokenizer) if settings.tokenizer else None,
    )
