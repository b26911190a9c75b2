"""A model that follows a script for each question, as Inspect's mock model and behind OpenAI's API."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inspect_ai.model import (
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.model._model_output import ChatCompletionChoice
from inspect_ai.tool import ToolCall


def call(code, *, name="run_python", thought="The decisions are the amounts."):
    """A turn that calls the tool."""
    return {"code": code, "name": name, "thought": thought, "text": ""}


def says(text):
    """A turn without a call."""
    return {"text": text}


def mock_model(scripts):
    """Return Inspect's mock model. scripts: the turns for each question."""

    def answer(messages, tools, tool_choice, config):
        turn = turn_for(scripts, [(message.role, message.text) for message in messages])
        content, calls = [ContentText(text=turn["text"])], None
        if "code" in turn:
            content.insert(0, ContentReasoning(reasoning=turn["thought"]))
            calls = [ToolCall(id=f"c{len(messages)}", function=turn["name"], arguments={"code": turn["code"]})]
        message = ChatMessageAssistant(content=content, tool_calls=calls)
        choice = ChatCompletionChoice(message=message, stop_reason="tool_calls" if calls else "stop")
        # Without a count, Inspect's mock model counts tokens, for which it downloads a tokenizer.
        usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return ModelOutput(model="mockllm/model", choices=[choice], usage=usage)

    return get_model("mockllm/model", custom_outputs=answer)


def turn_for(scripts, messages):
    """Return the next turn. messages: role and text of each message so far."""
    question = next(text for role, text in messages if role == "user")
    turns = scripts[question]
    written = sum(role == "assistant" for role, _ in messages)
    return turns[min(written, len(turns) - 1)]


@contextmanager
def scripted_server(scripts):
    """Serve the script as OpenAI's chat completions, and yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            turn = turn_for(scripts, [(one["role"], text_of(one)) for one in request["messages"]])
            message = {"role": "assistant", "content": turn["text"]}
            if "code" in turn:
                function = {"name": turn["name"], "arguments": json.dumps({"code": turn["code"]})}
                message["tool_calls"] = [
                    {"id": f"c{len(request['messages'])}", "type": "function", "function": function}
                ]
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "code" in turn else "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            body = json.dumps(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m",
                    "choices": [choice],
                    "usage": usage,
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def text_of(message):
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
