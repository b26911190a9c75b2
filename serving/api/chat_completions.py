"""Chat completions: an answer in the format of OpenAI's chat API, whole or as a stream of chunks.

Thoughts, programs and their output are the message's `reasoning` (vLLM, OpenRouter) and `reasoning_content` (DeepSeek);
the answer is its `content`. The extra field `storm` has every program with its solver reports, the hints of the guard,
the answer as data, and the verdict on it.
"""

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest
from storm_calm.serving.api.agent_tasks import AgentTask
from storm_calm.serving.api.api_errors import as_api_error
from storm_calm.serving.api.chat_request import ChatRequest
from storm_calm.serving.api.conclusion import execution_data, intervention_data
from storm_calm.serving.api.reasoning_split import Channel
from storm_calm.serving.api.rendering import Rendering
from storm_calm.serving.api.sse import DONE


class ChatCompletion(Rendering):
    """One chat completion in progress."""

    def __init__(self, body: ChatRequest, request: AgentRequest, task: AgentTask, *, field: str) -> None:
        """field: the field for reasoning, as in `ServeConfig.reasoning_field`."""
        super().__init__(request, task)
        self._fields = ("reasoning", "reasoning_content") if field == "both" else (field,)
        self._usage_wanted = body.usage_wanted
        self._base = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": body.model}

    async def whole(self) -> dict[str, Any]:
        """Return the completion when the answer is finished. Raises ApiError if it failed."""
        reasoning: list[str] = []
        async for pieces in self.pieces():
            reasoning += [text for channel, text, _ in pieces if channel == "reasoning"]
        conclusion = self.conclusion()
        content = None if conclusion.refusal else self.content + conclusion.rest
        message: dict[str, Any] = {"role": "assistant", "content": content}
        message |= dict.fromkeys(self._fields, "".join(reasoning))
        message |= {"refusal": conclusion.refusal, "annotations": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": conclusion.finish}
        rest = {"choices": [choice], "usage": self._usage(), "storm": conclusion.facts}
        return {**self._base, "object": "chat.completion", **rest}

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the chunks as events. An error becomes an event, too."""
        yield self._chunk({"role": "assistant", "content": ""})
        # The constant parts of a chunk, encoded once.
        head, tail = self._chunk({}).split(b'"delta":{}')
        head += b'"delta":'
        try:
            async for pieces in self.pieces():
                for channel, text, source in pieces:
                    if source is None:
                        yield head + orjson.dumps(self._delta(channel, text)) + tail
                    elif isinstance(source, Execution):
                        yield self._chunk(self._delta(channel, text), storm={"execution": execution_data(source)})
                    else:
                        yield self._chunk(self._delta(channel, text), storm={"intervention": intervention_data(source)})
            conclusion = self.conclusion()
        except Exception as error:
            yield b"data: " + orjson.dumps(as_api_error(error).body) + b"\n\n" + DONE
            return
        if conclusion.rest:
            yield self._chunk({"content": conclusion.rest})
        if conclusion.refusal:
            yield self._chunk({"refusal": conclusion.refusal})
        yield self._chunk({}, finish=conclusion.finish, storm=conclusion.facts)
        if self._usage_wanted:
            yield self._event(choices=[], usage=self._usage())
        yield DONE

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

    def _usage(self) -> dict[str, Any]:
        usage = self._task.outcome().usage
        return {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "completion_tokens_details": {"reasoning_tokens": self._split.reasoning_tokens(usage.completion)},
        }
