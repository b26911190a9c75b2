"""System prompts of the reasoner for each protocol.

Models trained on the protocol, such as nano, get none (`PromptRenderer.instructions`).
"""

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
"""The solver modules that the prompts name: those that every sandbox has, because this project depends on them."""

_NAMES = ", ".join(SOLVER_MODULES)
_PROMPT = (
    "Solve the optimization problem. Reason step by step, and let Python do the computing: {how} Model the problem "
    "with a solver library, and print the solver's status and the optimal objective value. Solver libraries that can "
    "be imported: {names}. You have only a few runs. End with the optimal objective value in \\boxed{{}}, or with "
    "\\boxed{{infeasible}} or \\boxed{{unbounded}}."
)

INLINE_PROMPT = _PROMPT.format(
    names=_NAMES,
    how="write a program in a block that opens with ```python and closes with ```. It runs at once, on its own, "
    "and what it prints comes back in a block that opens with ```output; never write that block yourself.",
)
"""For `env.protocol.Inline`: fenced blocks in running text."""

TOOL_CALL_PROMPT = _PROMPT.format(
    names=_NAMES,
    how="call the tool run_python with a whole program; what it prints comes back as the tool's response. A call "
    'looks like this:\n<tool_call>\n{"name": "run_python", "arguments": {"code": "print(6 * 7)"}}\n</tool_call>\n',
)
"""For `env.protocol.ToolCall`: tool calls as text."""

CHAT_PROMPT = _PROMPT.format(
    names=_NAMES,
    how="call the tool run_python with a whole program. It runs at once, on its own, and what it prints comes back.",
)
"""For chat endpoints, whose API has a field for tools."""
