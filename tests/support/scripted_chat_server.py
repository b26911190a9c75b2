"""The base of model servers that answer OpenAI's APIs by a script, and their chat replies."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ScriptedChatServer:
    """The server, in a thread. Subclasses write the replies."""

    def __init__(self):
        self.asked = []
        """The bodies of all requests."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def status(self, body):
        """Return the status of the reply."""
        return 200

    def answer(self, path, body):
        """Return the text of the reply, an event stream if the body asks for one."""
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        model = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format, *args): ...

            def reply(self, kind, text):
                self.send_response(200)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):
                data = {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}
                self.reply("application/json", json.dumps(data))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                model.asked.append(body)
                if (status := model.status(body)) != 200:
                    self.send_response(status)
                    self.end_headers()
                    return
                kind = "text/event-stream" if body.get("stream") else "application/json"
                self.reply(kind, model.answer(self.path, body))

        return Handler


def chat_reply(message, finish, *, stream):
    """Return a chat completion with one message, whole or as an event stream."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    base = {"id": "c", "created": 1, "model": "scripted", "usage": usage}
    if not stream:
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return json.dumps({**base, "object": "chat.completion", "choices": [choice]})
    deltas = [{"delta": message, "finish_reason": None}, {"delta": {}, "finish_reason": finish}]
    events = [{**base, "object": "chat.completion.chunk", "choices": [{"index": 0, **delta}]} for delta in deltas]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
