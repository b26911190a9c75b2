import json

import highspy
import pandas as pd

GAP = 1e-4

items = pd.read_csv("items.csv")
capacity = pd.read_csv("capacity.csv")
weeks = range(1, capacity["week"].max() + 1)
demand = pd.read_csv("demand.csv").pivot(index="item_id", columns="week", values="demand_units")
demand = demand.reindex(index=items["item_id"], columns=weeks).fillna(0.0)
try:
    parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]
except FileNotFoundError:
    parameters = {}

solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
solver.setOptionValue("mip_rel_gap", GAP)

made, hours, stocks = {}, {}, {week: [] for week in weeks}
for item in items.itertuples(index=False):
    need = {week: float(demand.at[item.item_id, week]) for week in weeks}
    setup = {week: solver.addBinary(obj=item.setup_cost_eur) for week in weeks}
    # The stock before the first week is given.
    stock = {0: solver.addVariable(lb=item.opening_stock_units, ub=item.opening_stock_units)}
    for week in weeks:
        made[item.item_id, week] = units = solver.addVariable(lb=0)
        stock[week] = solver.addVariable(lb=0, obj=item.holding_cost_eur_per_unit_and_week)
        stocks[week].append(stock[week])
        solver.addConstr(stock[week - 1] + units - stock[week] == need[week])
        solver.addConstr(units <= sum(need[later] for later in weeks if later >= week) * setup[week])
        load = item.hours_per_unit * units + item.setup_hours * setup[week]
        hours.setdefault((item.work_center, week), []).append(load)
    # Valid inequalities: without a setup from week to last, the stock before covers the demand of these weeks.
    for week in weeks:
        for last in range(week, min(week + 6, len(weeks) + 1)):
            covered = solver.qsum(
                need[later] * (1 - solver.qsum(setup[one] for one in range(week, later + 1)))
                for later in range(week, last + 1)
            )
            solver.addConstr(stock[week - 1] >= covered)
for center, week, available in capacity[["work_center", "week", "available_hours"]].itertuples(index=False):
    if (center, week) in hours:
        solver.addConstr(solver.qsum(hours[center, week]) <= available)
if "max_total_stock_units" in parameters:
    for week in weeks:
        solver.addConstr(solver.qsum(stocks[week]) <= float(parameters["max_total_stock_units"]))

solver.run()
status = solver.getModelStatus()
value = solver.getSolution().col_value
print("status:", solver.modelStatusToString(status))
if status == highspy.HighsModelStatus.kOptimal:
    production = [
        {"item_id": item, "week": week, "units": value[units.index]}
        for (item, week), units in made.items()
        if value[units.index] > 1e-6
    ]
    with open("plan.json", "w") as file:
        json.dump({"production": production}, file)
    print("objective:", solver.getInfo().objective_function_value)
