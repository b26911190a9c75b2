"""Chat completions: a run as OpenAI's chat API tells it, whole or as a stream of chunks.

Thoughts, programs and their output are the message's `reasoning` (vLLM, OpenRouter) and `reasoning_content` (DeepSeek);
the answer is its `content`. What the chat API has no place for is in `storm`: every program with its solver reports,
the answer as data, and whether a report stands behind it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import Ask
from storm_calm.serving.api.agent_runs import Run, Text
from storm_calm.serving.api.errors import told
from storm_calm.serving.api.reasoning_split import Channel, Channels
from storm_calm.serving.api.results import Conclusion, conclude, executed
from storm_calm.serving.api.sse import ALIVE, DONE


class Chat:
    """One chat completion under way."""

    def __init__(self, ask: Ask, run: Run, *, name: str, field: str, usage_wanted: bool) -> None:
        """name: the model's. field: where reasoning goes, as in `ServeConfig.reasoning_field`.

        usage_wanted: whether a stream ends with token counts.
        """
        self._run, self._ask = run, ask
        self._fields = ("reasoning", "reasoning_content") if field == "both" else (field,)
        self._usage_wanted = usage_wanted
        self._channels = Channels(ask.stop)
        self._base = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": name}

    async def whole(self) -> dict[str, Any]:
        """The completion, when the run is over. Raises ApiError where it failed."""
        try:
            async for _ in self._pieces():
                pass
        finally:
            self._run.cancel()
        conclusion = self._conclusion()
        message: dict[str, Any] = {"role": "assistant", "content": self._channels.content + conclusion.rest}
        message |= dict.fromkeys(self._fields, self._channels.reasoning)
        choice = {
            "index": 0,
            "message": {**message, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": conclusion.finish,
        }
        return {
            **self._base,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self._used(),
            "storm": conclusion.facts,
        }

    async def stream(self) -> AsyncIterator[bytes]:
        """The chunks, as events; an error that comes now is one of them."""
        yield self._chunk({"role": "assistant", "content": ""})
        # All that doesn't change, encoded once.
        head, tail = self._chunk({}).split(b'"delta":{}')
        head += b'"delta":'
        try:
            async for pieces in self._pieces():
                if not pieces:
                    yield ALIVE
                    continue
                for channel, text, execution in pieces:
                    if execution is None:
                        yield head + orjson.dumps(self._delta(channel, text)) + tail
                    else:
                        yield self._chunk(self._delta(channel, text), storm={"execution": executed(execution)})
            conclusion = self._conclusion()
        except Exception as error:
            yield b"data: " + orjson.dumps(told(error).body) + b"\n\n" + DONE
            return
        finally:
            self._run.cancel()
        if conclusion.rest:
            yield self._chunk({"content": conclusion.rest})
        yield self._chunk({}, finish=conclusion.finish, storm=conclusion.facts)
        if self._usage_wanted:
            yield self._event(choices=[], usage=self._used())
        yield DONE

    async def _pieces(self) -> AsyncIterator[list[tuple[Channel, str, Execution | None]]]:
        """What to show, as it comes, with the program that output is of; nothing where nothing came for a while."""
        async for events in self._run.events():
            pieces: list[tuple[Channel, str, Execution | None]] = []
            for event in events:
                if isinstance(event, Text):
                    pieces += [(channel, text, None) for channel, text in self._channels.feed(event.text)]
                else:
                    pieces += [(channel, text, None) for channel, text in self._channels.finish()]
                    pieces.append(("reasoning", self._channels.observe(event.output), event.execution))
            if pieces or not events:
                yield pieces
            if self._channels.stopped:
                return
        last = self._channels.finish()
        if last:
            yield [(channel, text, None) for channel, text in last]

    def _conclusion(self) -> Conclusion:
        return conclude(self._run.ended(), self._channels, self._ask)

    def _delta(self, channel: Channel, text: str) -> dict[str, str]:
        return {"content": text} if channel == "content" else dict.fromkeys(self._fields, text)

    def _chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._event(choices=[choice], **more)

    def _event(self, **fields: Any) -> bytes:
        data = {**self._base, "object": "chat.completion.chunk", **fields}
        if self._usage_wanted:
            data.setdefault("usage", None)
        return b"data: " + orjson.dumps(data) + b"\n\n"

    def _used(self) -> dict[str, Any]:
        used = self._run.ended().usage
        return {
            "prompt_tokens": used.prompt,
            "completion_tokens": used.completion,
            "total_tokens": used.prompt + used.completion,
            "completion_tokens_details": {"reasoning_tokens": self._channels.thought(used.completion)},
        }
