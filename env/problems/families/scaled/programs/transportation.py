import json

import pandas as pd
import pulp

plants = pd.read_csv("plants.csv")
customers = pd.read_csv("customers.csv")
lanes = pd.read_csv("lanes.csv")
parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]

# Cost of a ton on each lane: production at the plant, and freight.
lanes = lanes.merge(plants[["plant_id", "production_cost_eur_per_t"]], on="plant_id")
lanes["cost"] = lanes["production_cost_eur_per_t"] + parameters["freight_rate_eur_per_t_km"] * lanes["distance_km"]

model = pulp.LpProblem("deliveries", pulp.LpMinimize)
tons = [pulp.LpVariable(f"x{i}", lowBound=0) for i in lanes.index]
model += pulp.lpSum(cost * x for cost, x in zip(lanes["cost"], tons))

by_plant = lanes.groupby("plant_id").groups
for plant, capacity in zip(plants["plant_id"], plants["capacity_t_per_week"]):
    model += pulp.lpSum(tons[i] for i in by_plant.get(plant, [])) <= capacity
if "min_t_per_week" in plants:
    for plant, least in plants.set_index("plant_id")["min_t_per_week"].dropna().items():
        model += pulp.lpSum(tons[i] for i in by_plant.get(plant, [])) >= least
by_customer = lanes.groupby("customer_id").groups
for customer, demand in zip(customers["customer_id"], customers["demand_t_per_week"]):
    model += pulp.lpSum(tons[i] for i in by_customer.get(customer, [])) >= demand
if "max_t_per_week" in lanes:
    for i, limit in lanes["max_t_per_week"].dropna().items():
        model += tons[i] <= limit

model.solve(pulp.PULP_CBC_CMD(msg=False))
print("status:", pulp.LpStatus[model.status])
if model.status == pulp.LpStatusOptimal:
    deliveries = [
        {"plant_id": plant, "customer_id": customer, "tons": x.value()}
        for plant, customer, x in zip(lanes["plant_id"], lanes["customer_id"], tons)
        if x.value() > 1e-9
    ]
    with open("plan.json", "w") as file:
        json.dump({"deliveries": deliveries}, file)
    print("objective:", pulp.value(model.objective))
