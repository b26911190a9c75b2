"""Encode in a prompt how the scripted upstream responds to it; each server in between passes the prompt on.

    script = Script(id="r17", mode="script", tokens=200, sleep=8.0)
    Script.read(script.prompt) == script
    script.pieces(script.prompt)          # the tokens of the upstream's response to that prompt

Only filler tokens contain `MARK`, so that a client can count them in the raw bytes.
"""

import math
import re
from dataclasses import dataclass, fields
from typing import Literal, Self, get_args

Mode = Literal["ok", "script", "429", "500", "half", "silence"]
"""What the upstream does: answer; write a program first; fail before the first token, with this status; close the
connection after half of the tokens; stall after the first five tokens."""

MARK = "~"
"""The first character of each filler token."""
ENDING = ("</think>", "\n\n", "\\boxed{42}")
"""The last tokens of an answer."""
ANSWER = ENDING[-1]
"""The answer as the model writes it."""
SHOWN = "The answer is **42**."
"""The beginning of the answer that the user of STORM sees."""
OUTPUT = "```output\n42\n```\n"
"""The environment's output block for the program."""
BEFORE_SILENCE = 5
"""Tokens before a stall."""

_DIRECTIVE = re.compile(r"\[\[(id=[^\]]*)\]\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """The response to one request."""

    id: str = "any"
    """Name of the request in logs: 1 to 9 letters, digits and hyphens."""
    mode: Mode = "ok"
    tokens: int = 200
    """Tokens of the answer, or of each segment without its program; at least 4."""
    rate: float = 100.0
    """Tokens per second."""
    first: float = 0.05
    """Seconds to the first token."""
    sleep: float = 0.0
    """Seconds that the program sleeps."""
    silence: float = 0.0
    """Seconds of the stall."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,9}", self.id):
            raise ValueError(f"id is {self.id!r}; give 1 to 9 letters, digits and hyphens")
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode is {self.mode!r}; give one of {', '.join(get_args(Mode))}")
        if self.tokens <= len(ENDING):
            raise ValueError(f"tokens is {self.tokens}; give {len(ENDING) + 1} or more")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}; give a number greater than 0")
        for name in ("first", "sleep", "silence"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")

    @property
    def prompt(self) -> str:
        """The user message that requests this script."""
        return f"Say it. [[{' '.join(f'{field.name}={getattr(self, field.name)}' for field in fields(self))}]]"

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse the directive in a prompt. Raises ValueError if it is missing or invalid."""
        found = _DIRECTIVE.search(text)
        if found is None:
            raise ValueError("the prompt has no directive [[id=...]]")
        given = dict(pair.partition("=")[::2] for pair in found[1].split())
        kinds = {"id": str, "mode": str, "tokens": int, "rate": float, "first": float, "sleep": float, "silence": float}
        unknown = sorted(given.keys() - kinds.keys())
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r} in the directive; must be one of {', '.join(kinds)}")
        values = {name: kinds[name](value) for name, value in given.items()}
        return cls(**values)

    def segment(self, text: str) -> int:
        """Return the segment that a prompt requests: 2 if an output block follows the directive, else 1."""
        # Instructions before the directive may mention the output block, too.
        _, _, after = text.partition("[[id=")
        return 2 if self.mode == "script" and "```output" in after else 1

    def pieces(self, text: str) -> list[str]:
        """Return the tokens of the response to the prompt `text`."""
        fillers = [f"{MARK}{number} " for number in range(self.tokens - len(ENDING))]
        if self.mode == "script" and self.segment(text) == 1:
            return [*fillers, "\n", "```python\n", *self._program.splitlines(keepends=True), "```\n"]
        return [*fillers, *ENDING]

    def seconds(self, text: str) -> float:
        """Return the seconds that the response to the prompt `text` takes."""
        return self.first + (len(self.pieces(text)) - 1) / self.rate + (self.silence if self.mode == "silence" else 0.0)

    @property
    def fillers(self) -> int:
        """Number of filler tokens of the whole answer, both segments together."""
        return (self.tokens - len(ENDING)) * (2 if self.mode == "script" else 1)

    @property
    def thoughts(self) -> str:
        """The text before the answer in the agent's full response: reasoning, program and output."""
        second = "".join(self.pieces(self.prompt + OUTPUT)).partition(ENDING[0])[0]
        return second if self.mode != "script" else "".join(self.pieces(self.prompt)) + OUTPUT + second

    @property
    def written(self) -> int:
        """Number of tokens of the whole answer, both segments together."""
        both = (self.prompt, self.prompt + OUTPUT) if self.mode == "script" else (self.prompt,)
        return sum(len(self.pieces(text)) for text in both)

    @property
    def process(self) -> str:
        """The name that the program sets for its process."""
        return f"play-{self.id}"

    @property
    def _program(self) -> str:
        if not self.sleep:
            return "print(6 * 7)\n"
        set_name = f"import ctypes, time\nctypes.CDLL(None).prctl(15, b'{self.process}', 0, 0, 0)\n"
        return f"{set_name}time.sleep({self.sleep})\nprint(6 * 7)\n"
