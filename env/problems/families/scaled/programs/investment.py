import json

import pandas as pd
from ortools.linear_solver import pywraplp

GAP = 1e-4

bonds = pd.read_csv("bonds.csv").merge(pd.read_csv("issuers.csv"), on="issuer_id")
sectors = pd.read_csv("sector_limits.csv").set_index("sector")
parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"].astype(float)

# Cost and yearly coupon of a lot.
bonds["cost"] = bonds["lot_nominal_eur"] * bonds["price_percent_of_nominal"] / 100
bonds["income"] = bonds["lot_nominal_eur"] * bonds["coupon_percent"] / 100

solver = pywraplp.Solver.CreateSolver("SCIP")
lots = [solver.IntVar(0, most, bond) for bond, most in zip(bonds["bond_id"], bonds["lots_offered"].tolist())]
solver.Maximize(sum(income * x for income, x in zip(bonds["income"].tolist(), lots)))


def spent(some):
    return sum(cost * lots[i] for i, cost in some["cost"].items())


solver.Add(spent(bonds) <= parameters["budget_eur"])
for _, own in bonds.groupby("issuer_id"):
    solver.Add(spent(own) <= parameters["max_eur_per_issuer"])
for sector, own in bonds.groupby("sector"):
    solver.Add(spent(own) <= float(sectors.at[sector, "max_eur"]))
if "min_eur" in sectors:
    for sector, least in sectors["min_eur"].dropna().items():
        solver.Add(spent(bonds[bonds["sector"] == sector]) >= least)
if "max_average_duration_years" in parameters:
    # The average weighted with costs is at most the limit.
    excess = bonds["cost"] * (bonds["duration_years"] - parameters["max_average_duration_years"])
    solver.Add(sum(years * lots[i] for i, years in excess.items()) <= 0)

options = pywraplp.MPSolverParameters()
options.SetDoubleParam(pywraplp.MPSolverParameters.RELATIVE_MIP_GAP, GAP)
status = solver.Solve(options)
print("status:", {solver.OPTIMAL: "optimal", solver.INFEASIBLE: "infeasible"}.get(status, status))
if status == solver.OPTIMAL:
    purchases = [
        {"bond_id": bond, "lots": round(x.solution_value())}
        for bond, x in zip(bonds["bond_id"], lots)
        if x.solution_value() > 0.5
    ]
    with open("plan.json", "w") as file:
        json.dump({"purchases": purchases}, file)
    print("objective:", round(solver.Objective().Value(), 2))
