"""What a request has the scripted upstream play, written into its prompt, since a prompt survives every server between.

    script = Script(id="r17", mode="script", tokens=200, sleep=8.0)
    Script.read(script.prompt) == script
    script.pieces(script.prompt)          # what the upstream says to that prompt, token by token

A filler token begins with `MARK`, which nothing else does, so that a client can count tokens in bytes.
"""

import math
import re
from dataclasses import dataclass, fields
from typing import Literal, Self, get_args

Mode = Literal["ok", "script", "429", "500", "half", "silence"]
"""What the upstream does: answer; write a program first; fail before the first token, with that status; break off after
half of the tokens; say nothing for a while after the first five."""

MARK = "~"
"""What every filler token begins with."""
ENDING = ("</think>", "\n\n", "\\boxed{42}")
"""The tokens in which an answer ends."""
ANSWER = ENDING[-1]
"""What the user is told."""
OUTPUT = "```output\n42\n```\n"
"""What the environment says to the program."""
BEFORE_SILENCE = 5
"""Tokens before a silence."""

_DIRECTIVE = re.compile(r"\[\[(id=[^\]]*)\]\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """What is played for one request."""

    id: str = "any"
    """A word by which the request is known in logs: up to 9 letters, digits and hyphens."""
    mode: Mode = "ok"
    """What happens."""
    tokens: int = 200
    """Tokens of an answer, or of each segment but for its program; 4 or more."""
    rate: float = 100.0
    """Tokens a second."""
    first: float = 0.05
    """Seconds to the first token."""
    sleep: float = 0.0
    """Seconds that the program sleeps."""
    silence: float = 0.0
    """Seconds of silence."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,9}", self.id):
            raise ValueError(f"id is {self.id!r}; give 1 to 9 letters, digits and hyphens")
        if self.mode not in get_args(Mode):
            raise ValueError(f"mode is {self.mode!r}; give one of {', '.join(get_args(Mode))}")
        if self.tokens <= len(ENDING):
            raise ValueError(f"tokens is {self.tokens}; give {len(ENDING) + 1} or more")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}; give a number of more than 0")
        for name in ("first", "sleep", "silence"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")

    @property
    def prompt(self) -> str:
        """The user's message that asks for it."""
        return f"Say it. [[{' '.join(f'{field.name}={getattr(self, field.name)}' for field in fields(self))}]]"

    @classmethod
    def read(cls, text: str) -> Self:
        """The script that a prompt asks for. Raises ValueError where it asks for none, or for what can't be."""
        found = _DIRECTIVE.search(text)
        if found is None:
            raise ValueError("the prompt has no [[id=...]] in it")
        given = dict(word.partition("=")[::2] for word in found[1].split())
        kinds = {"id": str, "mode": str, "tokens": int, "rate": float, "first": float, "sleep": float, "silence": float}
        unknown = sorted(given.keys() - kinds.keys())
        if unknown:
            raise ValueError(f"the directive has no {unknown[0]!r}; it has {', '.join(kinds)}")
        values = {name: kinds[name](value) for name, value in given.items()}
        return cls(**values)

    def segment(self, text: str) -> int:
        """Which segment of a run a prompt asks for: 2 once a program's output follows the directive, else 1."""
        # Instructions before it may name the output block too.
        _, _, after = text.partition("[[id=")
        return 2 if self.mode == "script" and "```output" in after else 1

    def pieces(self, text: str) -> list[str]:
        """The tokens that the upstream says to the prompt `text`."""
        fillers = [f"{MARK}{number} " for number in range(self.tokens - len(ENDING))]
        if self.mode == "script" and self.segment(text) == 1:
            return [*fillers, "\n", "```python\n", *self._program.splitlines(keepends=True), "```\n"]
        return [*fillers, *ENDING]

    def seconds(self, text: str) -> float:
        """How long that takes."""
        return self.first + (len(self.pieces(text)) - 1) / self.rate + (self.silence if self.mode == "silence" else 0.0)

    @property
    def fillers(self) -> int:
        """Filler tokens of the whole answer, both segments together."""
        return (self.tokens - len(ENDING)) * (2 if self.mode == "script" else 1)

    @property
    def thoughts(self) -> str:
        """What stands before the answer when the agent has done its work: text, program and output."""
        second = "".join(self.pieces(self.prompt + OUTPUT)).partition(ENDING[0])[0]
        return second if self.mode != "script" else "".join(self.pieces(self.prompt)) + OUTPUT + second

    @property
    def written(self) -> int:
        """Tokens of the whole answer, both segments together."""
        both = (self.prompt, self.prompt + OUTPUT) if self.mode == "script" else (self.prompt,)
        return sum(len(self.pieces(text)) for text in both)

    @property
    def process(self) -> str:
        """The name that the program's process gives itself."""
        return f"play-{self.id}"

    @property
    def _program(self) -> str:
        if not self.sleep:
            return "print(6 * 7)\n"
        named = f"import ctypes, time\nctypes.CDLL(None).prctl(15, b'{self.process}', 0, 0, 0)\n"
        return f"{named}time.sleep({self.sleep})\nprint(6 * 7)\n"
