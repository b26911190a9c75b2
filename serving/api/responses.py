"""Responses: a run as OpenAI's Responses API tells it, whole or as a stream of events.

Thoughts are `reasoning` items, each program is a `code_interpreter_call` with what it printed, the answer is a message.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from storm_calm.serving.api.agent_request import Ask
from storm_calm.serving.api.agent_runs import Run, Text
from storm_calm.serving.api.code_blocks import Blocks
from storm_calm.serving.api.errors import told
from storm_calm.serving.api.output_items import Data, Items
from storm_calm.serving.api.reasoning_split import Channel, Channels
from storm_calm.serving.api.responses_request import ResponsesRequest
from storm_calm.serving.api.results import Conclusion, conclude
from storm_calm.serving.api.sse import ALIVE


class Responses:
    """One response under way."""

    def __init__(self, request: ResponsesRequest, ask: Ask, run: Run, *, name: str) -> None:
        """name: the model's."""
        self._run, self._ask = run, ask
        self._channels, self._blocks, self._items = Channels(), Blocks(), Items()
        self._number = 0
        self._base: Data = {
            "id": f"resp_{secrets.token_hex(12)}",
            "object": "response",
            "created_at": int(time.time()),
            "model": name,
            "background": False,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "metadata": request.metadata or {},
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": ask.effort, "summary": None},
            "store": False,
            "temperature": run.sampling.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": request.tools or [],
            "top_p": run.sampling.top_p,
            "truncation": "disabled",
            # What is always so here; clients' schemas want to hear it.
            "completed_at": None,
            "frequency_penalty": 0,
            "presence_penalty": 0,
            "top_logprobs": 0,
            "max_tool_calls": None,
            "prompt_cache_key": None,
            "safety_identifier": None,
            "service_tier": "default",
            "user": None,
        }

    async def whole(self) -> Data:
        """The response, when the run is over. Raises ApiError where it failed."""
        try:
            async for _ in self._events():
                pass
        finally:
            self._run.cancel()
        conclusion = self._conclusion()
        for _ in self._last(conclusion):
            pass
        return self._response(conclusion)

    async def stream(self) -> AsyncIterator[bytes]:
        """The events; an error that comes now is one of them."""
        begun = {**self._base, "status": "in_progress", "error": None, "incomplete_details": None, "output": []}
        yield self._line({"type": "response.created", "response": {**begun, "usage": None}})
        yield self._line({"type": "response.in_progress", "response": {**begun, "usage": None}})
        try:
            async for events in self._events():
                yield b"".join([self._line(event) for event in events]) or ALIVE
            conclusion = self._conclusion()
        except Exception as error:
            failed = {"code": "server_error", "message": told(error).message}
            response = {**begun, "status": "failed", "error": failed, "output": self._items.done, "usage": None}
            yield self._line({"type": "response.failed", "response": response})
            return
        finally:
            self._run.cancel()
        yield b"".join([self._line(event) for event in self._last(conclusion)])
        kind = "response.completed" if conclusion.finish == "stop" else "response.incomplete"
        yield self._line({"type": kind, "response": self._response(conclusion)})

    async def _events(self) -> AsyncIterator[list[Data]]:
        """What to tell, as it comes; nothing where nothing came for a while."""
        async for batch in self._run.events():
            events: list[Data] = []
            for event in batch:
                if isinstance(event, Text):
                    events += self._shown(self._channels.feed(event.text))
                else:
                    events += self._held()
                    self._channels.observe(event.output)
                    events += self._items.ran(event.execution)
            if events or not batch:
                yield events

    def _last(self, conclusion: Conclusion) -> Iterator[Data]:
        yield from self._held()
        if conclusion.rest:
            yield from self._items.answer(conclusion.rest)
        yield from self._items.finish(complete=conclusion.finish == "stop")

    def _held(self) -> Iterator[Data]:
        yield from self._shown(self._channels.finish())
        yield from self._divided(self._blocks.finish())

    def _shown(self, pieces: list[tuple[Channel, str]]) -> Iterator[Data]:
        for channel, text in pieces:
            if channel == "reasoning":
                yield from self._divided(self._blocks.feed(text))
            else:
                yield from self._divided(self._blocks.finish())
                yield from self._items.answer(text)

    def _divided(self, pieces: list[Any]) -> Iterator[Data]:
        for kind, text in pieces:
            yield from self._items.code(text) if kind == "code" else self._items.prose(text)

    def _conclusion(self) -> Conclusion:
        return conclude(self._run.ended(), self._channels, self._ask)

    def _response(self, conclusion: Conclusion) -> Data:
        used = self._run.ended().usage
        complete = conclusion.finish == "stop"
        return {
            **self._base,
            "status": "completed" if complete else "incomplete",
            "completed_at": int(time.time()) if complete else None,
            "error": None,
            "incomplete_details": None if complete else {"reason": "max_output_tokens"},
            "output": self._items.done,
            "usage": {
                "input_tokens": used.prompt,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": used.completion,
                "output_tokens_details": {"reasoning_tokens": self._channels.thought(used.completion)},
                "total_tokens": used.prompt + used.completion,
            },
            "storm": conclusion.facts,
        }

    def _line(self, event: Data) -> bytes:
        numbered = {**event, "sequence_number": self._number}
        self._number += 1
        return b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(numbered) + b"\n\n"
