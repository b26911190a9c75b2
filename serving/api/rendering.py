"""The common base of both answer formats: pieces of text as they are generated, then the conclusion."""

from collections.abc import AsyncIterator

from storm_calm.env import Intervention
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest
from storm_calm.serving.api.agent_tasks import AgentTask, HintEvent, TextEvent
from storm_calm.serving.api.conclusion import Conclusion, conclude
from storm_calm.serving.api.reasoning_split import Channel, ReasoningSplit

Piece = tuple[Channel, str, Execution | Intervention | None]
"""A channel, its text, and the source of a text that is not the model's: a program's output or a hint."""


class Rendering:
    """The base class of the answer formats."""

    def __init__(self, request: AgentRequest, task: AgentTask) -> None:
        self._request, self._task = request, task
        self._split = ReasoningSplit(request.stop, hold=task.guarded)

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """Yield pieces of text; an empty list asks for a keep-alive message."""
        split = self._split
        async for events in self._task.events():
            pieces: list[Piece] = []
            for event in events:
                if isinstance(event, TextEvent):
                    pieces += [(channel, text, None) for channel, text in split.feed(event.text)]
                    continue
                pieces += [(channel, text, None) for channel, text in split.finish()]
                if isinstance(event, HintEvent):
                    hint = split.hint(hint_label(event.intervention), thinking=event.thinking)
                    pieces += [(channel, text, event.intervention) for channel, text in hint]
                else:
                    pieces.append(("reasoning", split.observe(event.output), event.execution))
            if pieces or not events:
                yield pieces
            if split.stopped and not self._task.guarded:
                self._task.cancel()
                return
        if last := split.finish() + split.release():
            yield [(channel, text, None) for channel, text in last]

    def conclusion(self) -> Conclusion:
        return conclude(self._task.outcome(), self._split, self._request)


def hint_label(intervention: Intervention) -> str:
    """Return a hint as the user sees it."""
    return f"\n[guard: {intervention.finding.trigger.replace('_', ' ')}] {intervention.hint}\n"
