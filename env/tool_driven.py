"""An environment for callers that parse tool calls themselves, such as other frameworks' trainers and servers.

    env = open_tool_env(sandbox)
    env.reset(problem)
    env.step(tool_call("print(6 * 7)"))
    env.step(Generation(text="The answer is \\boxed{42}.", finish="end"))

Programs are written into the transcript in the notation of `protocol.ToolCall`, so limits, outputs and scores are those
of `SolverEnv`. The caller has the tokens: the transcript has none, and no limit on them.
"""

import json
from collections.abc import Sequence

from storm_calm.env.protocol import ToolCall
from storm_calm.env.reasoner import Generation, Message
from storm_calm.env.solver_env import SolverEnv
from storm_calm.env.tool_calls import CALL_END, CALL_START, TOOL_NAME
from storm_calm.sandbox import Sandbox

_NO_LIMIT = 1 << 40


class _TextRenderer:
    instructions = None
    context = None
    hint_marks = ("", "")

    def render(self, messages: Sequence[Message]) -> str:
        return "\n\n".join(message["content"] for message in messages)

    def encode(self, text: str) -> None:
        return None

    encode_marked = encode


def open_tool_env(sandbox: Sandbox, *, max_executions: int = 4) -> SolverEnv:
    """Return an environment without tokens. max_executions: programs per episode (4 in arXiv 2510.04204)."""
    return SolverEnv(sandbox, _TextRenderer(), protocol=ToolCall(), max_executions=max_executions, max_tokens=_NO_LIMIT)


def tool_call(code: object) -> Generation:
    """Return the model's text for a call. code: the argument as the model sent it; the environment judges it."""
    # No mark of a call or of an output can be in the text then.
    call = json.dumps({"name": TOOL_NAME, "arguments": {"code": code}}, default=str).replace("<", "\\u003c")
    return Generation(text=f"{CALL_START}\n{call}\n{CALL_END}\n", finish="stop")
