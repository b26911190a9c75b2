import pandas as pd
from ortools.sat.python import cp_model

pallets = pd.read_csv("pallets.csv").set_index("pallet")
vans = pd.read_csv("vans.csv").set_index("van")
# CP-SAT has whole numbers only: litres instead of cubic metres.
litres = (pallets["volume_m3"].fillna(0.8) * 1000).round().astype(int)
room = (vans["volume_m3"] * 1000).round().astype(int)

model = cp_model.CpModel()
load = {(p, v): model.new_bool_var(f"load[{p},{v}]") for p in pallets.index for v in vans.index}
used = {v: model.new_bool_var(f"used[{v}]") for v in vans.index}
chemicals = {v: model.new_bool_var(f"chemicals[{v}]") for v in vans.index}
for p in pallets.index:
    model.add(sum(load[p, v] for v in vans.index) == 1).with_name(f"leaves[{p}]")
for v in vans.index:
    weight = sum(int(pallets.weight_kg[p]) * load[p, v] for p in pallets.index)
    model.add(weight <= int(vans.payload_kg[v]) * used[v]).with_name(f"payload[{v}]")
    volume = sum(int(litres[p]) * load[p, v] for p in pallets.index)
    model.add(volume <= int(room[v]) * used[v]).with_name(f"volume[{v}]")
    for p in pallets.index:
        if pallets.goods[p] == "chemicals":
            model.add(load[p, v] <= chemicals[v]).with_name(f"chemicals[{p},{v}]")
        elif pallets.goods[p] == "food":
            model.add(load[p, v] + chemicals[v] <= 1).with_name(f"food apart[{p},{v}]")
model.minimize(sum(int(vans.cost_eur[v]) * used[v] for v in vans.index))
solver = cp_model.CpSolver()
solver.parameters.num_workers = 1
status = solver.solve(model)

print("status:", solver.status_name(status))
for v in vans.index:
    print(f"{v}:", *[p for p in pallets.index if solver.value(load[p, v])])
print("objective:", solver.objective_value)
