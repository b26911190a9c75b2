"""Which intervener: options of the commands that look for flaws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Option

Kind = Literal["rules", "llm", "rules+llm"]
"""The rules, a language model, or the rules first and the language model if no rule finds anything."""


@dataclass(frozen=True, kw_only=True)
class IntervenerOptions:
    """The intervener."""

    group: ClassVar[str] = "Intervener"

    intervener: Kind = "rules"
    """What looks for flaws: the rules, a language model, or the rules and, if they find nothing, a language model."""
    intervener_url: Annotated[str, Option(metavar="URL")] = ""
    """An llm's endpoint with chat completions. Its key is read from STORM_INTERVENER_KEY, or else OPENAI_API_KEY."""
    intervener_model: Annotated[str, Option(metavar="NAME")] = ""
    """The llm's name, if its endpoint has more than one."""
    intervener_price: Annotated[str, Option(metavar="IN,OUT")] = ""
    """The price of a million tokens in and out of the llm, such as 1.25,10; for the cost in the summary."""
