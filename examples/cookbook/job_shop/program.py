from itertools import pairwise

import pandas as pd
from ortools.sat.python import cp_model

operations = pd.read_csv("operations.csv").sort_values(["job", "step"])
CLEANING = 15
horizon = int(operations["minutes"].sum() + CLEANING * len(operations))

model = cp_model.CpModel()
start, end, on_machine = {}, {}, {}
for row in operations.itertuples():
    key = f"{row.job}{row.step}"
    start[key] = model.new_int_var(0, horizon, f"start[{key}]")
    end[key] = start[key] + row.minutes
    # The next job waits for the cleaning, but the job itself is finished before it.
    blocked = row.minutes + (CLEANING if row.machine == "paint" else 0)
    interval = model.new_fixed_size_interval_var(start[key], blocked, f"{row.job} {row.machine}")
    on_machine.setdefault(row.machine, []).append(interval)
for machine, intervals in on_machine.items():
    model.add_no_overlap(intervals).with_name(machine)
finish = model.new_int_var(0, horizon, "finish")
for job, steps in operations.groupby("job"):
    keys = [f"{job}{step}" for step in steps["step"]]
    for before, after in pairwise(keys):
        model.add(start[after] >= end[before]).with_name(f"order[{before},{after}]")
    model.add(finish >= end[keys[-1]]).with_name(f"finished[{job}]")
model.minimize(finish)
solver = cp_model.CpSolver()
solver.parameters.num_workers = 1
status = solver.solve(model)

print("status:", solver.status_name(status))
for row in operations.itertuples():
    print(f"{row.job} {row.machine}: from minute {solver.value(start[f'{row.job}{row.step}'])}")
print("objective:", solver.objective_value)
