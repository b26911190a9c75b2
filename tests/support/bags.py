"""Small knapsack problems with reference programs, which other processes solve with `--reasoner replay:FOLDER`."""

import json


def write_bags(folder, count, *, seconds=0.0):
    """Write `problems.jsonl`, and the folder of reference programs. seconds: how long each program sleeps."""
    (folder / "references").mkdir()
    problems, references = [], []
    for number in range(count):
        room = 10 + number
        question = (
            f"A bag holds {room} kg. Sacks of 3 kg are worth 4, sacks of 5 kg are worth 7. What is the most worth?"
        )
        worth = f"max(4 * a + 7 * b for a in range(40) for b in range(40) if 3 * a + 5 * b <= {room})"
        program = f"import time\ntime.sleep({seconds})\nprint('Objective value:', {worth})\n"
        problems.append({"id": f"bag-{number}", "question": question, "answer": eval(worth)})
        references.append({"id": f"bag-{number}", "question": question, "program": program})
    for file, rows in ((folder / "problems.jsonl", problems), (folder / "references/references.jsonl", references)):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def bag_settings(folder):
    """Return the settings of a run on the problems in a folder."""
    return {
        "problems": str(folder / "problems.jsonl"),
        "reasoner": f"replay:{folder / 'references'}",
        "minimum_isolation": "limits",
    }
