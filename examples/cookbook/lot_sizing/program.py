import pandas as pd
import pyomo.environ as pyo

sheets = pd.read_excel("orders.xlsx", sheet_name=None)
products = sheets["products"].set_index("product").astype(float)
hours = sheets["capacity"].set_index("week")["hours"].astype(float)
orders = sheets["orders"].fillna({"pallets": 0}).set_index(["product", "week"])["pallets"].astype(float)
P, W = list(products.index), list(hours.index)

model = pyo.ConcreteModel()
model.fill = pyo.Var(P, W, domain=pyo.NonNegativeIntegers)
model.stock = pyo.Var(P, W, domain=pyo.NonNegativeReals)
model.setup = pyo.Var(P, W, domain=pyo.Binary)


def balance(model, p, w):
    before = products.opening_stock[p] if w == W[0] else model.stock[p, W[W.index(w) - 1]]
    return before + model.fill[p, w] == orders[p, w] + model.stock[p, w]


def only_after_setup(model, p, w):
    most = (hours[w] - products.setup_h[p]) / products.hours_per_pallet[p]
    still_needed = sum(orders[p, later] for later in W[W.index(w) :])
    return model.fill[p, w] <= min(most, still_needed) * model.setup[p, w]


def capacity(model, w):
    return (
        sum(products.hours_per_pallet[p] * model.fill[p, w] + products.setup_h[p] * model.setup[p, w] for p in P)
        <= hours[w]
    )


model.balance = pyo.Constraint(P, W, rule=balance)
model.only_after_setup = pyo.Constraint(P, W, rule=only_after_setup)
model.capacity = pyo.Constraint(W, rule=capacity)
model.cost = pyo.Objective(
    expr=sum(
        products.setup_eur[p] * model.setup[p, w] + products.holding_eur_per_week[p] * model.stock[p, w]
        for p in P
        for w in W
    )
)
result = pyo.SolverFactory("appsi_highs").solve(model)

print("status:", result.solver.termination_condition)
for p in P:
    print(f"{p}:", *[f"{w} {pyo.value(model.fill[p, w]):.0f}" for w in W if pyo.value(model.fill[p, w]) > 0.5])
print("objective:", round(pyo.value(model.cost), 2))
