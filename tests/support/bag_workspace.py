"""A small workspace on disk: data, a schema, a checker's program, and reference programs."""

import json

QUESTION = "Which items go into a bag for at most 4 kg, so that their value is largest? Answer with that value."
CHECK = """import csv, json
items = {row["item"]: row for row in csv.DictReader(open("items.csv"))}
taken = set(json.load(open("plan.json"))["take"])
weight = sum(int(items[name]["weight_kg"]) for name in taken)
value = sum(int(items[name]["value_eur"]) for name in taken)
violations = [f"the bag holds {weight} kg of 4"] if weight > 4 else []
print(json.dumps({"feasible": not violations, "objective": value, "violations": violations}))
"""
SCHEMA = {
    "type": "object",
    "required": ["take"],
    "additionalProperties": False,
    "properties": {"take": {"type": "array", "items": {"enum": ["radio", "camera", "lamp"]}}},
}


def program(capacity=4):
    """Return a program that solves the problem for a bag of this capacity, in kg."""
    return f"""import json, pandas as pd, pulp
items = pd.read_csv("items.csv", index_col="item")
model = pulp.LpProblem("bag", pulp.LpMaximize)
take = pulp.LpVariable.dicts("take", items.index, cat="Binary")
model += pulp.lpSum(items.value_eur[i] * take[i] for i in items.index)
model += pulp.lpSum(items.weight_kg[i] * take[i] for i in items.index) <= {capacity}
model.solve(pulp.PULP_CBC_CMD(msg=False))
json.dump({{"take": [i for i in items.index if take[i].value() > 0.5]}}, open("plan.json", "w"))
print("Objective:", pulp.value(model.objective))
"""


def write_bag(folder, *, check=CHECK, capacity=4):
    """Write problems.jsonl, its data and checker, and references/ with a program for this capacity."""
    (folder / "items.csv").write_text("item,value_eur,weight_kg\nradio,4,3\ncamera,2,1\nlamp,3,2\n")
    (folder / "check.py").write_text(check)
    problem = {
        "id": "bag",
        "question": QUESTION,
        "answer": 6,
        "files": ["items.csv"],
        "outputs": [{"path": "plan.json", "schema": SCHEMA}],
        "checker": "check.py",
    }
    (folder / "problems.jsonl").write_text(json.dumps(problem) + "\n")
    (folder / "references").mkdir(exist_ok=True)
    reference = {"id": "bag", "question": QUESTION, "program": program(capacity)}
    (folder / "references" / "references.jsonl").write_text(json.dumps(reference) + "\n")
    return folder / "problems.jsonl"
