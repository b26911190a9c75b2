"""A chat server whose model knows the answers, and behaves well or badly by the number of the problem."""

import json
import re

from support.scripted_chat_server import ScriptedChatServer, chat_reply

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


class ScriptedPolicyServer(ScriptedChatServer):
    """A model that follows scripts: its messages by question."""

    def __init__(self, scripts):
        self._scripts = scripts
        super().__init__()

    def answer(self, path, body):
        return chat_reply(*self._message(body), stream=body.get("stream"))

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
