import json

import highspy
import pandas as pd

GAP = 1e-4

technicians = pd.read_csv("technicians.csv").set_index("technician_id")
certificates = pd.read_csv("certificates.csv")[["technician_id", "skill"]]
jobs = pd.read_csv("jobs.csv")
travel = pd.read_csv("travel.csv")
parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]

# A line for each job and technician who can do it, with a round trip from home.
choices = jobs.merge(travel, on="site_id").merge(certificates, on=["technician_id", "skill"])
choices["hours"] = (choices["duration_min"] + 2 * choices["drive_min"]) / 60
mileage = 2 * choices["distance_km"] * parameters["mileage_eur_per_km"]
choices["cost"] = choices["hours"] * choices["technician_id"].map(technicians["cost_eur_per_h"]) + mileage

solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
solver.setOptionValue("mip_rel_gap", GAP)

chosen = [solver.addBinary(obj=cost) for cost in choices["cost"].tolist()]
by_job = choices.groupby("job_id").groups
for job in jobs["job_id"]:
    solver.addConstr(solver.qsum(chosen[i] for i in by_job.get(job, [])) == 1)
for technician, group in choices.groupby("technician_id"):
    hours = solver.qsum(time * chosen[i] for i, time in group["hours"].items())
    solver.addConstr(hours <= float(technicians.at[technician, "available_h"]))
if "max_jobs_per_technician" in parameters:
    for group in choices.groupby("technician_id").groups.values():
        solver.addConstr(solver.qsum(chosen[i] for i in group) <= float(parameters["max_jobs_per_technician"]))

solver.run()
status = solver.getModelStatus()
value = solver.getSolution().col_value
print("status:", solver.modelStatusToString(status))
if status == highspy.HighsModelStatus.kOptimal:
    done = choices[[value[x.index] > 0.5 for x in chosen]]
    with open("plan.json", "w") as file:
        json.dump({"assignments": done[["job_id", "technician_id"]].to_dict("records")}, file)
    print("objective:", solver.getInfo().objective_function_value)
