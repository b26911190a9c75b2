"""A small set in the format of OR-Space Explain: its folders, rubrics and prompt, and reasoners that explain."""

import json

from support.fake_reasoner import FakeReasoner, boxed

PROMPT = "You judge explanations of workshops.\nReturn one JSON object.\n"
ENTITIES = ("max_hours", "workshop.csv")


def question(hours):
    """Return the question of an instance, in the form that the fake reasoner reads."""
    return f"A workshop has {hours} hours since its revision. Why did the profit change, and by how much?"


def good(hours, hints, outputs):
    """A role that reads a file, and then explains everything."""
    if not outputs:
        return "I look at the data.\n```python\nprint(open('revised/data/workshop.csv').read())\n```\n"
    return f"Hm.\n</think>\n{explanation(hours)}\n\n\\boxed{{done}}"


def vague(hours, hints, outputs):
    """A role that explains little."""
    return "The profit changed.\n\\boxed{done}"


def usual(hours, hints, outputs):
    """A role that explains one of the problems badly."""
    return (vague if hours == 12 else good)(hours, hints, outputs)


def numeric(hours, hints, outputs):
    """A role that answers with a number, as for other problems."""
    return boxed(3)


class Explainer(FakeReasoner):
    """A reasoner that can read the files."""

    context = 20_000


def explanation(hours):
    """Return a complete explanation."""
    gain = 300 * (hours - 10)
    return f"Because `max_hours` in workshop.csv rises to {hours}, the profit rises by {gain:,}."


def rubric(number, hours):
    """Return a row of the rubrics."""
    return {
        "workspace_id": f"or_space_{number:03}_explain",
        "instance_id": f"OR_explain_{number:03}",
        "instance_number": number,
        "dimension": ("Comparing plans", "Reading duals")[number % 2],
        "question": question(hours),
        "expected_short_answer": explanation(hours),
        "checklist": [
            {
                "criterion_id": "c1",
                "checklist_type": "exact_match",
                "criterion": "Names the parameter and the file",
                "target_entities": list(ENTITIES),
            },
            {
                "criterion_id": "c2",
                "checklist_type": "llm_boolean_judgment",
                "criterion": "Explains the change",
                "instruction_for_judge": "Score 1 only if the cause is given.",
            },
            {
                "criterion_id": "c3",
                "checklist_type": "exact_match",
                "criterion": "Has the gain",
                "target_entities": [str(300 * (hours - 10))],
            },
        ],
    }


def write_explain_set(folder, hours=(11, 12, 13)):
    """Write a set with an instance for each number of hours, and return its folder."""
    evaluation = folder / "evaluation" / "explain_evaluation"
    evaluation.mkdir(parents=True)
    rows = [rubric(number, one) for number, one in enumerate(hours, start=1)]
    (evaluation / "rubrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (evaluation / "judge_prompt.md").write_text(PROMPT)
    for number, one in enumerate(hours, start=1):
        instance = folder / "Workspace_OR" / "explain_workspaces" / f"instance_{number}"
        for version, value in (("original", 10), ("revised", one)):
            for name, text in {
                "data/workshop.csv": f"name,value\nmax_hours,{value}\n",
                "docs/business_requirement.md": f"A chair takes an hour and earns 300. There are {value} hours.\r\n",
                "logs/solver_output.log": f"OBJECTIVE_VALUE: {300 * value}\n",
            }.items():
                path = instance / version / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, newline="")
        task = {"dimension": "Comparing plans", "question": question(one)}
        (instance / "metadata.json").write_text(json.dumps({"instance_number": number, "explain_task": task}))
    return folder
