import pandas as pd
from ortools.linear_solver import pywraplp

products = pd.read_csv("products.csv").set_index("product")
available = pd.read_csv("resources.csv").set_index("resource")["available"]
# The most pieces that the press could make, for products without a demand figure.
most = available["press time"] * 60 / products["press_min"]
demand = products["demand_pieces"].fillna(most)

solver = pywraplp.Solver.CreateSolver("SCIP")
pieces = {p: solver.NumVar(0, float(demand[p]), f"pieces[{p}]") for p in products.index}
setup = {p: solver.BoolVar(f"setup[{p}]") for p in products.index}
minutes = sum(products.press_min[p] * pieces[p] + 60 * products.setup_h[p] * setup[p] for p in products.index)
solver.Add(minutes <= 60 * float(available["press time"]), "press minutes")
kilograms = sum(products.granulate_kg[p] * pieces[p] for p in products.index)
solver.Add(kilograms <= float(available["granulate"]), "granulate")
for p in products.index:
    solver.Add(pieces[p] <= float(demand[p]) * setup[p], f"only after setup[{p}]")
solver.Maximize(sum(products.margin_eur[p] * pieces[p] for p in products.index))
status = solver.Solve()

print("status:", "optimal" if status == pywraplp.Solver.OPTIMAL else status)
for p in products.index:
    if setup[p].solution_value() > 0.5:
        print(f"{p}: {pieces[p].solution_value():.1f} pieces")
print("objective:", round(solver.Objective().Value(), 2))
