"""Reference programs of explain tasks: they change the files, and run the program of the solved problem again."""

from collections.abc import Mapping
from typing import Literal

from storm_calm.env.problems.families.tasks.file_changes import CHANGE_FILES, Differences

_OPTIMUM_AFTER = '''

def optimum_after(*changes):
    """Return the optimal objective value after changes of the files, or None if no plan is possible."""
    before = {file: Path(file).read_text() for file, *_ in changes}
    for one in changes:
        change(*one)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path("current_model.py")
    for file, text in before.items():
        Path(file).write_text(text)
    last = printed.getvalue().rstrip().rpartition("\\n")[2]
    return float(last.removeprefix("objective:")) if last.startswith("objective:") else None

'''

_BODIES = {
    "worth": """\
now = optimum_after()
improvement = {label: SIGN * (optimum_after(*changes) - now) for label, changes in CHANGES.items()}
with open("explanation.json", "w") as file:
    json.dump({"improvement": improvement}, file)
print("objective:", max(improvement.values()))
""",
    "tighter": """\
optimum = {label: optimum_after(*changes) for label, changes in CHANGES.items()}
with open("explanation.json", "w") as file:
    json.dump({"optimum": optimum}, file)
print("objective:", min((value for value in optimum.values() if value is not None), key=lambda value: SIGN * value))
""",
    "binding": """\
# A limit binds if a small cut of it makes the optimum worse, by more than the gap of the solver.
now = optimum_after()
binding = []
for label, changes in CHANGES.items():
    after = optimum_after(*changes)
    if after is None or SIGN * (now - after) > GAP * abs(now):
        binding.append(label)
with open("explanation.json", "w") as file:
    json.dump({"binding": binding}, file)
print("objective:", len(binding))
""",
    "conflict": """\
# Leave out one change after the other, if the others still conflict without it.
conflict = list(CHANGES)
for label in CHANGES:
    others = [one for one in conflict if one != label]
    if optimum_after(*(part for one in others for part in CHANGES[one])) is None:
        conflict = others
with open("explanation.json", "w") as file:
    json.dump({"conflict": conflict}, file)
print("objective:", len(conflict))
""",
}


def explanation_program(
    kind: str, changes: Mapping[str, Differences], *, sense: Literal["minimize", "maximize"], gap: float
) -> str:
    """Return the program of an explanation of this kind.

    changes: of the files, by label. gap: the largest relative difference of two optima that count as equal.
    """
    listed = "".join(f"    {label!r}: {[cell.arguments for cell in changes[label].cells]!r},\n" for label in changes)
    constants = f"CHANGES = {{\n{listed}}}\n"
    constants += f"SIGN = {1 if sense == 'maximize' else -1}\n" if "SIGN" in _BODIES[kind] else ""
    constants += f"GAP = {gap}\n" if "GAP" in _BODIES[kind] else ""
    imports = CHANGE_FILES.replace(
        "import csv\n", "import contextlib\nimport csv\nimport io\nimport json\nimport runpy\n"
    )
    return f"{imports}{_OPTIMUM_AFTER}\n{constants}\n{_BODIES[kind]}"
