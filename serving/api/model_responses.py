"""Responses: an answer in the format of OpenAI's Responses API, whole or as an event stream.

Thoughts are `reasoning` items, each program is a `code_interpreter_call` with its output, the answer is a message.
"""

import secrets
import time
from collections.abc import AsyncIterator, Iterator

import orjson

from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest
from storm_calm.serving.api.agent_tasks import AgentTask
from storm_calm.serving.api.api_errors import as_api_error
from storm_calm.serving.api.code_blocks import CodeBlockSplit, Kind
from storm_calm.serving.api.conclusion import Conclusion
from storm_calm.serving.api.output_items import Data, OutputItems
from storm_calm.serving.api.rendering import Piece, Rendering
from storm_calm.serving.api.responses_request import ResponsesRequest
from storm_calm.serving.api.sse import ALIVE


class ModelResponse(Rendering):
    """One response in progress."""

    def __init__(self, body: ResponsesRequest, request: AgentRequest, task: AgentTask) -> None:
        super().__init__(request, task)
        self._code_split, self._items = CodeBlockSplit(), OutputItems()
        self._number = 0
        self._base: Data = {
            "id": f"resp_{secrets.token_hex(12)}",
            "object": "response",
            "created_at": int(time.time()),
            "model": body.model,
            "background": False,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": request.effort, "summary": None},
            "store": False,
            "temperature": task.sampling.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": body.tools or [],
            "top_p": task.sampling.top_p,
            "truncation": "disabled",
            # Constant fields that the schemas of clients require.
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
        """Return the response when the answer is finished. Raises ApiError if it failed."""
        async for pieces in self.pieces():
            self._events(pieces)
        conclusion = self.conclusion()
        self._last_events(conclusion)
        return self._response(conclusion)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the events. An error becomes an event, too."""
        begun = {**self._base, "status": "in_progress", "error": None, "incomplete_details": None, "output": []}
        yield self._line({"type": "response.created", "response": {**begun, "usage": None}})
        yield self._line({"type": "response.in_progress", "response": {**begun, "usage": None}})
        try:
            async for pieces in self.pieces():
                # Pieces without an event: text that may begin a fence is held back.
                data = b"".join([self._line(event) for event in self._events(pieces)]) if pieces else ALIVE
                if data:
                    yield data
            conclusion = self.conclusion()
        except Exception as error:
            failed = {"code": "server_error", "message": as_api_error(error).message}
            response = {**begun, "status": "failed", "error": failed, "output": self._items.done, "usage": None}
            yield self._line({"type": "response.failed", "response": response})
            return
        yield b"".join([self._line(event) for event in self._last_events(conclusion)])
        kind = "response.completed" if conclusion.finish == "stop" else "response.incomplete"
        yield self._line({"type": kind, "response": self._response(conclusion)})

    def _events(self, pieces: list[Piece]) -> list[Data]:
        events: list[Data] = []
        for channel, text, source in pieces:
            if source is None and channel == "reasoning":
                events += self._thought_events(self._code_split.feed(text))
                continue
            events += self._thought_events(self._code_split.finish())
            if isinstance(source, Execution):
                events += self._items.ran(source)
            else:
                events += self._items.answer(text) if source is None else self._items.prose(text)
        return events

    def _last_events(self, conclusion: Conclusion) -> list[Data]:
        events = list(self._thought_events(self._code_split.finish()))
        if conclusion.rest:
            events += self._items.answer(conclusion.rest)
        return [*events, *self._items.finish(complete=conclusion.finish == "stop")]

    def _thought_events(self, pieces: list[tuple[Kind, str]]) -> Iterator[Data]:
        for kind, text in pieces:
            yield from self._items.code(text) if kind == "code" else self._items.prose(text)

    def _response(self, conclusion: Conclusion) -> Data:
        usage = self._task.outcome().usage
        complete = conclusion.finish == "stop"
        return {
            **self._base,
            "status": "completed" if complete else "incomplete",
            "completed_at": int(time.time()) if complete else None,
            "error": None,
            "incomplete_details": None if complete else {"reason": "max_output_tokens"},
            "output": self._items.done,
            "usage": {
                "input_tokens": usage.prompt,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage.completion,
                "output_tokens_details": {"reasoning_tokens": self._split.reasoning_tokens(usage.completion)},
                "total_tokens": usage.prompt + usage.completion,
            },
            "storm": conclusion.facts,
        }

    def _line(self, event: Data) -> bytes:
        numbered = {**event, "sequence_number": self._number}
        self._number += 1
        return b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(numbered) + b"\n\n"
