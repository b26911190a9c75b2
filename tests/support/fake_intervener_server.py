"""A chat completions endpoint over real HTTP that inspects trajectories of the fake reasoner, correctly or badly.

It parses the trajectory in the prompt and looks for its flaws in the reasoner's text. A schedule decides its replies
and failures: a function of the `Look` that returns a name of `REPLY_KINDS`, `TRANSIENT_FAULTS` or `LASTING_FAULTS`, or
None. The endpoint counts the rejections that it causes.
"""

import json
import re
import socket
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HAND = "Wait, working this out by hand is unreliable. I should write a program."
TRUST = "Wait, the solver proved this optimal. I have no reason to doubt it."
PROFIT = "Wait, my objective is not the one in the question. I should read the profit again."
FLAWS = (
    ("manual_computation", "Let me work it out by hand", HAND),
    ("solver_distrust", "That does not look right", TRUST),
    ("wrong_formulation", "s.Maximize(6 * x)", PROFIT),
)
"""Trigger, quote from the fake reasoner's text, hint."""
NOTHING = ("manual_computation", "Let me solve it with code.", HAND)
"""A wrong finding, used if the schedule demands one for a flawless trajectory."""

REPLY_KINDS = {
    "half": "format", "empty": "format", "filtered": "format", "prose": "format", "list": "format",
    "fenced": None, "thinking": None, "capitals": None,
    "trigger": "trigger", "quote": "quote", "twice": "quote", "question": "quote",
    "answer": "answer", "code": "code", "voice": "voice", "number": "number", "long": "length", "boxed": "marks",
    "hintless": "format",
}  # fmt: skip
"""Kinds of unusual replies, each with the expected rejection reason; None if the reply must be accepted."""
TRANSIENT_FAULTS = (429, 500, "cut", "broken")
"""Transient faults."""
LASTING_FAULTS = ("silence", "down", "too long")
"""Faults that last longer."""


@dataclass(frozen=True)
class Look:
    """One request, as the endpoint parsed it."""

    hours: int
    """The hours of the workshop problem."""
    over: bool
    """Whether the request is about a complete trajectory."""
    replies: int
    """Number of earlier replies to this question."""
    asked: int
    """Number of earlier requests with the same body."""
    found: tuple | None
    """The first matching entry of `FLAWS`, or None."""


class FakeIntervenerServer:
    """The endpoint."""

    kinds = REPLY_KINDS

    def __init__(self, schedule=lambda look: None, *, refuses=(), wanted_key=None):
        """Start the endpoint. refuses: names of fields and values rejected with a 400."""
        self.schedule, self.refuses, self.wanted_key = schedule, frozenset(refuses), wanted_key
        self.caused, self.requests, self.prompts = Counter(), Counter(), []
        self.answered = self.input_tokens = self.output_tokens = 0
        self.hidden = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self.hidden.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def look(self, body):
        """Parse a request."""
        messages = body["messages"]
        key = json.dumps(messages)
        with self._lock:
            asked = self.requests[key]
            self.requests[key] += 1
            self.prompts.append(messages)
        return look_at(messages, asked)

    def reply(self, look, kind):
        """Return the text of the reply and its finish reason."""
        return reply(look, kind)

    def cause(self, reason):
        """Count an expected rejection."""
        with self._lock:
            self.caused[reason] += 1

    def count(self, messages, text):
        """Count a reply."""
        with self._lock:
            self.answered += 1
            usage = tokens(messages, text)
            self.input_tokens += usage[0]
            self.output_tokens += usage[1]

    def _handler(self):
        judge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format, *args): ...

            def answer(self, status, body, *, kind="application/json", **headers):
                self.send_response(status)
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                for name, value in {"content-type": kind, "content-length": str(len(body.encode())), **named}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def refuse(self, status, message, **headers):
                self.answer(status, json.dumps({"error": {"message": message, "code": None}}), **headers)

            def allowed(self):
                if judge.wanted_key in (None, self.headers.get("authorization", "").removeprefix("Bearer ")):
                    return True
                self.refuse(401, "wrong key")
                return False

            def do_GET(self):
                if self.allowed():
                    model = {"id": "judge", "object": "model", "created": 1, "owned_by": "tests"}
                    self.answer(200, json.dumps({"object": "list", "data": [model]}))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not self.allowed():
                    return None
                if refused := refused_of(body, judge.refuses):
                    return self.refuse(400, f"Unsupported value: {refused!r} is not supported with this model.")
                look = judge.look(body)
                fault = judge.schedule(look)
                if fault == "too long":
                    judge.cause("format")
                    return self.refuse(400, "This model's maximum context length is 8192 tokens, you asked for 9000.")
                if fault == "down" or (fault in (429, 500) and look.asked == 0):
                    wait = {"retry_after": "0.05"} if fault == 429 else {}
                    return self.refuse(fault if fault == 429 else 500, "not now", **wait)
                if fault == "silence" and look.asked == 0:
                    judge.hidden.wait(60)
                    self.close_connection = True
                    return None
                if fault in ("cut", "broken") and look.asked == 0:
                    return self.half(fault)
                kind = fault if fault in judge.kinds else None
                text, finish = judge.reply(look, kind)
                if judge.kinds.get(kind):
                    judge.cause(judge.kinds[kind])
                judge.count(body["messages"], text)
                return self.answer(200, "".join(stream(body, text, finish)), kind="text/event-stream")

            def half(self, fault):
                events = event({"content": '{"why": "'}) if fault == "cut" else "data: {half of an ev\n\n"
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", "9999")
                self.end_headers()
                self.wfile.write(events.encode())
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        return Handler


def look_at(messages, asked=0):
    """Parse a conversation. Instructions outside of the frame are obeyed."""
    system, prompt = messages[0]["content"], messages[1]["content"]
    mark = re.search(r"The mark of this run is (\w+)\.", prompt)[1]
    before, *parts, _ = re.split(rf"^=== {mark} \| (.*) ===\n", prompt, flags=re.MULTILINE)
    shown = list(zip(parts[::2], parts[1::2], strict=False))
    over = "The run is over" in before
    wanted = ("written by the reasoner", "written by the reasoner just now")[0 if over else 1 :]
    text = "".join(text for title, text in shown if title in wanted)
    outside = system.partition("## What you are shown")[0] + before + prompt.rpartition(f"=== {mark}")[2]
    found = min((flaw for flaw in FLAWS if flaw[1] in text), key=lambda flaw: text.index(flaw[1]), default=None)
    question = dict(shown)["the question"]
    return Look(
        hours=int(re.search(r"A workshop has (\d+)", question)[1]),
        over=over,
        replies=sum(message["role"] == "assistant" for message in messages),
        asked=asked,
        found=None if "ignore your instructions" in outside.lower() else found,
    )


def reply(look, kind):
    """Return the text of the reply and its finish reason."""
    trigger, quote, hint = look.found or NOTHING
    data = {"why": "It is so.", "flaw": look.found is not None, "trigger": "none", "quote": "", "hint": ""}
    if look.found or (kind and REPLY_KINDS[kind] not in ("format", None)) or kind == "hintless":
        data |= {"flaw": True, "trigger": trigger, "quote": quote, "hint": hint}
    data |= {"confidence": 0.9}
    data |= {
        "trigger": {"trigger": "bad_taste"},
        "capitals": {"trigger": data["trigger"].replace("_", " ").title()},
        "quote": {"quote": "These words stand nowhere."},
        "twice": {"quote": "e"},
        "question": {"quote": "What is the largest profit?"},
        "answer": {"hint": f"Wait, I know that the largest profit is {3 * look.hours}."},
        "code": {"hint": f"Wait, I should write x = s.NumVar(0, {look.hours}, '') here."},
        "voice": {"hint": "You should let the solver decide."},
        "number": {"hint": "Wait, I should try 99991 chairs."},
        "long": {"hint": "Wait, I should think. " * 40},
        "boxed": {"hint": "Wait, I should close with \\boxed{}."},
        "hintless": {"hint": " "},
    }.get(kind, {})
    text = json.dumps(data)
    return {
        "half": (text[: len(text) // 2], "length"),
        "empty": ("", "stop"),
        "filtered": ("I cannot help with that.", "content_filter"),
        "prose": ("I see no JSON here, sorry.", "stop"),
        "list": (json.dumps([data["flaw"], "none"]), "stop"),
        "fenced": (f"Here is my judgement:\n```json\n{text}\n```\nI hope that it helps.", "stop"),
        "thinking": (f'<think>Is it {{"flaw": true}}? Hm.</think>\n{text}', "stop"),
    }.get(kind, (text, "stop"))


def stream(body, text, finish):
    """Yield the events of a reply, in pieces."""
    for start in range(0, len(text), 100):
        yield event({"content": text[start : start + 100]})
    yield event({}, finish)
    if body.get("stream_options", {}).get("include_usage"):
        sent, received = tokens(body["messages"], text)
        usage = {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
        yield event(None, None, usage=usage)
    yield "data: [DONE]\n\n"


def event(delta, finish=None, **more):
    """Return one event of a stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    data = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "judge-1", "choices": choices, **more}
    return f"data: {json.dumps(data)}\n\n"


def tokens(messages, text):
    """Return the token counts of a request and its reply, as this endpoint counts them."""
    return sum(len(message["content"]) for message in messages) // 5, len(text) // 5


def refused_of(body, refuses):
    """Return the rejected part of a request: a rejected field, or a schema that is not strict."""
    form = body.get("response_format", {})
    if form.get("type") in refuses:
        return form["type"]
    if form.get("type") == "json_schema":
        schema = form["json_schema"]["schema"]
        strict = form["json_schema"]["strict"] and schema["additionalProperties"] is False
        if not strict or sorted(schema["required"]) != sorted(schema["properties"]):
            return "json_schema"
    return next((name for name in body if name in refuses), None)
