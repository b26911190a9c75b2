"""A server that repeats recorded answers of llama.cpp's llama-server to `/v1/completions`, over real HTTP.

The records in tests/data/llama_cpp are of SmolLM2-135M-Instruct with a context of 2048 tokens, byte by byte, but with
shorter paths. `NAME.sse` is a stream, `NAME.json` an error or the list of models.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import TESTS

RECORDS = TESTS / "data" / "llama_cpp"
STATUS = {"loading": 503, "context": 400}


class LlamaCppServer:
    """A llama-server. records: names of the recorded answers, one for each request; the last one is repeated."""

    def __init__(self, *records):
        self.records = list(records)
        self.requests = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            server_version = "llama.cpp"

            def log_message(self, format, *args): ...

            def send_record(self, name):
                kind = "sse" if (RECORDS / f"{name}.sse").exists() else "json"
                self.send_response(STATUS.get(name, 200))
                self.send_header("content-type", "text/event-stream" if kind == "sse" else "application/json")
                self.end_headers()
                self.wfile.write((RECORDS / f"{name}.{kind}").read_bytes())

            def do_GET(self):
                if self.path == "/v1/models":
                    self.send_record("models")
                else:
                    self.send_error(404)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path != "/v1/completions":  # What a client asks first is not recorded.
                    self.send_error(404)
                    return
                number = min(len(server.requests), len(server.records) - 1)
                server.requests.append(body)
                self.send_record(server.records[number])

        return Handler
