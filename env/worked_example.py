"""A worked example for system prompts: a question, its model in words, a program, its output and the answer.

It is a problem of this project's own making, unlike any test set's. It shows what small models get wrong: a whole
number beside a continuous one, a share of a total, and prints of the status, the objective and the variables.
`tests/env/test_worked_example.py` runs the program.
"""

QUESTION = (
    "A radio station needs at least 40 hours of programme a week. An hour of music costs $90, an hour of talk $140. "
    "There are at most 25 hours of music, and at most 60% of all hours may be music. A presenter costs $50 a week and "
    "covers up to 3 hours. What is the lowest cost of a week?"
)

MODEL = """Variables:
- music, talk: hours a week, continuous, >= 0
- presenters: a whole number >= 0

Objective: minimize 90 * music + 140 * talk + 50 * presenters

Constraints:
- programme: music + talk >= 40
- limit: music <= 25
- share of music: music <= 0.6 * (music + talk)
- presenters cover all hours: 3 * presenters >= music + talk
"""

PROGRAM = """import pulp

problem = pulp.LpProblem("radio", pulp.LpMinimize)
music = pulp.LpVariable("music", lowBound=0)
talk = pulp.LpVariable("talk", lowBound=0)
presenters = pulp.LpVariable("presenters", lowBound=0, cat="Integer")

problem += 90 * music + 140 * talk + 50 * presenters
problem += music + talk >= 40
problem += music <= 25
problem += music <= 0.6 * (music + talk)
problem += 3 * presenters >= music + talk

problem.solve(pulp.PULP_CBC_CMD(msg=False))
print("Status:", pulp.LpStatus[problem.status])
print("Objective:", pulp.value(problem.objective))
for variable in problem.variables():
    print(variable.name, "=", variable.value())
"""

OUTPUT = """Status: Optimal
Objective: 5100.0
music = 24.0
presenters = 14.0
talk = 16.0
"""

ANSWER = "The status is Optimal, so the lowest cost is \\boxed{5100}."
