"""Programs that the tests of the MCP server send."""

FROM_CSV = """
import pandas, pulp
table = pandas.read_csv("products.csv").set_index("product")
model = pulp.LpProblem("shop", pulp.LpMaximize)
make = {p: pulp.LpVariable(f"make_{p}", 0) for p in table.index}
model += pulp.lpSum(table.profit[p] * make[p] for p in table.index)
model += pulp.lpSum(table.hours[p] * make[p] for p in table.index) <= 168, "labor"
model += pulp.lpSum(table.boards[p] * make[p] for p in table.index) <= 163, "wood"
model.solve(pulp.PULP_CBC_CMD(msg=False))
print(pulp.LpStatus[model.status], pulp.value(model.objective))
with open("plan.txt", "w") as file:
    file.write("a plan")
"""
INFEASIBLE = """
import pulp
model = pulp.LpProblem("shop", pulp.LpMaximize)
chairs, tables = pulp.LpVariable("chairs", 0), pulp.LpVariable("tables", 19)
model += 45 * chairs + 80 * tables
model += 5 * chairs + 20 * tables <= 200, "wood"
model.solve(pulp.PULP_CBC_CMD(msg=False))
print(pulp.LpStatus[model.status])
"""
CP_SAT = """
from ortools.sat.python import cp_model
model = cp_model.CpModel()
x, y = model.new_int_var(0, 9, "x"), model.new_int_var(0, 9, "y")
model.add(x + 2 * y <= 10).with_name("limit")
model.maximize(3 * x + 4 * y)
solver = cp_model.CpSolver()
print(solver.status_name(solver.solve(model)), solver.objective_value)
"""
FIRST_PLAN = """
from ortools.sat.python import cp_model
model = cp_model.CpModel()
x = [model.new_bool_var(f"x{i}") for i in range(60)]
for limit in range(5):
    model.add(sum((7 * i * i + 13 * limit * i) % 97 * x[i] for i in range(60)) <= 900)
model.maximize(sum((11 * i * i + 5) % 89 * x[i] for i in range(60)))
solver = cp_model.CpSolver()
solver.parameters.stop_after_first_solution = True
solver.parameters.num_workers = 1
solver.solve(model)
"""
SLEEP = "import time\nprint('asleep', flush=True)\ntime.sleep({seconds})\nprint('awake')"
