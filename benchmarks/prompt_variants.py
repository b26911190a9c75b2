"""The prompts that `benchmarks.prompts` compares: each changes one thing of another one.

The variant "default" is the instruct prompt of `env.system_prompt`.
"""

from dataclasses import dataclass, replace

from storm_calm.env.reasoner import Message
from storm_calm.env.system_prompt import LIBRARY, RULES, SOLVER_MODULES, STEPS, system_prompt, worked_example
from storm_calm.env.worked_example import ANSWER, MODEL, OUTPUT, PROGRAM, QUESTION


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A prompt, and how its model is run."""

    name: str
    instructions: str
    """The system prompt."""
    thinking: bool = False
    """Whether the model's turn starts with an opened `<think>`."""
    turns: tuple[Message, ...] = ()
    """Earlier turns, between the instructions and the question."""
    help: bool = True
    """Whether observations have the sandbox's help on errors."""
    executions: int = 4
    temperature: float = 0.6
    protocol: str = "inline"


PYWRAPLP = """from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("SCIP")
generators = solver.IntVar(0, solver.infinity(), "generators")
cable = solver.NumVar(0, 60, "cable")

solver.Add(14 * generators + cable >= 95)
solver.Add(14 * generators <= 0.5 * (14 * generators + cable))
solver.Minimize(90 * generators + 11 * cable)

status = solver.Solve()
print("Status:", "Optimal" if status == pywraplp.Solver.OPTIMAL else status)
print("Objective:", solver.Objective().Value())
print("generators =", generators.solution_value(), "cable =", cable.solution_value())
"""

_STEPS = STEPS.format(
    run="Write one whole program in a block that opens with ```python and closes with ```. It runs at once, and what "
    "it prints comes back in a block that opens with ```output. Never write an ```output block yourself."
)
_LONG_LIST = f"Solver libraries that can be imported: {', '.join(SOLVER_MODULES)}."


def _prompt(*, library: str = LIBRARY, rules: str = RULES, example: str = "") -> str:
    return "\n".join(filter(None, (_STEPS, f"{library}\n", rules, example)))


def _turns(program: str) -> tuple[Message, ...]:
    answer = f"{MODEL}\n```python\n{program}```\n```output\n{OUTPUT}```\n{ANSWER}"
    return {"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}


_TEXT = worked_example("inline")
_FORM = "\nAnswer in the form of the example.\n"
_BRIEF_STEPS = "".join(line for line in _STEPS.splitlines(keepends=True) if not line.startswith("5. ")).replace(
    " It holds one number: the objective value as the program printed it, not rounded.", ""
)
assert len(_BRIEF_STEPS) < len(_STEPS) - 200
_VALUE = "What is the lowest cost?"
_VALUE_EXAMPLE = _TEXT.replace(
    "How many generators and how much of the cable should be used to minimize the cost?", _VALUE
).replace(ANSWER, "The status is Optimal, so the lowest cost is \\boxed{853}.")
assert _VALUE in _VALUE_EXAMPLE
_THINKING = system_prompt("inline", thinking=True)
_DEFAULT = Variant(name="default", instructions=system_prompt("inline", thinking=False))

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(name="present", instructions=_THINKING, thinking=True),
        Variant(name="no_think", instructions=_THINKING),
        _DEFAULT,
        replace(_DEFAULT, name="default_think", thinking=True),
        Variant(name="steps", instructions=_prompt(library=_LONG_LIST, rules="")),
        Variant(name="no_example", instructions=_prompt()),
        Variant(name="no_rules", instructions=_prompt(rules="", example=_TEXT)),
        Variant(name="long_list", instructions=_prompt(library=_LONG_LIST, example=_TEXT)),
        Variant(name="example_turn", instructions=_prompt(), turns=_turns(PROGRAM)),
        Variant(name="brief_end", instructions=f"{_BRIEF_STEPS}\n{LIBRARY}\n\n{RULES}\n{_TEXT}"),
        Variant(name="asks_value", instructions=_prompt(example=_VALUE_EXAMPLE)),
        Variant(name="same_form", instructions=_prompt(example=f"{_TEXT}\n{_FORM}")),
        Variant(
            name="pywraplp",
            instructions=_prompt(
                library="Use the library OR-Tools (`from ortools.linear_solver import pywraplp`).",
                rules=RULES.replace('cat="Integer"', "IntVar"),
                example=_TEXT.replace(PROGRAM, PYWRAPLP),
            ),
        ),
        replace(_DEFAULT, name="no_help", help=False),
        replace(_DEFAULT, name="one_run", executions=1),
        replace(_DEFAULT, name="greedy", temperature=0.0),
        replace(_DEFAULT, name="cool", temperature=0.3),
    )
}
