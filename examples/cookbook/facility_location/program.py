import pandas as pd
import pulp

sites = pd.read_csv("sites.csv").set_index("site")
customers = pd.read_csv("customers.csv").set_index("customer")
EUR_PER_PALLET_KM = 0.11
km = {(s, c): customers.loc[c, f"km_{s}"] for s in sites.index for c in customers.index}
lanes = [lane for lane, distance in km.items() if pd.notna(distance)]

problem = pulp.LpProblem("warehouses", pulp.LpMinimize)
rent = {s: pulp.LpVariable(f"rent_{s}", cat="Binary") for s in sites.index}
pallets = {(s, c): pulp.LpVariable(f"pallets_{s}_{c}", lowBound=0) for s, c in lanes}
problem += pulp.lpSum(sites.rent_eur_per_week[s] * rent[s] for s in sites.index) + pulp.lpSum(
    EUR_PER_PALLET_KM * km[lane] * pallets[lane] for lane in lanes
)
for c in customers.index:
    supplied = pulp.lpSum(pallets[lane] for lane in lanes if lane[1] == c)
    problem += supplied == int(customers.pallets_per_week[c]), f"supply_{c}"
for s in sites.index:
    sent = pulp.lpSum(pallets[lane] for lane in lanes if lane[0] == s)
    problem += sent <= int(sites.capacity_pallets[s]) * rent[s], f"capacity_{s}"
for s, c in lanes:
    # Implied by the capacity, but the solver needs less time with it.
    problem += pallets[s, c] <= int(customers.pallets_per_week[c]) * rent[s], f"only_if_rented_{s}_{c}"
problem.solve(pulp.PULP_CBC_CMD(msg=False))

print("status:", pulp.LpStatus[problem.status])
for s in sites.index:
    if rent[s].value() > 0.5:
        print(f"{s}:", *[f"{c} {pallets[s, c].value():g}" for x, c in lanes if x == s and pallets[s, c].value() > 1e-6])
print("objective:", round(pulp.value(problem.objective), 2))
