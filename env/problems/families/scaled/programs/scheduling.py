import json

import highspy
import pandas as pd

GAP = 1e-4

machines = pd.read_csv("machines.csv").set_index("machine_id")["busy_until_min"]
ordered = pd.read_csv("orders.csv").set_index("order_id")["ordered_pieces"]
routings = pd.read_csv("routings.csv")
try:
    parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]
except FileNotFoundError:
    parameters = {}

solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
solver.setOptionValue("mip_rel_gap", GAP)

end = solver.addVariable(lb=0, ub=float(parameters.get("max_end_min", highspy.kHighsInf)), obj=1)
pieces, cost = {}, []
by_order = {order: [] for order in ordered.index}
by_machine = {machine: [] for machine in machines.index}
for order, machine, minutes, price in routings.itertuples(index=False):
    number = solver.addIntegral(lb=0, ub=float(ordered[order]))
    pieces[order, machine] = number
    by_order[order].append(number)
    by_machine[machine].append(minutes * number)
    cost.append(price * number)
for order, number in ordered.items():
    solver.addConstr(solver.qsum(by_order[order]) >= float(number))
for machine, busy in machines.items():
    solver.addConstr(float(busy) + solver.qsum(by_machine[machine]) <= end)
if "max_total_cost_eur" in parameters:
    solver.addConstr(solver.qsum(cost) <= float(parameters["max_total_cost_eur"]))

solver.run()
status = solver.getModelStatus()
value = solver.getSolution().col_value
print("status:", solver.modelStatusToString(status))
if status == highspy.HighsModelStatus.kOptimal:
    production = [
        {"order_id": order, "machine_id": machine, "pieces": round(value[number.index])}
        for (order, machine), number in pieces.items()
        if value[number.index] > 0.5
    ]
    with open("plan.json", "w") as file:
        json.dump({"production": production}, file)
    print("objective:", solver.getInfo().objective_function_value)
