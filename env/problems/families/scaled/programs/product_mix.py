import json
from pathlib import Path

import pandas as pd
import pulp

GAP = 1e-4

products = pd.read_csv("products.csv").set_index("product_id")
centers = pd.read_csv("work_centers.csv").set_index("work_center_id")
routings = pd.read_csv("routings.csv")
materials = pd.read_csv("materials.csv").set_index("material_id")
parts = pd.read_csv("bill_of_materials.csv")

model = pulp.LpProblem("product_mix", pulp.LpMaximize)
units = {
    product: pulp.LpVariable(f"x{number}", 0, most, cat="Integer")
    for number, (product, most) in enumerate(products["max_sales_units_per_month"].items())
}

# The profit of a unit: its price minus the cost of its materials.
profit = products["price_eur_per_unit"]
cost = parts["quantity_kg_per_unit"] * parts["material_id"].map(materials["price_eur_per_kg"])
profit = profit.sub(cost.groupby(parts["product_id"]).sum(), fill_value=0.0)
model += pulp.lpSum(profit[product] * x for product, x in units.items())

for center, steps in routings.groupby("work_center_id"):
    minutes = pulp.lpSum(
        minutes * units[product] for product, minutes in zip(steps["product_id"], steps["run_time_min_per_unit"])
    )
    model += minutes <= 60 * centers.at[center, "available_h_per_month"]
for material, lines in parts.groupby("material_id"):
    kg = pulp.lpSum(kg * units[product] for product, kg in zip(lines["product_id"], lines["quantity_kg_per_unit"]))
    model += kg <= materials.at[material, "available_kg_per_month"]
if Path("confirmed_orders.csv").exists():
    ordered = pd.read_csv("confirmed_orders.csv").groupby("product_id")["quantity_units"].sum()
    for product, least in ordered.items():
        model += units[product] >= least

model.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=GAP))
print("status:", pulp.LpStatus[model.status])
if model.status == pulp.LpStatusOptimal:
    production = [{"product_id": product, "units": round(x.value())} for product, x in units.items() if x.value() > 0.5]
    with open("plan.json", "w") as file:
        json.dump({"production": production}, file)
    print("objective:", pulp.value(model.objective))
