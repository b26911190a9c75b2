"""Options that select the intervener, for the commands that detect flaws."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Option

Kind = Literal["rules", "llm", "rules+llm"]


@dataclass(frozen=True, kw_only=True)
class IntervenerOptions:
    """The intervener."""

    group: ClassVar[str] = "Intervener"

    intervener: Kind = "rules"
    """What detects flaws: the rules, an LLM, or the rules first and the LLM if no rule finds a flaw."""
    intervener_url: Annotated[str, Option(metavar="URL")] = ""
    """URL of the LLM's chat completions endpoint. Its key is STORM_INTERVENER_KEY, or else OPENAI_API_KEY."""
    intervener_model: Annotated[str, Option(metavar="NAME")] = ""
    """Name of the LLM; optional if the endpoint serves only one model."""
    intervener_price: Annotated[str, Option(metavar="IN,OUT")] = ""
    """Prices of a million input and output tokens of the LLM, such as 1.25,10; for the cost in the summary."""
    intervener_rpm: Annotated[int | None, Option(metavar="N", least=1)] = None
    """The most requests per minute to the LLM's endpoint with its key, as --rpm for the reasoner. With the same
    endpoint and key both limits count all requests."""
    intervener_tpm: Annotated[int | None, Option(metavar="N", least=1)] = None
    """The most tokens per minute, of prompts and answers, likewise."""
