"""Responses: an answer in the format of OpenAI's Responses API, whole or as an event stream.

Thoughts are `reasoning` items, each program is a `code_interpreter_call` with its output, the answer is a message.
"""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import orjson

from storm_calm.env import Message
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest
from storm_calm.serving.api.agent_tasks import AgentTask
from storm_calm.serving.api.answer_markdown import code
from storm_calm.serving.api.api_errors import ApiError, as_api_error
from storm_calm.serving.api.auth import Caller
from storm_calm.serving.api.code_blocks import CodeBlockSplit, Kind
from storm_calm.serving.api.conclusion import Conclusion
from storm_calm.serving.api.output_items import Data, OutputItems
from storm_calm.serving.api.rendering import Piece, Rendering
from storm_calm.serving.api.responses_request import ResponsesRequest
from storm_calm.serving.api.stored_files import FileStore, StoredFile
from storm_calm.serving.api.stored_responses import Conversation

OnEnd = Callable[[str, bytes, Conversation | None], Awaitable[None]]
"""Awaited with the ID of a finished response, the response as JSON, and the conversation that it ends."""
OnEvent = Callable[[bytes], None]
"""Called with each event of a stream."""


class ModelResponse(Rendering):
    """One response in progress."""

    def __init__(
        self,
        body: ResponsesRequest,
        request: AgentRequest,
        task: AgentTask,
        *,
        results: FileStore,
        caller: Caller,
        on_end: OnEnd | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        """Set up the response. results: the store of the answer's files, which belong to the caller."""
        super().__init__(request, task)
        self._results, self._caller, self._on_end, self._on_event = results, caller, on_end, on_event
        self._container = f"cntr_{secrets.token_hex(16)}"
        summary = body.reasoning.summary if body.reasoning else None
        self._code_split, self._items = CodeBlockSplit(), OutputItems(self._container, summary=bool(summary))
        self._number = 0
        self.id = f"resp_{secrets.token_hex(16)}"
        self._instructed = bool(body.instructions)
        self._base: Data = {
            "id": self.id,
            "object": "response",
            "created_at": int(time.time()),
            "model": body.model,
            "background": bool(body.background),
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "parallel_tool_calls": False,
            "previous_response_id": body.previous_response_id,
            "reasoning": {"effort": request.effort, "summary": summary},
            "store": body.stored,
            "temperature": task.sampling.temperature,
            "text": {"format": body.text_format.shown if body.text_format else {"type": "text"}},
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
        await self._last_events(conclusion)
        return await self._ended(self._response(conclusion), conclusion)

    def snapshot(self) -> bytes:
        """Return the unfinished response as JSON."""
        return orjson.dumps({**self._begun, "output": self._items.done})

    def cancelled(self) -> bytes:
        """Return the response of a cancelled answer as JSON."""
        return orjson.dumps({**self._begun, "status": "cancelled", "output": self._items.done})

    @property
    def _begun(self) -> Data:
        begun = {**self._base, "status": "in_progress", "error": None, "incomplete_details": None, "output": []}
        return {**begun, "usage": None}

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the events. An error becomes an event, too."""
        yield self._line({"type": "response.created", "response": self._begun})
        yield self._line({"type": "response.in_progress", "response": self._begun})
        try:
            async for pieces in self.pieces():
                # Pieces without an event: text that may begin a fence is held back.
                data = b"".join([self._line(event) for event in self._events(pieces)])
                if data:
                    yield data
            conclusion = self.conclusion()
            last = b"".join([self._line(event) for event in await self._last_events(conclusion)])
            if last:
                yield last
            response = await self._ended(self._response(conclusion), conclusion)
        except Exception as error:
            failed = {"code": "server_error", "message": as_api_error(error).message}
            response = {**self._begun, "status": "failed", "error": failed, "output": self._items.done}
            # If the store failed, the client sees why.
            with contextlib.suppress(ApiError):
                await self._ended(response, None)
            yield self._line({"type": "response.failed", "response": response})
            return
        kind = "response.completed" if conclusion.finish == "stop" else "response.incomplete"
        yield self._line({"type": kind, "response": response})

    async def _ended(self, response: Data, conclusion: Conclusion | None) -> Data:
        """Return the finished response when it is stored: a client may continue it at another server."""
        if self._on_end is not None:
            conversation: Conversation | None = None
            if conclusion is not None and not conclusion.refusal:
                answer = Message(role="assistant", content=self.content + conclusion.rest)
                earlier = self._request.messages[1:] if self._instructed else self._request.messages
                conversation = Conversation(messages=(*earlier, answer), files=self._request.files)
            await self._on_end(self.id, orjson.dumps(response), conversation)
        return response

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

    async def _last_events(self, conclusion: Conclusion) -> list[Data]:
        events = list(self._thought_events(self._code_split.finish()))
        if conclusion.rest:
            events += self._items.answer(conclusion.rest)
        if conclusion.refusal:
            events += self._items.refusal(conclusion.refusal)
        files = await self._keep_files()
        if files and not self._request.reply_path:
            events += self._items.cite("\n\nFiles: ", [(file.id, file.name, code(file.name)) for file in files])
        return [*events, *self._items.finish(complete=conclusion.finish == "stop")]

    async def _keep_files(self) -> list[StoredFile]:
        """Keep the files of the answer for downloads, and return them."""
        if not self._request.keep_files:
            return []
        outcome = self._task.outcome()
        found = dict(outcome.judged.files) if outcome.judged else {}
        for execution in outcome.episode.executions:
            found |= execution.files
        kept: list[StoredFile] = []
        for name, content in found.items():
            with contextlib.suppress(ApiError):  # Too large, or the server shuts down.
                kept.append(await self._results.add(self._caller, name, content, group=self._container))
        return kept

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
        line = b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(numbered) + b"\n\n"
        if self._on_event is not None:
            self._on_event(line)
        return line
