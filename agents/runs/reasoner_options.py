"""Options that select the reasoner and its sampling, for the commands that solve problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Option

if TYPE_CHECKING:
    from storm_calm.agents.reasoners.limits import Limits
    from storm_calm.env import Reasoner


@dataclass(frozen=True, kw_only=True)
class ReasonerOptions:
    """The model that reasons."""

    group: ClassVar[str] = "Reasoner"

    reasoner: Annotated[str, Option(metavar="nano|FOLDER|URL,...|chat:URL|replay:DIR")] = "nano"
    """The model that solves: "nano", "nano-base", a nano model's folder, a server's URL, or chat: and a URL. URLs of
    several servers of the same model are separated by commas. replay: and a folder submits the reference programs in
    it, to check problems and limits without a model."""
    model: Annotated[str, Option(metavar="NAME")] = ""
    """Name of the model; optional if the server serves only one."""
    tokenizer: Annotated[str, Option(metavar="FOLDER|FILE|NAME")] = ""
    """Tokenizer of a server's model: the model's folder, its tokenizer.json, or its name on the model hub. Training
    needs it for token ids; a server on this machine names the folder itself."""
    prompt_format: Annotated[str, Option(metavar="FILE|FOLDER")] = ""
    """A prompt_format.json, or a model folder, with the prompts of a server's model; by default the model's own."""
    protocol: Literal["auto", "inline", "tool_call"] = "auto"
    """How a server's model writes programs: inline in fenced blocks, or as tool_call. auto: the model's own way."""
    temperature: Annotated[float | None, Option(metavar="T", least=0)] = None
    """Sampling temperature, 0 for greedy decoding; by default the reasoner's own."""
    top_p: Annotated[float | None, Option(metavar="P", above=0, most=1)] = None
    """Sample from the likeliest tokens that together have this probability; by default the reasoner's own. Servers on
    processors are faster with 1, since they need not sort the vocabulary."""
    rpm: Annotated[int | None, Option(metavar="N", least=1)] = None
    """The most requests per minute to each server with one API key, together with all other processes on this machine
    that have the option; by default unlimited."""
    tpm: Annotated[int | None, Option(metavar="N", least=1)] = None
    """The most tokens per minute, of prompts and answers, likewise."""

    @property
    def rate_limits(self) -> Limits | None:
        """The rate limits; None without any."""
        return given_limits(self.rpm, self.tpm)

    def open_reasoner(self) -> Reasoner:
        """Open the reasoner. Raises ReasonerError and ValueError as `agents.reasoners.open_reasoner` does."""
        from storm_calm.agents.reasoners import open_reasoner
        from storm_calm.agents.reasoners.model_folder import given_prompt_format

        return open_reasoner(
            self.reasoner,
            model=self.model or None,
            tokenizer=self.tokenizer or None,
            prompt_format=given_prompt_format(self.prompt_format) if self.prompt_format else None,
            protocol=self.protocol,
            limits=self.rate_limits,
        )


def given_limits(rpm: int | None, tpm: int | None) -> Limits | None:
    """Return the rate limits in the options; None without any."""
    from storm_calm.agents.reasoners.limits import Limits

    return None if rpm is None and tpm is None else Limits(requests_per_minute=rpm, tokens_per_minute=tpm)
