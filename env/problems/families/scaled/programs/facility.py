import json

import highspy
import pandas as pd

GAP = 1e-4

depots = pd.read_csv("depot_candidates.csv").set_index("depot_id")
demand = pd.read_csv("customers.csv").set_index("customer_id")["demand_pallets_per_month"]
lanes = pd.read_csv("lanes.csv")
try:
    parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]
except FileNotFoundError:
    parameters = {}

solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
solver.setOptionValue("mip_rel_gap", GAP)

opened = {depot: solver.addBinary(obj=rent) for depot, rent in depots["rent_eur_per_month"].items()}
shipped = {}
for depot, customer, freight in lanes[["depot_id", "customer_id", "freight_eur_per_pallet"]].itertuples(index=False):
    cost = depots.at[depot, "handling_eur_per_pallet"] + freight
    shipped[depot, customer] = solver.addVariable(lb=0, ub=demand[customer], obj=cost)

by_depot = {depot: [] for depot in depots.index}
by_customer = {customer: [] for customer in demand.index}
for (depot, customer), pallets in shipped.items():
    by_depot[depot].append(pallets)
    by_customer[customer].append(pallets)
    # One constraint for each lane: stronger than the capacities alone.
    solver.addConstr(pallets <= float(demand[customer]) * opened[depot])
for depot, capacity in depots["capacity_pallets_per_month"].items():
    if by_depot[depot]:
        solver.addConstr(solver.qsum(by_depot[depot]) <= float(capacity) * opened[depot])
for customer, pallets in demand.items():
    solver.addConstr(solver.qsum(by_customer[customer]) == float(pallets))
if "max_open_depots" in parameters:
    solver.addConstr(solver.qsum(opened.values()) <= float(parameters["max_open_depots"]))

solver.run()
status = solver.getModelStatus()
value = solver.getSolution().col_value
print("status:", solver.modelStatusToString(status))
if status == highspy.HighsModelStatus.kOptimal:
    open_depots = [depot for depot, one in opened.items() if value[one.index] > 0.5]
    deliveries = [
        {"depot_id": depot, "customer_id": customer, "pallets": value[pallets.index]}
        for (depot, customer), pallets in shipped.items()
        if value[opened[depot].index] > 0.5 and value[pallets.index] > 1e-9
    ]
    with open("plan.json", "w") as file:
        json.dump({"open_depots": open_depots, "deliveries": deliveries}, file)
    print("objective:", solver.getInfo().objective_function_value)
