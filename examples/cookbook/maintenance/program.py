import pandas as pd
import pyomo.environ as pyo

machines = pd.read_csv("machines.csv").set_index("machine")
weeks = pd.read_csv("weeks.csv").set_index("week")
latest = machines["latest_week"].fillna(weeks.index.max()).astype(int)
slots = [(m, w) for m in machines.index for w in weeks.index if machines.earliest_week[m] <= w <= latest[m]]
loss = {(m, w): float(machines.loss_eur[m] * weeks.load_percent[w] / 100) for m, w in slots}

model = pyo.ConcreteModel()
model.service = pyo.Var(slots, domain=pyo.Binary)
model.once = pyo.Constraint(
    list(machines.index), rule=lambda model, m: sum(model.service[m, w] for n, w in slots if n == m) == 1
)
model.crew = pyo.Constraint(
    list(weeks.index),
    rule=lambda model, w: (
        sum(float(machines.crew_h[m]) * model.service[m, w] for m, v in slots if v == w) <= float(weeks.crew_h[w])
    ),
)
pairs = [(a, b, w) for a, b in (("press 1", "press 2"), ("mill 1", "mill 2")) for w in weeks.index]
pairs = [(a, b, w) for a, b, w in pairs if (a, w) in loss and (b, w) in loss]
model.apart = pyo.Constraint(pairs, rule=lambda model, a, b, w: model.service[a, w] + model.service[b, w] <= 1)
model.lost = pyo.Objective(expr=sum(loss[slot] * model.service[slot] for slot in slots), sense=pyo.minimize)
result = pyo.SolverFactory("appsi_highs").solve(model)

print("status:", result.solver.termination_condition)
for m, w in slots:
    if pyo.value(model.service[m, w]) > 0.5:
        print(f"{m}: week {w}")
print("objective:", round(pyo.value(model.lost), 2))
