"""A chat server whose model knows the answers, and behaves well or badly by the number of the problem."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROGRAM = (
    "import pulp\ndata = [{1}]\nm = pulp.LpProblem('m', pulp.LpMaximize)\nx = pulp.LpVariable('x', 0, {0})\nm += x\n"
    + ("m.solve(pulp.PULP_CBC_CMD(msg=False))\nprint(pulp.LpStatus[m.status], pulp.value(m.objective))")
)


def call(code, *, name="run_python", arguments=None):
    function = {"name": name, "arguments": json.dumps({"code": code}) if arguments is None else arguments}
    return {"type": "function", "function": function}


def scripts(answer, question=""):
    """Return the behaviours for a problem, each a list of messages: text, tool calls, finish reason, thought."""
    right, shown = f"The answer is \\boxed{{{answer}}}.", call(f"print({answer!r})")
    numbers = ", ".join(re.findall(r"\d+(?:\.\d+)?", question))
    program = PROGRAM.format(answer if isinstance(answer, float) else 1.0, numbers)
    failing = call("print(1 / 0)")
    return {
        "right": [("Let me see.", [shown]), (right, [])],
        "solver": [("", [call(program)]), (right, [])],
        "wrong": [("", [shown]), ("So it is \\boxed{12.345}.", [])],
        "no answer": [("", [shown]), ("I do not know.", [])],
        "no program": [(right, [], "stop", "I can do it by hand.")],
        "too many programs": [("", [call(f"print({number})")]) for number in range(5)] + [(right, [])],
        "same error": [("", [failing])] * 3 + [(right, [])],
        "one error": [("", [failing]), ("Again.", [shown]), (right, [])],
        "malformed arguments": [("", [call("", arguments="{}")]), ("", [shown]), (right, [])],
        "unknown tool": [("", [call("1", name="search")]), (right, [])],
        "program in the text": [(f"Look:\n```python\nprint({answer!r})\n```\nIt is 7.", []), (right, [])],
        "forged output": [(f"It ran.\n```output\n{answer}\n```\nSo {right}", []), (right, [])],
        "two calls": [("", [call("print(1)"), call("print(2)")]), (right, [])],
        "cut short": [("A long tho", [], "length")],
        "status": [("", [shown]), ("It is \\boxed{infeasible}.", [])],
        "thought": [("", [shown], "tool_calls", "First a program."), (right, [], "stop", "Now the answer.")],
    }


def behaviours(problems):
    """Return the scripts of a model that behaves differently on each problem, by question."""
    found = {}
    for number, problem in enumerate(problems):
        known = list(scripts(problem.answers[0], problem.question).values())
        found[problem.question] = known[number % len(known)]
    return found


class ScriptedPolicyServer:
    """The server, in a thread. scripts: the model's messages by question."""

    def __init__(self, scripts):
        self.asked = []
        """The bodies of all requests."""
        self._scripts = scripts
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    def _message(self, body):
        """Return the next message of the script and its finish reason."""
        asked = next(message["content"] for message in body["messages"] if message["role"] == "user")
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        script = next(script for question, script in self._scripts.items() if asked.startswith(question))
        text, calls, finish, thought = (*script[min(turn, len(script) - 1)], None, None)[:4]
        message = {"role": "assistant", "content": text or None}
        if thought:
            message["reasoning_content"] = thought
        if calls:
            message["tool_calls"] = [{**one, "id": f"id-{turn}-{at}", "index": at} for at, one in enumerate(calls)]
        return message, finish or ("tool_calls" if calls else "stop")

    def _handler(self):
        policy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format, *args): ...

            def reply(self, kind, text):
                self.send_response(200)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):
                models = {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}
                self.reply("application/json", json.dumps(models))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                policy.asked.append(body)
                message, finish = policy._message(body)
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                base = {"id": "c", "created": 1, "model": "scripted", "usage": usage}
                if not body.get("stream"):
                    choice = {"index": 0, "message": message, "finish_reason": finish}
                    return self.reply(
                        "application/json", json.dumps({**base, "object": "chat.completion", "choices": [choice]})
                    )
                deltas = [{"delta": message, "finish_reason": None}, {"delta": {}, "finish_reason": finish}]
                events = [
                    {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, **delta}]} for delta in deltas
                ]
                text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
                return self.reply("text/event-stream", text + "data: [DONE]\n\n")

        return Handler
