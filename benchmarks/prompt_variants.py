"""The prompts that `benchmarks.prompts` compares: each changes one thing of another one."""

from dataclasses import dataclass, replace

from storm_calm.env.reasoner import Message
from storm_calm.env.system_prompt import INLINE_PROMPT, SOLVER_MODULES


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
    question: str = "{question}"
    """The user's message."""
    help: bool = True
    """Whether observations have the sandbox's help on errors."""
    executions: int = 4
    temperature: float = 0.6
    protocol: str = "inline"


LONG = f"Solver libraries that can be imported: {', '.join(SOLVER_MODULES)}."
SHORT = "Use the library PuLP (`import pulp`)."

STEPS = """You solve optimization problems with Python programs.

1. List the variables, the objective and the constraints, one short line each.
2. Write one whole program in a block that opens with ```python and closes with ```. It runs at once, and what it prints comes back in a block that opens with ```output. Never write an ```output block yourself, and never calculate the solution by hand.
3. If the output is an error, write the whole program again without the error.
4. If the status is optimal, end with the objective value in \\boxed{}. If there is no solution, end with \\boxed{infeasible} or \\boxed{unbounded}.

"""

REMINDERS = """
Rules for the model:
- Use the numbers and the limits of the question only. Do not invent limits.
- What is counted (trips, people, machines) is a whole number: cat="Integer". What is measured (kilograms, litres, hours) is continuous.
- "At most 30% of all are x" is x <= 0.3 * (x + y). "At least" is >=, "at most" is <=.
- Programs take <= and >= only. For whole numbers, "x is more than y" is x >= y + 1.
"""

QUESTION = (
    "An island needs at least 95 MWh of electricity tonight. Each diesel generator that is started costs $90 and gives "
    "exactly 14 MWh. A cable from the mainland gives up to 60 MWh at $11 per MWh. At most half of the electricity may "
    "come from generators. What is the lowest cost?"
)
MODEL = """Variables:
- generators: number of generators started, a whole number >= 0
- cable: MWh from the cable, continuous, 0 to 60

Objective: minimize 90 * generators + 11 * cable

Constraints:
- demand: 14 * generators + cable >= 95
- share of the generators: 14 * generators <= 0.5 * (14 * generators + cable)

"""
PULP = """```python
import pulp

problem = pulp.LpProblem("electricity", pulp.LpMinimize)
generators = pulp.LpVariable("generators", lowBound=0, cat="Integer")
cable = pulp.LpVariable("cable", lowBound=0, upBound=60)

problem += 90 * generators + 11 * cable
problem += 14 * generators + cable >= 95
problem += 14 * generators <= 0.5 * (14 * generators + cable)

problem.solve(pulp.PULP_CBC_CMD(msg=False))
print("Status:", pulp.LpStatus[problem.status])
print("Objective:", pulp.value(problem.objective))
print("generators =", generators.value(), "cable =", cable.value())
```
```output
Status: Optimal
Objective: 853.0
generators = 3.0 cable = 53.0
```
"""
PYWRAPLP = """```python
from ortools.linear_solver import pywraplp

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
```
```output
Status: Optimal
Objective: 853.0
generators = 3.0 cable = 53.0
```
"""
END = "The status is optimal, so the lowest cost is \\boxed{853}."

QUESTION_2 = (
    "Three ponds get trout. A trout in pond A, B and C grows by 0.9, 1.4 and 1.1 kg a year, and eats 6, 10 and 7 kg of "
    "feed. There are 2600 kg of feed. Pond A takes 150 trout, pond B 120 and pond C 200. Pond C must get more trout "
    "than pond B. How many trout should each pond get so that the growth is largest?"
)
ANSWER_2 = """Variables:
- trout[p]: number of trout in pond p, whole numbers, 0 to the pond's places

Objective: maximize the sum of growth[p] * trout[p]

Constraints:
- feed: sum of feed[p] * trout[p] <= 2600
- more trout in C than in B: trout["C"] >= trout["B"] + 1

```python
import pulp

ponds = ["A", "B", "C"]
growth = {"A": 0.9, "B": 1.4, "C": 1.1}
feed = {"A": 6, "B": 10, "C": 7}
places = {"A": 150, "B": 120, "C": 200}

problem = pulp.LpProblem("trout", pulp.LpMaximize)
trout = {p: pulp.LpVariable(f"trout_{p}", lowBound=0, upBound=places[p], cat="Integer") for p in ponds}

problem += pulp.lpSum(growth[p] * trout[p] for p in ponds)
problem += pulp.lpSum(feed[p] * trout[p] for p in ponds) <= 2600
problem += trout["C"] >= trout["B"] + 1

problem.solve(pulp.PULP_CBC_CMD(msg=False))
print("Status:", pulp.LpStatus[problem.status])
print("Objective:", pulp.value(problem.objective))
print({p: trout[p].value() for p in ponds})
```
```output
Status: Optimal
Objective: 397.0
{'A': 150.0, 'B': 30.0, 'C': 200.0}
```
The status is optimal, so the largest growth is \\boxed{397} kg."""


def turns(question: str, answer: str) -> tuple[Message, ...]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}


def text(question: str, answer: str) -> str:
    return f"\nAn example.\n\nQuestion: {question}\n\n{answer}\n"


EXAMPLE = MODEL + PULP + END

_PRESENT = Variant(name="present", instructions=INLINE_PROMPT, thinking=True)
_INSTRUCT = replace(_PRESENT, name="instruct", thinking=False)
_STEPS = Variant(name="steps", instructions=STEPS + LONG)
_TURN = replace(_STEPS, name="example_turn", turns=turns(QUESTION, EXAMPLE))
_TEXT = replace(_STEPS, name="example_text", instructions=STEPS + LONG + "\n" + text(QUESTION, EXAMPLE))
_SHORT = replace(_TURN, name="short_list", instructions=STEPS + SHORT)
_FULL = replace(_TURN, name="full", instructions=STEPS + SHORT + "\n" + REMINDERS)
_FULL_TEXT = replace(_STEPS, name="full_text", instructions=STEPS + SHORT + "\n" + REMINDERS + text(QUESTION, EXAMPLE))

_ALL = (
    _PRESENT,
    _INSTRUCT,
    _STEPS,
    _TURN,
    _TEXT,
    _SHORT,
    _FULL,
    _FULL_TEXT,
    replace(_FULL, name="full_thinking", thinking=True),
    replace(_FULL, name="full_no_help", help=False),
    replace(_FULL, name="full_one_run", executions=1),
    replace(_FULL, name="full_greedy", temperature=0.0),
    replace(_FULL, name="full_cool", temperature=0.3),
    replace(
        _FULL,
        name="full_pywraplp",
        turns=turns(QUESTION, MODEL + PYWRAPLP + END),
        instructions=STEPS + LONG + "\n" + REMINDERS,
    ),
)
VARIANTS = {variant.name: variant for variant in _ALL}
