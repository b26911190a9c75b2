import json
from pathlib import Path

import pandas as pd
from ortools.linear_solver import pywraplp

GAP = 1e-4

departures = pd.read_csv("departures.csv")
requests = pd.read_csv("booking_requests.csv")
parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]

solver = pywraplp.Solver.CreateSolver("SCIP")
accept = [solver.BoolVar(request) for request in requests["request_id"]]
solver.Maximize(sum(revenue * x for revenue, x in zip(requests["revenue_eur"].tolist(), accept)))

for departure, max_weight, max_volume in departures[["departure_id", "max_weight_t", "max_volume_m3"]].itertuples(
    index=False
):
    loads = requests[requests["departure_id"] == departure]
    solver.Add(sum(weight * accept[i] for i, weight in loads["weight_t"].items()) <= max_weight)
    solver.Add(sum(volume * accept[i] for i, volume in loads["volume_m3"].items()) <= max_volume)
plugs = sum(number * accept[i] for i, number in requests["reefer_plugs"].items() if number)
solver.Add(plugs <= float(parameters["max_reefer_plugs"]))
if Path("exclusions.csv").exists():
    position = {request: i for i, request in enumerate(requests["request_id"])}
    for first, second in pd.read_csv("exclusions.csv").itertuples(index=False):
        solver.Add(accept[position[first]] + accept[position[second]] <= 1)

options = pywraplp.MPSolverParameters()
options.SetDoubleParam(pywraplp.MPSolverParameters.RELATIVE_MIP_GAP, GAP)
status = solver.Solve(options)
print("status:", {solver.OPTIMAL: "optimal", solver.INFEASIBLE: "infeasible"}.get(status, status))
if status == solver.OPTIMAL:
    accepted = [request for request, x in zip(requests["request_id"], accept) if x.solution_value() > 0.5]
    with open("plan.json", "w") as file:
        json.dump({"accepted": accepted}, file)
    print("objective:", round(solver.Objective().Value(), 6))
