"""A completions server that follows a script, over real HTTP."""

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


def event(text: str = "", finish: str | None = None, **more: Any) -> str:
    """Return one event of a completions stream, in vLLM's format."""
    choice = {"index": 0, "text": text, "finish_reason": finish, **more}
    return json.dumps({"id": "c", "object": "text_completion", "created": 1, "model": "tiny", "choices": [choice]})


@dataclass
class Reply:
    """The server's behaviour for one completion request."""

    events: list[str] = field(default_factory=list)
    end: Literal["done", "nothing", "cut", "silence"] = "done"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "no"
    param: str | None = None
    error: dict[str, Any] = field(default_factory=dict)
    """More fields of the error."""


class ScriptedServer:
    """A server of `/v1/models` and of scripted replies, one per request. The last reply is repeated."""

    def __init__(self, owner: str = "vllm", models: tuple[str, ...] = ("tiny",), root: str | None = None) -> None:
        """root: the folder of the models, as vLLM reports it."""
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.pages: dict[str, str] = {}
        """Texts of further pages, by path."""
        self.keys: list[str | None] = []
        self.owner, self.root = owner, root
        self.models = models
        self.wanted_key: str | None = None
        self.quiet = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.quiet.set()
        self._server.shutdown()
        self._server.server_close()

    def play(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests.clear()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None: ...

            def send_json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
                body = json.dumps(data).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def allowed(self) -> bool:
                key = self.headers.get("authorization")
                server.keys.append(key)
                if server.wanted_key is None or key == f"Bearer {server.wanted_key}":
                    return True
                self.send_json(401, {"error": {"message": f"key {key} is wrong"}})
                return False

            def do_GET(self) -> None:
                if self.path == "/v1/models" and self.allowed():
                    common = {"object": "model", "created": 1, "owned_by": server.owner, "max_model_len": 4096}
                    models = [{"id": name, **common, "root": server.root or name} for name in server.models]
                    self.send_json(200, {"object": "list", "data": models})
                elif self.path in server.pages:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(server.pages[self.path].encode())
                    self.close_connection = True
                elif self.path != "/v1/models":
                    self.send_json(404, {"error": {"message": "Not Found"}})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not self.path.startswith("/v1/"):
                    self.send_json(404, {"error": {"message": "Not Found"}})
                    return
                if not self.allowed():
                    return
                reply = server.replies[min(len(server.requests), len(server.replies) - 1)]
                server.requests.append(body)
                server.paths.append(self.path)
                if reply.status != 200:
                    self.send_json(
                        reply.status,
                        {"error": {"message": reply.message, "param": reply.param, **reply.error}},
                        reply.headers,
                    )
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                try:
                    for data in [*reply.events, *(["[DONE]"] if reply.end == "done" else [])]:
                        block = f"data: {data}\n\n".encode()
                        self.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
                    if reply.end == "cut":
                        self.close_connection = True
                        self.connection.shutdown(socket.SHUT_RDWR)
                        return
                    if reply.end == "silence":
                        server.quiet.wait(30)
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    self.close_connection = True  # The client disconnected.

        return Handler
