"""Stand-ins for six kinds of model server over real HTTP: their pages, their streams, and their misbehaviour.

    with FakeModelServer("ollama", context=4096) as server:
        open_reasoner(server.url)

Pages and errors are those of vLLM 0.32, SGLang 0.5, llama.cpp, Ollama 0.12, LM Studio 0.3 and OpenRouter, shortened.
The model behind all of them counts on, calls the tool when it is asked to, solves the tiny problem of the endpoint
check, and else writes words that depend on the seed.
"""

import json
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import storm_calm
from storm_calm.agents.reasoners.tokenizer import ByteTokens

FOLDER = Path(storm_calm.__file__).parent / "models" / "base"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
)
PROGRAM = "print(8 * 6 + 3 * 5)\n"
MODELS = {
    "vllm": "tiny",
    "sglang": "tiny",
    "llama.cpp": "tiny.gguf",
    "ollama": "tiny:latest",
    "lmstudio": "tiny",
    "hosted": "maker/tiny",
}
KINDS = tuple(MODELS)


class FakeModelServer:
    """One server with one model."""

    def __init__(self, kind, *, context=16384, loading=0, template=CHATML, seeded=True, pages=None):
        """loading: how many requests are answered with 503 first. seeded: whether seeds are honoured.

        pages: replace the bodies of pages, by path.
        """
        self.kind, self.context, self.loading, self.template, self.seeded = kind, context, loading, template, seeded
        self.model = MODELS[kind]
        self.pages = pages or {}
        self.requests = []
        """Path and body of all POST requests below /v1."""
        self.seen = []
        """The prompts that reached the model, after any truncation."""
        self.tokens = ByteTokens(FOLDER / "tokenizer.json")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()

    def page(self, path):
        """Return the JSON of a GET request, or None for 404."""
        if path in self.pages:
            return self.pages[path]
        context, model = self.context, self.model
        common = {"object": "model", "created": 1}
        pages = {
            "vllm": {
                "/v1/models": {
                    **common,
                    "owned_by": "vllm",
                    "root": str(FOLDER),
                    "parent": None,
                    "max_model_len": context,
                },
                "/version": {"version": "0.32.0"},
                "/health": {},
            },
            "sglang": {
                "/v1/models": {**common, "owned_by": "sglang", "root": str(FOLDER), "max_model_len": context},
                "/get_model_info": {"model_path": str(FOLDER), "tokenizer_path": str(FOLDER), "is_generation": True},
                "/server_info": {
                    "version": "0.5.3",
                    "context_length": None,
                    "max_total_num_tokens": context // 2,
                    "tool_call_parser": None,
                    "max_running_requests": 64,
                },
                "/health": {},
            },
            "llama.cpp": {
                "/v1/models": {
                    **common,
                    "owned_by": "llamacpp",
                    "meta": {
                        "vocab_type": 2,
                        "n_vocab": 49152,
                        "n_ctx": context,
                        "n_ctx_train": 32768,
                        "ftype": "Q4_1",
                    },
                },
                "/props": {
                    "default_generation_settings": {"n_ctx": context, "params": {"n_predict": -1}},
                    "total_slots": 4,
                    "model_path": "/models/tiny.gguf",
                    "chat_template": self.template,
                    "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
                    "build_info": "b6800-abcdef0",
                },
                "/health": {"status": "ok"},
            },
            "ollama": {
                "/v1/models": {**common, "owned_by": "library"},
                "/api/version": {"version": "0.12.6"},
                "/api/ps": {"models": [{"name": model, "model": model, "size": 91, "context_length": context}]},
            },
            "lmstudio": {
                "/v1/models": {"object": "model", "owned_by": "organization_owner"},
                "/api/v0/models": {
                    "object": "list",
                    "data": [
                        {
                            "id": model,
                            "object": "model",
                            "type": "llm",
                            "arch": "qwen3",
                            "compatibility_type": "gguf",
                            "state": "loaded",
                            "max_context_length": 40960,
                            "loaded_context_length": context,
                            "capabilities": ["tool_use"],
                        }
                    ],
                },
            },
            "hosted": {
                "/v1/models": {
                    "created": 1,
                    "context_length": context,
                    "pricing": {"prompt": "0.00000015", "completion": "0.0000006", "request": "0"},
                    "supported_parameters": ["max_tokens", "temperature", "tools", "reasoning", "seed"],
                }
            },
        }[self.kind]
        found = pages.get(path)
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": model, **found}]}
        return found

    def native(self, path, body):
        """Return the JSON of a POST request outside of /v1, or None for 404."""
        if path in self.pages:
            return self.pages[path]
        if self.kind == "vllm" and path == "/tokenize":
            ids = list(self.tokens.encode(body["prompt"])[0])
            return {"count": len(ids), "max_model_len": self.context, "tokens": ids, "token_strs": None}
        if self.kind == "llama.cpp" and path == "/tokenize":
            return {"tokens": list(self.tokens.encode(body["content"])[0])}
        if self.kind == "ollama" and path == "/api/show":
            return {
                "template": "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}",
                "parameters": 'stop                           "<|im_end|>"\ntemperature                    0.6',
                "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
                "capabilities": ["completion", "tools", "thinking"],
            }
        return None

    def fit(self, prompt, wanted):
        """Return the prompt and the token limit that the model gets, or the error of a request that does not fit."""
        count, context = len(prompt) // 3, self.context
        if self.kind == "vllm" and count + wanted > context:
            if count >= context:
                return error(
                    f"This model's maximum context length is {context} tokens. However, your request has {count} input "
                    "tokens. Please reduce the length of the input messages."
                )
            return error(
                f"'max_tokens' or 'max_completion_tokens' is too large: {wanted}. This model's maximum context length "
                f"is {context} tokens and your request has {count} input tokens ({wanted} > {context} - {count})."
            )
        if self.kind == "sglang" and count >= context:
            return error(f"The input ({count} tokens) is longer than the model's context length ({context} tokens).")
        if self.kind == "sglang" and count + wanted > context:
            return error(
                f"Requested token count exceeds the model's maximum context length of {context} tokens. You requested "
                f"a total of {count + wanted} tokens: {count} tokens from the input messages and {wanted} tokens for "
                "the completion. Please reduce the number of tokens in the input messages or the completion to fit "
                "within the limit."
            )
        if self.kind == "llama.cpp" and count >= context:
            return error(
                f"request ({count} tokens) exceeds the available context size ({context} tokens), try increasing it",
                type="exceed_context_size_error",
                n_prompt_tokens=count,
                n_ctx=context,
            )
        if self.kind == "hosted" and count + wanted > context:
            return error(
                f"This endpoint's maximum context length is {context} tokens. However, you requested about "
                f"{count + wanted} tokens ({count} of text input, {wanted} in the output). Please reduce the length of "
                "either one, or use the context-compression plugin to compress your prompt automatically."
            )
        if count >= context:  # Ollama and LM Studio: the beginning is lost.
            prompt = prompt[-3 * context // 2 :]
        return prompt, max(1, min(wanted, context - len(prompt) // 3))

    def write(self, prompt, seed, *, tools=False):
        """Return the model's text after a prompt."""
        if found := re.search(r"(\d+),\s*$", prompt):
            return "".join(f" {number}," for number in range(int(found[1]) + 1, 31))
        if "A workshop has 40 hours" in prompt:
            if "63" in prompt.rpartition("A workshop has 40 hours")[2]:
                return "The largest profit is \\boxed{63}."
            return f"```python\n{PROGRAM}```\n" if not tools else None
        if tools and "Call run_python" in prompt:
            return None
        draw = random.Random(seed if self.seeded else None)
        return "".join(f"{draw.choice(('cat', 'dog', 'owl', 'fox'))} " for _ in range(60))

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format, *args): ...

            def send(self, status, data):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(data if isinstance(data, bytes) else json.dumps(data).encode())

            def loads(self):
                if server.loading <= 0:
                    return False
                server.loading -= 1
                self.send(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
                return True

            def do_GET(self):
                if self.loads():
                    return None
                page = server.page(self.path)
                return self.send(404, {"error": "not found"}) if page is None else self.send(200, page)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.loads():
                    return None
                if not self.path.startswith("/v1/"):
                    page = server.native(self.path, body)
                    return self.send(404, {"error": "not found"}) if page is None else self.send(200, page)
                server.requests.append((self.path, body))
                chat = self.path == "/v1/chat/completions"
                if server.kind == "hosted" and not chat:
                    return self.send(404, {"error": {"message": "not found"}})
                prompt = body.get("prompt")
                if isinstance(prompt, list):
                    prompt = "".join(map(server.tokens.decoder().feed, prompt))
                if chat:
                    prompt = "".join(f"<|im_start|>{one['role']}\n{one['content']}\n" for one in body["messages"])
                fitted = server.fit(prompt, body.get("max_tokens") or body.get("max_completion_tokens") or 64)
                if isinstance(fitted, dict):
                    return self.send(400, fitted)
                server.seen.append(fitted[0])
                events = server.chat(*fitted, body) if chat else server.completion(*fitted, body)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                try:
                    for data in [*events, "[DONE]"]:
                        self.wfile.write(f"data: {data}\n\n".encode())
                except OSError:
                    self.close_connection = True  # The client has its stop string.
                return None

        return Handler

    def completion(self, prompt, limit, body):
        """Yield the events of a raw completion."""
        text = self.write(prompt, body.get("seed"))
        pieces = re.findall(r"\s*\S+\n?", text)
        finish, named = ("length" if len(pieces) > limit else "stop"), None
        written = ""
        for piece in pieces[:limit]:
            before, written = written, written + piece
            stops = [stop for stop in body.get("stop") or () if stop in written]
            if stops:
                named, finish = stops[0], "stop"
                end = written.index(named)
                kept = body.get("include_stop_str_in_output") or body.get("no_stop_trim")
                piece = written[len(before) : end + (len(named) if kept else 0)]
            yield self.piece(piece, body)
            if stops:
                break
        more = {"vllm": {"stop_reason": named}, "sglang": {"matched_stop": named}}.get(self.kind, {})
        yield self.piece("", body, finish=finish, **more)

    def piece(self, text, body, *, finish=None, **more):
        if self.kind == "vllm" and body.get("return_token_ids"):
            more["token_ids"] = list(self.tokens.encode(text)[0])
        choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None, **more}
        return json.dumps(
            {"id": "c", "object": "text_completion", "created": 1, "model": self.model, "choices": [choice]}
        )

    def chat(self, prompt, limit, body):
        """Yield the events of a chat completion."""
        text = self.write(prompt, body.get("seed"), tools="tools" in body)
        if text is None:
            code = PROGRAM if "workshop" in prompt else "print(6 * 7)"
            function = {"name": "run_python", "arguments": json.dumps({"code": code})}
            call = {"index": 0, "id": "call-1", "type": "function", "function": function}
            yield self.delta({"role": "assistant", "content": None, "tool_calls": [call]})
            yield self.delta({}, finish="tool_calls")
            return
        pieces = re.findall(r"\s*\S+\n?", text)
        for piece in pieces[:limit]:
            yield self.delta({"content": piece})
        yield self.delta({}, finish="length" if len(pieces) > limit else "stop")

    def delta(self, delta, *, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return json.dumps(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": self.model, "choices": [choice]}
        )


def error(message, **more):
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400, **more}}
