import highspy
import pandas as pd

plants = pd.read_csv("plants.csv").set_index("plant")
customers = pd.read_csv("customers.csv").set_index("customer")
rates = pd.read_csv("rates.csv").dropna(subset=["eur_per_t"])
demand = customers["demand_t_per_week"].dropna()
cost = {(row.plant, row.customer): row.eur_per_t for row in rates.itertuples() if row.customer in demand.index}

model = highspy.Highs()
model.silent()
ship = {lane: model.addVariable(lb=0, obj=eur, name=f"ship[{lane[0]},{lane[1]}]") for lane, eur in cost.items()}
for plant, limit in plants["capacity_t_per_week"].items():
    sent = sum(ship[lane] for lane in ship if lane[0] == plant)
    model.addConstr(sent <= limit, name=f"capacity[{plant}]")
for customer, tonnes in demand.items():
    received = sum(ship[lane] for lane in ship if lane[1] == customer)
    model.addConstr(received == tonnes, name=f"order[{customer}]")
model.minimize()

print("status:", model.modelStatusToString(model.getModelStatus()))
for (plant, customer), variable in ship.items():
    if model.val(variable) > 1e-6:
        print(f"{plant} -> {customer}: {model.val(variable):g} t")
print("objective:", round(model.getObjectiveValue(), 2))
