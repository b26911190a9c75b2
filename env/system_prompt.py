"""System prompts of the reasoner for each protocol.

    system_prompt("inline", thinking=False)

Models trained on the protocol, such as nano, get none (`PromptRenderer.instructions`). Others get one of two kinds:

- **thinking**, for models that reason inside of `<think>` first: short, since an example would shorten their thoughts.
- **instruct**, for models that answer at once: steps, rules for the model, and one worked example in the protocol.

`benchmarks.prompts` measures the parts of the instruct prompts one by one (docs/prompts.md).
"""

import json
from typing import Literal

from storm_calm.env.worked_example import ANSWER, MODEL, OUTPUT, PROGRAM, QUESTION

Notation = Literal["inline", "tool_call", "chat"]
"""How the model runs a program: fenced blocks, tool calls as text, or the tools of a chat endpoint."""

SOLVER_MODULES = (
    "ortools.linear_solver.pywraplp",
    "ortools.sat.python.cp_model",
    "scipy.optimize",
    "highspy",
    "cvxpy",
    "pulp",
    "pyomo.environ",
    "pyscipopt",
)
"""The solver modules that the thinking prompts name. Every sandbox has them, because this project depends on them."""

_THINKING = (
    "Solve the optimization problem. Reason step by step, and let Python do the computing: {how} Model the problem "
    "with a solver library, and print the solver's status and the optimal objective value. Solver libraries that can "
    "be imported: {names}. You have only a few runs. End with the optimal objective value in \\boxed{{}}, or with "
    "\\boxed{{infeasible}} or \\boxed{{unbounded}}."
)
_INLINE = (
    "write a program in a block that opens with ```python and closes with ```. It runs at once, on its own, and what "
    "it prints comes back in a block that opens with ```output; never write that block yourself."
)
_TOOL_CALL = (
    "call the tool run_python with a whole program; what it prints comes back as the tool's response. A call looks "
    'like this:\n<tool_call>\n{"name": "run_python", "arguments": {"code": "print(6 * 7)"}}\n</tool_call>\n'
)
_CHAT = "call the tool run_python with a whole program. It runs at once, on its own, and what it prints comes back."

STEPS = (
    "You solve optimization problems with Python programs.\n\n"
    "1. List the variables, the objective and the constraints, one short line each.\n"
    "2. {run} Never calculate the solution by hand.\n"
    "3. If the output is an error, write the whole program again without the error.\n"
    "4. If the status is Optimal, always end with \\boxed{{}}. It holds one number: the objective value as the program "
    "printed it, not rounded.\n"
    "5. If the status is Infeasible or Unbounded, a constraint is probably wrong: compare each with the question, and "
    "write the whole program again. If all are right, end with \\boxed{{infeasible}} or \\boxed{{unbounded}}.\n"
)
"""The steps of the instruct prompts."""

_RUN: dict[Notation, str] = {
    "inline": "Write one whole program in a block that opens with ```python and closes with ```. It runs at once, and "
    "what it prints comes back in a block that opens with ```output. Never write an ```output block yourself.",
    "tool_call": "Call the tool run_python with one whole program. What it prints comes back as the tool's response.",
    "chat": "Call the tool run_python with one whole program. It runs at once, and what it prints comes back.",
}

LIBRARY = (
    "Use the library PuLP (`import pulp`). `pulp.LpProblem` takes a name and a sense, and nothing else. Add the "
    "objective with `problem += expression`, then each constraint with `problem += left <= right`."
)

RULES = (
    "Rules for the model:\n"
    "- Use the numbers and the limits of the question only. Do not invent limits.\n"
    '- What is counted (trips, people, machines) is a whole number: cat="Integer". What is measured (kilograms, '
    "litres, hours) is continuous.\n"
    '- "At most 30% of all are x" is x <= 0.3 * (x + y). "At least" is >=, "at most" is <=.\n'
    '- Programs take <= and >= only. For whole numbers, "x is more than y" is x >= y + 1.\n'
)
"""What small models get wrong in models."""


def worked_example(notation: Notation) -> str:
    """Return the worked example as text."""
    return f"An example.\n\nQuestion: {QUESTION}\n\n{MODEL}\n{_shown(notation)}{ANSWER}"


def system_prompt(notation: Notation, *, thinking: bool) -> str:
    """Return the system prompt for a model that does not know the protocol."""
    if thinking:
        how = {"inline": _INLINE, "tool_call": _TOOL_CALL, "chat": _CHAT}[notation]
        return _THINKING.format(how=how, names=", ".join(SOLVER_MODULES))
    steps = STEPS.format(run=_RUN[notation])
    return f"{steps}\n{LIBRARY}\n\n{RULES}\n{worked_example(notation)}"


def _shown(notation: Notation) -> str:
    """Return the example's program and output."""
    if notation == "inline":
        return f"```python\n{PROGRAM}```\n```output\n{OUTPUT}```\n"
    call = json.dumps({"name": "run_python", "arguments": {"code": PROGRAM}})
    if notation == "tool_call":
        return f"<tool_call>\n{call}\n</tool_call>\n<tool_response>\n{OUTPUT}</tool_response>\n"
    # Endpoints have their own notation of calls, which a text would contradict.
    return f"The program for run_python:\n\n{PROGRAM}\nIts output:\n\n{OUTPUT}\n"


INLINE_PROMPT = system_prompt("inline", thinking=True)
"""For `env.protocol.Inline` and a thinking model."""
TOOL_CALL_PROMPT = system_prompt("tool_call", thinking=True)
"""For `env.protocol.ToolCall` and a thinking model."""
CHAT_PROMPT = system_prompt("chat", thinking=True)
"""For chat endpoints, whose API has a field for tools."""
