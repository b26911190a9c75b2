import json

import highspy
import pandas as pd

GAP = 1e-4

bars = pd.read_csv("bars.csv")
orders = pd.read_csv("orders.csv").sort_values("piece_length_mm", ascending=False)
parameters = pd.read_csv("parameters.csv", sep=";").set_index("parameter")["value"]
saw_cut = int(parameters["saw_cut_mm"])
max_pieces = int(parameters.get("max_pieces_per_bar", 10**6))


def patterns(lengths, room, most):
    """Yield the cutting patterns of a bar that leave no room for one more piece; lengths are in descending order."""
    first, *others = lengths
    fitting = min(room // first, most)
    if not others:
        yield (fitting,)
        return
    for number in range(fitting, -1, -1):
        for rest in patterns(others, room - number * first, most - number):
            yield (number, *rest)


solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
solver.setOptionValue("mip_rel_gap", GAP)

# Cutting stock with all patterns: the number of bars that are cut by each.
cuts = []
made = {order: [] for order in orders["order_id"]}
for material, kinds in bars.groupby("material_id"):
    own = orders[orders["material_id"] == material]
    ids, lengths = own["order_id"].tolist(), (own["piece_length_mm"] + saw_cut).tolist()
    for length, price in zip(kinds["bar_length_mm"].tolist(), kinds["price_eur_per_bar"].tolist()):
        for pattern in patterns(lengths, length, max_pieces) if ids else ():
            pieces = {order: number for order, number in zip(ids, pattern) if number}
            number_of_bars = solver.addIntegral(lb=0, obj=price)
            cuts.append((material, length, pieces, number_of_bars))
            for order, number in pieces.items():
                made[order].append(number * number_of_bars)
for order, pieces in zip(orders["order_id"], orders["ordered_pieces"].tolist()):
    solver.addConstr(solver.qsum(made[order]) >= pieces)

solver.run()
status = solver.getModelStatus()
value = solver.getSolution().col_value
print("status:", solver.modelStatusToString(status))
if status == highspy.HighsModelStatus.kOptimal:
    plan = [
        {
            "material_id": material,
            "bar_length_mm": length,
            "bars": round(value[bar.index]),
            "pieces": [{"order_id": order, "pieces_per_bar": number} for order, number in pieces.items()],
        }
        for material, length, pieces, bar in cuts
        if value[bar.index] > 0.5
    ]
    with open("plan.json", "w") as file:
        json.dump({"cuts": plan}, file)
    print("objective:", solver.getInfo().objective_function_value)
