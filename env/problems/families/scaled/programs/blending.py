import json

import pandas as pd
import pulp

scraps = pd.read_csv("scrap_stock.csv").set_index("scrap_id")
ordered = pd.read_csv("alloys.csv").set_index("alloy_id")["ordered_t"]
# Optional columns may be missing.
permitted = pd.read_csv("permitted_scrap.csv").reindex(columns=["alloy_id", "scrap_id", "max_share_pct"])
specifications = pd.read_csv("specifications.csv").reindex(columns=["alloy_id", "element", "min_pct", "max_pct"])
# A row for each scrap and a column for each element; what is not listed is not in the scrap.
content = pd.read_csv("analyses.csv").pivot(index="scrap_id", columns="element", values="content_pct")
content = content.reindex(scraps.index).fillna(0.0)
# An element that no scrap contains can still have a limit.
content = content.reindex(columns=content.columns.union(specifications["element"].unique()), fill_value=0.0)

model = pulp.LpProblem("melts", pulp.LpMinimize)
tons = {
    (alloy, scrap): pulp.LpVariable(f"x{i}", lowBound=0)
    for i, (alloy, scrap) in enumerate(zip(permitted["alloy_id"], permitted["scrap_id"]))
}
model += pulp.lpSum(float(scraps.at[scrap, "price_eur_per_t"]) * x for (_, scrap), x in tons.items())

in_alloy = {alloy: {} for alloy in ordered.index}
of_scrap = {scrap: [] for scrap in scraps.index}
for (alloy, scrap), x in tons.items():
    in_alloy[alloy][scrap] = x
    of_scrap[scrap].append(x)
for scrap, stock in scraps["stock_t"].items():
    model += pulp.lpSum(of_scrap[scrap]) <= stock
if "min_use_t" in scraps:
    for scrap, least in scraps["min_use_t"].dropna().items():
        model += pulp.lpSum(of_scrap[scrap]) >= least
for alloy, total in ordered.items():
    model += pulp.lpSum(in_alloy[alloy].values()) == total
for alloy, scrap, share in permitted.dropna(subset=["max_share_pct"]).itertuples(index=False):
    model += tons[alloy, scrap] <= share / 100 * float(ordered[alloy])
for line in specifications.itertuples(index=False):
    # The tons of the element, times 100.
    element = pulp.lpSum(float(content.at[scrap, line.element]) * x for scrap, x in in_alloy[line.alloy_id].items())
    if pd.notna(line.min_pct):
        model += element >= line.min_pct * float(ordered[line.alloy_id])
    if pd.notna(line.max_pct):
        model += element <= line.max_pct * float(ordered[line.alloy_id])

model.solve(pulp.PULP_CBC_CMD(msg=False))
print("status:", pulp.LpStatus[model.status])
if model.status == pulp.LpStatusOptimal:
    melts = [
        {"alloy_id": alloy, "scrap_id": scrap, "tons": x.value()}
        for (alloy, scrap), x in tons.items()
        if x.value() > 1e-9
    ]
    with open("plan.json", "w") as file:
        json.dump({"melts": melts}, file)
    print("objective:", pulp.value(model.objective))
