"""A strict server with `/v1/chat/completions` only, over real HTTP, that replies with a fake reasoner.

It combines the requirements of OpenAI's, DeepSeek's, Gemini's and Mistral's servers, and replies with their error
messages.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

from support.fake_reasoner import count_hints

PARAMETERS = {
    "parallel_tool_calls": "Unknown parameter: 'parallel_tool_calls'.",
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.6 with this model.",
}
"""Rejected request parameters, each with the error message."""
DEMANDS = {
    "Unexpected role 'user' after role 'tool'",
    "Missing `reasoning_content` field in the assistant message.",
    "Function call is missing a thought_signature in functionCall parts.",
}
"""Error messages for message lists that other endpoints would accept."""
RAW = "arguments: "
"""The first words of a program that are followed by the call's arguments as they are."""
BUSY = 5
"""One in this many different requests gets a 429 once."""


class FakeChatServer:
    """A server that replies with a role.

    role: see `fake_reasoner`.
    hold: called with a request's messages; returns whether to leave the request unanswered.
    """

    def __init__(self, role, *, hold=lambda messages: False):
        self.role, self.hold = role, hold
        self.held, self._left = threading.Event(), threading.Event()
        self.answered, self.refused = [], []
        self.busy = 0
        self._asked = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._left.set()
        self._server.shutdown()
        self._server.server_close()

    def turns(self, role):
        """Return the contents of all `role` messages of answered requests, without repetitions."""
        return {message["content"] for messages in self.answered for message in messages if message["role"] == role}

    def _handler(self):
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format, *args): ...

            def answer(self, status, body, kind="application/json", **headers):
                self.send_response(status)
                for name, value in {"content-type": kind, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self):
                model = {"id": "actor", "object": "model", "created": 1, "owned_by": "tests"}
                self.answer(200, json.dumps({"object": "list", "data": [model]}))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                asked = json.loads(body)
                if self.path != "/v1/chat/completions":
                    return self.answer(404, "{}")
                with endpoint._lock:
                    known = body in endpoint._asked
                    endpoint._asked.add(body)
                    busy = not known and len(endpoint._asked) % BUSY == 0
                if busy:
                    endpoint.busy += 1
                    error = json.dumps({"error": {"message": "slow down"}})
                    return self.answer(429, error, **{"retry-after": "0.01"})
                if message := refusal(asked):
                    endpoint.refused.append(message)
                    return self.answer(400, json.dumps({"error": {"message": message, "param": None}}))
                messages = asked["messages"]
                if endpoint.hold(messages):
                    endpoint.held.set()
                    endpoint._left.wait(60)
                    return None
                endpoint.answered.append(messages)
                events = [*streamed(played(endpoint.role, messages)), "[DONE]"]
                return self.answer(200, "".join(f"data: {event}\n\n" for event in events), "text/event-stream")

        return Handler


def played(role, messages):
    """Return the next text of a role."""
    question = next(message["content"] for message in messages if message["role"] == "user")
    hours = int(question.rpartition("A workshop has ")[2].split()[0])
    hints = sum(count_hints(message["content"]) for message in messages if message["role"] == "user")
    return role(hours, hints, sum(message["role"] == "tool" for message in messages))


def refusal(asked):
    """Return the error message for a request, or None if it is valid."""
    messages = asked["messages"]
    for name, error in PARAMETERS.items():
        if name in asked:
            return error
    if messages[-1]["role"] == "assistant":
        return "The last message must not be the assistant's."
    for before, message in pairwise(messages):
        roles = before["role"], message["role"]
        if roles == ("tool", "user"):
            return "Unexpected role 'user' after role 'tool'"
        if roles in (("user", "user"), ("assistant", "assistant")):
            return f"Two messages of the {roles[0]}'s, one after the other."
        calls = [call["id"] for call in before.get("tool_calls", ())]
        if calls != ([message["tool_call_id"]] if roles[1] == "tool" else []):
            return "An assistant message with 'tool_calls' must be followed by tool messages for each of them."
    for message in messages:
        if message["role"] != "assistant":
            continue
        if not message["content"] and not message.get("tool_calls"):
            return "Assistant message must have either content or tool_calls."
        if "reasoning_content" not in message:
            return "Missing `reasoning_content` field in the assistant message."
        if any("extra_content" not in call for call in message.get("tool_calls", ())):
            return "Function call is missing a thought_signature in functionCall parts."
    return None


def streamed(text):
    """Return the events that stream a role's text: thoughts, content, and a call in pieces."""
    before, opening, code = text.partition("```python\n")
    thought, closing, content = before.partition("</think>\n")
    if opening and not closing:  # The last line before a program is content, the rest is thought.
        thought, content = re.fullmatch(r"(.*\n|)([^\n]+\n|)", before, re.DOTALL).groups()
    elif not closing:
        thought, content = "", before
    yield event({"role": "assistant", "content": None})
    for piece in pieces(thought.removesuffix("\n"), 40):
        yield event({"reasoning_content": piece})
    for piece in pieces(content, 40):
        yield event({"content": piece})
    if opening:
        call = {"index": 0, "id": "call-x", "type": "function", "function": {"name": "run_python", "arguments": ""}}
        yield event({"tool_calls": [call]})
        data = code.removeprefix(RAW) if code.startswith(RAW) else json.dumps({"code": code.partition("```")[0]})
        for piece in pieces(data, 9):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield event({}, finish="tool_calls" if opening else "stop")
    yield event(None, usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})


def pieces(text, size):
    return [text[start : start + size] for start in range(0, len(text), size)]


def event(delta, *, finish=None, **more):
    """Return one event of a stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    data = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "actor", "choices": choices, **more}
    return json.dumps(data)
