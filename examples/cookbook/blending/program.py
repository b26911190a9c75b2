import cvxpy as cp
import pandas as pd

ingredients = pd.read_csv("ingredients.csv").set_index("ingredient")
limits = pd.read_csv("limits.csv").set_index("nutrient")
TONNES = 120

stock = ingredients["stock_t"].fillna(TONNES)
tonnes = {name: cp.Variable(name=f"tonnes[{name}]", nonneg=True) for name in ingredients.index}
constraints = [sum(tonnes.values()) == TONNES]
names = ["amount of feed"]
for nutrient, limit in limits.iterrows():
    content = ingredients[f"{nutrient}_percent"] / 100
    in_mix = sum(content[name] * tonnes[name] for name in ingredients.index)
    if pd.notna(limit["min_percent"]):
        constraints.append(in_mix >= limit["min_percent"] / 100 * TONNES)
        names.append(f"least {nutrient}")
    if pd.notna(limit["max_percent"]):
        constraints.append(in_mix <= limit["max_percent"] / 100 * TONNES)
        names.append(f"most {nutrient}")
for name in ingredients.index:
    constraints.append(tonnes[name] <= stock[name])
    names.append(f"stock of {name}")
problem = cp.Problem(
    cp.Minimize(sum(ingredients.eur_per_t[name] * tonnes[name] for name in ingredients.index)), constraints
)
problem.solve(solver=cp.HIGHS)

print("status:", problem.status)
for name, variable in tonnes.items():
    print(f"{name}: {variable.value:.2f} t")
for name, constraint in zip(names, constraints, strict=True):
    if abs(constraint.dual_value) > 1e-6:
        print(f"at its limit: {name}, worth {abs(constraint.dual_value):.2f} EUR per t")
print("objective:", round(problem.value, 2))
