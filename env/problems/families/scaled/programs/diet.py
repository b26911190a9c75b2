import json

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

foods = pd.read_csv("foods.csv").set_index("food")
least = pd.read_csv("nutrients.csv").set_index("nutrient")["min_per_person_day"]
composition = pd.read_csv("food_composition.csv").pivot(index="food", columns="nutrient", values="content_per_100g")
composition = composition.reindex(index=foods.index, columns=least.index).fillna(0.0)
sites = pd.read_csv("sites.csv")
offers = pd.read_csv("offers.csv").reset_index(names="offer")
freight = pd.read_csv("freight.csv")
parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]

# A variable for each site and offer: tons.
tons = sites.merge(offers, how="cross").merge(freight, on=["supplier_id", "site_id"])
cost = tons["price_eur_per_t"] + tons["freight_eur_per_t"]
# Grams for each person and day in a ton.
grams = 1_000_000 / (tons["people"] * parameters["days_in_plan"])

rows, limits = [], []
for _, group in tons.groupby("offer"):
    rows.append((group.index, np.ones(len(group))))
    limits.append(group["available_t"].iloc[0])
for _, group in tons.groupby("site_id"):
    for nutrient, need in least.items():
        content = grams[group.index] / 100 * group["food"].map(composition[nutrient])
        rows.append((group.index, -content))
        limits.append(-need)
if "max_g_per_person_day" in foods:
    most = foods["max_g_per_person_day"].dropna()
    for (_, food), group in tons.groupby(["site_id", "food"]):
        if food in most.index:
            rows.append((group.index, grams[group.index]))
            limits.append(most[food])

values = np.concatenate([coefficients for _, coefficients in rows])
columns = np.concatenate([index for index, _ in rows])
numbers = np.repeat(np.arange(len(rows)), [len(index) for index, _ in rows])
matrix = coo_matrix((values, (numbers, columns)), shape=(len(rows), len(tons)))
result = linprog(cost, A_ub=matrix.tocsr(), b_ub=limits, bounds=(0, None), method="highs")

print("status:", result.message)
if result.status == 0:
    tons["tons"] = result.x
    bought = tons.loc[tons["tons"] > 1e-9, ["site_id", "supplier_id", "food", "tons"]]
    with open("plan.json", "w") as file:
        json.dump({"purchases": bought.to_dict("records")}, file)
    print("objective:", result.fun)
