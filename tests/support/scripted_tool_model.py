"""A model server with OpenAI's APIs whose model calls MCP tools by a script: run a program, check its plan.

It answers the chat and the responses API, streamed and whole, as far as agents need it.
"""

import json
import re

from support.scripted_chat_server import ScriptedChatServer, chat_reply

CODE = """import pulp
model = pulp.LpProblem("shop", pulp.LpMaximize)
shelves, stools = pulp.LpVariable("shelves", 0), pulp.LpVariable("stools", 0)
model += 66 * shelves + 62 * stools
model += 6 * shelves + 14 * stools <= 168, "labor"
model += 11 * shelves + 9 * stools <= 163, "wood"
model.solve(pulp.PULP_CBC_CMD(msg=False))
print("profit", pulp.value(model.objective))
"""
SENTENCE = "Checked: the plan keeps all limits of its model and has the objective 1047.6."


class ScriptedToolModel(ScriptedChatServer):
    """A model that calls the tools of `storm mcp`."""

    def answer(self, path, body):
        return _chat(body) if "completions" in path else _response(body)


def _step(body, names):
    """Return the next tool call as a name and arguments, or the final text."""
    text = json.dumps(body.get("messages") or body["input"])
    records = re.findall(r"run-[0-9a-f]{16}", text)
    run = next((name for name in names if name.endswith("run_program")), None)
    check = next((name for name in names if name.endswith("check_plan")), None)
    if run is None:
        return "no tools"
    if not records:
        return run, {"code": CODE}
    if SENTENCE not in text:
        return check, {"record_id": records[-1]}
    return f"The largest profit is 1047.6. {SENTENCE}"


def _chat(body):
    step = _step(body, [tool["function"]["name"] for tool in body.get("tools") or []])
    if isinstance(step, str):
        message, finish = {"role": "assistant", "content": step}, "stop"
    else:
        function = {"name": step[0], "arguments": json.dumps(step[1])}
        calls = [{"id": f"call_{len(body['messages'])}", "type": "function", "index": 0, "function": function}]
        message, finish = {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
    return chat_reply(message, finish, stream=body.get("stream"))


def _response(body):
    tools = body.get("tools") or []
    # Some agents group the tools of a server under its name.
    names = [(tool.get("name", ""), None) for tool in tools if tool["type"] == "function"]
    names += [(one["name"], tool["name"]) for tool in tools for one in tool.get("tools", ())]
    step = _step(body, [name for name, _ in names])
    if isinstance(step, str):
        part = {"type": "output_text", "text": step, "annotations": []}
        item = {"type": "message", "id": "m", "status": "completed", "role": "assistant", "content": [part]}
    else:
        group = dict(names)[step[0]]
        item = {"type": "function_call", "id": "f", "call_id": f"call_{len(body['input'])}", "status": "completed"}
        item |= {"name": step[0], "arguments": json.dumps(step[1])} | ({"namespace": group} if group else {})
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "total_tokens": 2,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    whole = {"id": "r", "object": "response", "created_at": 1, "model": "scripted", "status": "completed"}
    whole |= {"output": [item], "usage": usage, "tools": [], "tool_choice": "auto", "parallel_tool_calls": False}
    if not body.get("stream"):
        return json.dumps(whole)
    events = [
        {"type": "response.created", "response": {**whole, "output": [], "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    numbered = enumerate(events)
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
        for number, event in numbered
    )
