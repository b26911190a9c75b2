"""Options of the guard, for the commands that answer questions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from storm_calm.agents.runs.intervener_options import IntervenerOptions
from storm_calm.agents.runs.options import Option

if TYPE_CHECKING:
    from storm_calm.agents.interveners.guard import Guard


@dataclass(frozen=True, kw_only=True)
class GuardOptions(IntervenerOptions):
    """The guard: an intervener that watches the agent while it works."""

    group: ClassVar[str] = "Guard"

    guard: bool | None = None
    """Whether an intervener watches the agent: at a flaw the agent gets a hint and continues from there. Default: on
    for nano models, for which it was measured, and with an LLM as intervener; else off."""
    max_interventions: Annotated[int, Option(metavar="N", least=0)] = 3
    """The most hints per answer."""

    def check_guard(self) -> None:
        """Raise OptionError for invalid options of the intervener."""
        from storm_calm.agents.interveners.open_intervener import check_intervener

        check_intervener(
            self.intervener, url=self.intervener_url, model=self.intervener_model, price=self.intervener_price
        )

    @contextmanager
    def open_guard(self, reasoner: object) -> "Iterator[Guard | None]":
        """Open the guard for a reasoner; None if it is off. Raises as `agents.interveners.open_intervener` does."""
        from storm_calm.agents.interveners.guard import Guard
        from storm_calm.agents.interveners.open_intervener import open_configured_intervener
        from storm_calm.agents.reasoners.nano_scope import is_nano

        wanted = is_nano(reasoner) or self.intervener != "rules" if self.guard is None else self.guard
        if not wanted:
            yield None
            return
        with open_configured_intervener(self) as intervener:
            yield Guard(intervener=intervener, max_interventions=self.max_interventions)
