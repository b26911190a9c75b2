"""Split model text into reasoning and content, the two channels of a chat message.

    split = ReasoningSplit()
    split.feed("Let me see.\\n</think>\\nSell 3.")      # [("reasoning", "Let me see.\\n"), ("content", "Sell 3.")]

A reasoning model thinks and runs its programs before it writes `</think>`; the text after it is the answer. A later
program and its output still count as reasoning.
"""

from collections.abc import Sequence
from typing import Literal

from storm_calm.env.code_fences import OUTPUT_OPENING, OUTPUT_START, TILDE_FENCE, OpeningStream

Channel = Literal["reasoning", "content"]

THOUGHT = "</think>"
# With a character after them, so that all of such a mark at the end is held.
_OUTPUT_MARKS = (f"{OUTPUT_START} ", f"{TILDE_FENCE}output ")


class ReasoningSplit:
    """A streaming splitter for the text of one answer."""

    def __init__(self, stop: Sequence[str] = (), *, hold: bool = False) -> None:
        """Set up an empty splitter.

        stop: strings of the client that end the answer and are left out.
        hold: whether to hold the answer back until `release`, because `hint` may withdraw it.
        """
        self._stop = tuple(stop)
        self._hold = hold
        self._pending = ""
        self._thinking = True
        self._coding = False
        self._openings = OpeningStream()
        self._held = ""
        self._observed = 0
        self.content = ""
        """The answer so far."""
        self.reasoning = ""
        """The thoughts so far, including programs and output."""
        self.stopped = False
        """Whether a stop string was found; later text is dropped."""

    def feed(self, text: str) -> list[tuple[Channel, str]]:
        """Return the pieces that are certain. Text that may begin a mark is held back."""
        pieces: list[tuple[Channel, str]] = []
        rest = "" if self.stopped else self._held + text
        while rest and not self.stopped:
            if self._thinking:
                place = rest.find(THOUGHT)
                if place < 0:
                    break
                self._show(pieces, rest[:place])
                self._thinking = False
                rest = rest[place + len(THOUGHT) :]
            else:
                opening = None if self._coding else self._openings.find(rest)
                if opening is None:
                    break
                self._show(pieces, rest[: opening.start])
                self._coding = True
                rest = rest[opening.start :]
        content = not self._thinking and not self._coding
        marks = (THOUGHT,) if self._thinking else self._stop if content else ()
        held = max(_overlap(rest, mark) for mark in (*marks, *_OUTPUT_MARKS))
        if content:
            held = max(held, self._openings.held(rest))
        self._held = rest[len(rest) - held :]
        self._show(pieces, rest[: len(rest) - held])
        if self.stopped:
            self._held = ""
        return pieces

    def observe(self, output: str) -> str:
        """Add the output of a program to the reasoning, after `finish`, and return it."""
        self._coding = False
        self.reasoning += output
        self._observed += len(output)
        return output

    def hint(self, label: str, *, thinking: bool) -> list[tuple[Channel, str]]:
        """Move the answer held so far to the reasoning, and add a hint there. Call `finish` before.

        thinking: whether the model continues inside its thoughts.
        """
        withdrawn, self._pending, self.content = self._pending, "", ""
        self._thinking, self._coding, self.stopped = thinking, False, False
        self._observed += len(label)
        self.reasoning += withdrawn + label
        return [("reasoning", withdrawn + label)]

    def release(self) -> list[tuple[Channel, str]]:
        """Return the answer that was held back."""
        pending, self._pending = self._pending, ""
        return [("content", pending)] if pending else []

    def reasoning_tokens(self, tokens: int) -> int:
        """Estimate how many of the model's `tokens` are reasoning, by its share of the text."""
        thoughts = len(self.reasoning) - self._observed
        return round(tokens * thoughts / max(1, thoughts + len(self.content)))

    def finish(self) -> list[tuple[Channel, str]]:
        """Return the held text at the end of a segment."""
        pieces: list[tuple[Channel, str]] = []
        held, self._held = self._held, ""
        self._show(pieces, OUTPUT_OPENING.split(held)[0])
        return pieces

    def _show(self, pieces: list[tuple[Channel, str]], text: str) -> None:
        if self.stopped:
            return
        self._openings.passed(text)
        if self._thinking or self._coding:
            self._add(pieces, "reasoning", text)
            return
        if not self.content:
            text = text.lstrip()
        for word in self._stop:
            if word in text:
                text = text.partition(word)[0]
                self.stopped = True
        self._add(pieces, "content", text)

    def _add(self, pieces: list[tuple[Channel, str]], channel: Channel, text: str) -> None:
        if not text:
            return
        if channel == "content":
            self.content += text
            if self._hold:
                self._pending += text
                return
        else:
            self.reasoning += text
        pieces.append((channel, text))


def _overlap(text: str, mark: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `mark`."""
    place = text.find(mark[0], max(0, len(text) - len(mark) + 1))
    while place >= 0:
        if mark.startswith(text[place:]):
            return len(text) - place
        place = text.find(mark[0], place + 1)
    return 0
