"""A worked example for system prompts: a question, its model in words, a program, its output and the answer.

It is a problem of this project's own making, unlike any test set's. It shows what small models get wrong: a whole
number beside a continuous one, a share of a total, prints of the status, the objective and the variables, and the
objective in the box although the question asks "how many".
`tests/env/test_worked_example.py` runs the program.
"""

QUESTION = (
    "An island needs at least 95 MWh of electricity tonight. Each diesel generator that is started costs $90 and gives "
    "exactly 14 MWh. A cable from the mainland gives up to 60 MWh at $11 per MWh. At most half of the electricity may "
    "come from generators. How many generators and how much of the cable should be used to minimize the cost?"
)

MODEL = """Variables:
- generators: number of generators started, a whole number >= 0
- cable: MWh from the cable, continuous, 0 to 60

Objective: minimize 90 * generators + 11 * cable

Constraints:
- demand: 14 * generators + cable >= 95
- share of the generators: 14 * generators <= 0.5 * (14 * generators + cable)
"""

PROGRAM = """import pulp

# Problem
problem = pulp.LpProblem("electricity", pulp.LpMinimize)

# Variables
generators = pulp.LpVariable("generators", lowBound=0, cat="Integer")
cable = pulp.LpVariable("cable", lowBound=0, upBound=60)

# Objective
problem += 90 * generators + 11 * cable

# Constraints
problem += 14 * generators + cable >= 95
problem += 14 * generators <= 0.5 * (14 * generators + cable)

# Solve the problem
problem.solve(pulp.PULP_CBC_CMD(msg=False))
print("Status:", pulp.LpStatus[problem.status])
print("Objective:", pulp.value(problem.objective))
print("generators =", generators.value(), "cable =", cable.value())
"""

OUTPUT = """Status: Optimal
Objective: 853.0
generators = 3.0 cable = 53.0
"""

ANSWER = (
    "The status is Optimal: 3 generators and 53 MWh from the cable. The answer is the objective value: \\boxed{853}."
)
