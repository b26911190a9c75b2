"""A server with `/v1/completions` over real HTTP that replies with a fake reasoner, or fails."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.fake_reasoner import line


class FakeCompletionsServer:
    """A server that replies with a role, or fails.

    fault: an HTTP status, "cut" for streams that break off in the middle, "long" for the error of a prompt that is too
        long, or None.
    pause: seconds before each reply. piece: characters of an event. port: to listen at; 0 for a free one.
    """

    def __init__(self, role, *, fault=None, pause=0.0, piece=1_000_000, port=0):
        self.role, self.fault, self.pause, self.piece = role, fault, pause, piece
        self.asked = []
        """The bodies of all requests."""
        self.sent = 0
        """Characters of all replies that the client took."""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _handler(self):
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format, *args): ...

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self):
                model = {"id": "actor", "object": "model", "created": 1, "owned_by": "tests"}
                self.answer(200, "application/json", json.dumps({"object": "list", "data": [model]}))

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.asked.append(asked)
                time.sleep(endpoint.pause)
                if endpoint.fault == "long":
                    message = "This model's maximum context length is 50 tokens. However, you requested 90 tokens."
                    return self.answer(400, "application/json", json.dumps({"error": {"message": message}}))
                if isinstance(endpoint.fault, int):
                    body = json.dumps({"error": {"message": "not now"}})
                    return self.answer(endpoint.fault, "application/json", body)
                text = line(endpoint.role, asked["prompt"])
                if endpoint.fault == "cut":
                    return self.answer(200, "text/event-stream", event(text[: len(text) // 2], None))
                pieces = [text[start : start + endpoint.piece] for start in range(0, len(text), endpoint.piece)] or [""]
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                try:
                    for number, piece in enumerate(pieces, start=1):
                        self.wfile.write(event(piece, "stop" if number == len(pieces) else None).encode())
                        endpoint.sent += len(piece)
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    pass  # The client left.
                return None

        return Handler


def event(text, finish):
    """Return one event of a stream."""
    choice = {"index": 0, "text": text, "finish_reason": finish}
    data = {"id": "c", "object": "text_completion", "created": 1, "model": "actor", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n"
