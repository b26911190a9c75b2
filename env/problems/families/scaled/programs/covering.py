import json

import pandas as pd
import pulp

GAP = 1e-4

sites = pd.read_csv("station_sites.csv")
districts = pd.read_csv("districts.csv")
times = pd.read_csv("drive_times.csv")
try:
    parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]
except FileNotFoundError:
    parameters = {}

# The pairs of station and district within the district's time.
times = times.merge(districts[["district_id", "max_drive_min"]], on="district_id")
in_time = times[times["drive_min"] <= times["max_drive_min"]].groupby("district_id")["station_id"].apply(list)

model = pulp.LpProblem("stations", pulp.LpMinimize)
opened = {station: pulp.LpVariable(f"open_{i}", cat="Binary") for i, station in enumerate(sites["station_id"])}
model += pulp.lpSum(cost * opened[station] for station, cost in zip(sites["station_id"], sites["cost_eur_per_year"]))
for district, needed in zip(districts["district_id"], districts["stations_needed"]):
    model += pulp.lpSum(opened[station] for station in in_time.get(district, [])) >= needed
if "must_open" in sites:
    for station in sites.loc[sites["must_open"] == "yes", "station_id"]:
        model += opened[station] == 1
if "max_open_stations" in parameters:
    model += pulp.lpSum(opened.values()) <= parameters["max_open_stations"]

model.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=GAP))
print("status:", pulp.LpStatus[model.status])
if model.status == pulp.LpStatusOptimal:
    with open("plan.json", "w") as file:
        json.dump({"open_stations": [station for station, one in opened.items() if one.value() > 0.5]}, file)
    print("objective:", pulp.value(model.objective))
