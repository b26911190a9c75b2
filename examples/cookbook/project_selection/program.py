import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp

# Some numbers have thousands separators.
projects = pd.read_csv("projects.csv", thousands=",").set_index("project")
budget = pd.read_csv("budget.csv").set_index("resource")["limit"]
names = list(projects.index)

rows, least, most = [], [], []
for resource, limit in budget.items():
    rows.append(projects[resource].to_numpy(float))
    least.append(-np.inf)
    most.append(limit)
for name, other in projects["requires"].dropna().items():
    row = np.zeros(len(names))
    row[names.index(name)], row[names.index(other)] = 1, -1
    rows.append(row)
    least.append(-np.inf)
    most.append(0)
for name, other in projects["excludes"].dropna().items():
    if names.index(other) < names.index(name):
        continue  # The pair is in the file twice.
    row = np.zeros(len(names))
    row[[names.index(name), names.index(other)]] = 1
    rows.append(row)
    least.append(-np.inf)
    most.append(1)
# SciPy minimizes.
result = milp(
    -projects["value_keur"].to_numpy(float),
    constraints=LinearConstraint(np.array(rows), least, most),
    integrality=np.ones(len(names)),
    bounds=Bounds(0, 1),
)

print("status:", result.message)
chosen = [name for name, x in zip(names, result.x, strict=True) if x > 0.5]
for name in chosen:
    print(f"do: {name}, value {projects.value_keur[name]} kEUR")
for resource, limit in budget.items():
    print(f"{resource}: {projects.loc[chosen, resource].sum():g} of {limit}")
print("objective:", round(-result.fun, 2))
