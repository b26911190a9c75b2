import pandas as pd
import pulp

nurses = pd.read_csv("nurses.csv", keep_default_na=False).set_index("nurse")
demand = pd.read_csv("demand.csv")
days = list(dict.fromkeys(demand["day"]))
shifts = list(dict.fromkeys(demand["shift"]))

problem = pulp.LpProblem("roster", pulp.LpMinimize)
work = {
    (n, d, s): pulp.LpVariable(f"work_{n}_{d}_{s}", cat="Binary")
    for n in nurses.index
    for d in days
    for s in shifts
    if d not in nurses.leave[n].split() and (s != "night" or nurses.nights[n] == "yes")
}
problem += pulp.lpSum(x for (n, d, s), x in work.items() if d == nurses.wish_free[n]), "broken_wishes"
for row in demand.itertuples():
    present = pulp.lpSum(x for (n, d, s), x in work.items() if (d, s) == (row.day, row.shift))
    problem += present >= row.nurses_needed, f"need_{row.day}_{row.shift}"
for n in nurses.index:
    mine = {(d, s): x for (m, d, s), x in work.items() if m == n}
    problem += pulp.lpSum(mine.values()) <= int(nurses.max_shifts[n]), f"max_shifts_{n}"
    for today, tomorrow in zip(days, [*days[1:], None], strict=True):
        on_day = [x for (d, s), x in mine.items() if d == today]
        if on_day:
            problem += pulp.lpSum(on_day) <= 1, f"one_shift_{n}_{today}"
        by_day = [x for (d, s), x in mine.items() if d == tomorrow and s != "night"]
        if (today, "night") in mine and by_day:
            problem += mine[today, "night"] + pulp.lpSum(by_day) <= 1, f"rest_{n}_{today}"
problem.solve(pulp.PULP_CBC_CMD(msg=False))

print("status:", pulp.LpStatus[problem.status])
if problem.status == pulp.LpStatusOptimal:
    for n in nurses.index:
        print(f"{n}:", *[f"{d} {s}" for (m, d, s), x in work.items() if m == n and x.value() > 0.5])
    print("objective:", round(pulp.value(problem.objective), 2))
