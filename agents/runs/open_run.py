"""Open the configured reasoner and sandbox."""

import typing
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace

from storm_calm.agents.runs.cancellable_reasoner import CancellableReasoner
from storm_calm.env import Reasoner, Sampling
from storm_calm.sandbox import Sandbox


class SolveOptions(typing.Protocol):
    """A config with `ReasonerOptions` and `SandboxOptions`, maybe with `PriceOptions`."""

    @property
    def temperature(self) -> float | None: ...
    @property
    def top_p(self) -> float | None: ...
    def open_reasoner(self) -> Reasoner: ...
    def open_sandbox(self) -> Sandbox: ...


@contextmanager
def open_reasoner_and_sandbox(
    config: SolveOptions, reasoner: Reasoner | None = None
) -> Iterator[tuple[CancellableReasoner, Sampling, Sandbox]]:
    """Open the reasoner, its sampling, and the sandbox.

    reasoner: replaces the configured one; it is not closed. Raises ReasonerError, SandboxUnavailableError, ValueError.
    """
    given = closing(config.open_reasoner()) if reasoner is None else nullcontext(reasoner)
    with given as opened, config.open_sandbox() as sandbox:
        sampling = opened.sampling
        if config.temperature is not None:
            sampling = replace(sampling, temperature=config.temperature)
        if config.top_p is not None:
            sampling = replace(sampling, top_p=config.top_p)
        yield CancellableReasoner(opened, getattr(config, "prices", None)), sampling, sandbox
