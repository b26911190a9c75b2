"""The common base of both answer formats: pieces of text as they are generated, then the conclusion."""

from collections.abc import AsyncIterator, Sequence

from storm_calm.env import Intervention
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest
from storm_calm.serving.api.agent_tasks import AgentTask, EndEvent, HintEvent, TextEvent
from storm_calm.serving.api.conclusion import Conclusion, conclude
from storm_calm.serving.api.model_words import ModelWords
from storm_calm.serving.api.reasoning_split import Channel, ReasoningSplit

Piece = tuple[Channel, str, Execution | Intervention | None]
"""A channel, its text, and the source of a text that is not the model's: a program's output or a hint."""


class Rendering:
    """The base class of the answer formats."""

    def __init__(self, request: AgentRequest, task: AgentTask) -> None:
        self._request, self._task = request, task
        self._split = ReasoningSplit(request.stop, hold=task.guarded)
        self._words = ModelWords()
        self.content = ""
        """The answer in the model's words so far, as Markdown."""

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """Yield pieces of text."""
        split = self._split
        async for events in self._task.events():
            pieces: list[Piece] = []
            for event in events:
                if isinstance(event, TextEvent):
                    pieces += self._shown(split.feed(event.text))
                    continue
                if isinstance(event, EndEvent):
                    pieces += self._shown(split.finish() + split.release(), ended=True)
                    continue
                pieces += self._shown(split.finish(), ended=True)
                if isinstance(event, HintEvent):
                    hint = split.hint(hint_label(event.intervention), thinking=event.thinking)
                    pieces += [(channel, text, event.intervention) for channel, text in hint]
                else:
                    pieces.append(("reasoning", split.observe(event.output), event.execution))
            if pieces:
                yield pieces
            if split.stopped and not self._task.guarded:
                self._task.cancel()
                break
        if last := self._shown(split.finish() + split.release(), ended=True):
            yield last

    def conclusion(self) -> Conclusion:
        return conclude(self._task.outcome(), self._split, self._request, self.content)

    def _shown(self, pieces: Sequence[tuple[Channel, str]], *, ended: bool = False) -> list[Piece]:
        """Return pieces of the model's text as the client gets them. ended: whether a segment ended with them."""
        shown: list[Piece] = []
        for channel, text in pieces:
            if channel == "content" and not self._request.reply_path:
                text = self._words.feed(text)
                self.content += text
            elif channel == "content":
                channel = "reasoning"  # The answer is a file of the program.
            if text:
                shown.append((channel, text, None))
        if ended and (rest := self._words.finish()):
            self.content += rest
            shown.append(("content", rest, None))
        return shown


def hint_label(intervention: Intervention) -> str:
    """Return a hint as the user sees it."""
    return f"\n[guard: {intervention.finding.trigger.replace('_', ' ')}] {intervention.hint}\n"
