"""MIPLIB-NL: instances become problems with files, and their programs run in the sandbox."""

import json
import logging
import os
from pathlib import Path

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.env import SolverEnv
from storm_calm.env.problems.benchmarks import benchmark_of, load_benchmarks
from storm_calm.env.problems.benchmarks.workspaces import WORKSPACES, references_in
from storm_calm.env.problems.benchmarks.workspaces.reference_program import with_preamble
from storm_calm.env.workspace import full_question, workspace_files
from storm_calm.sandbox import Limits, open_sandbox

SET = WORKSPACES["miplib_nl"]
QUESTION = (
    r"A bag holds {capacity} kg, x \in \mathbb{Z}. Which of the {n} items are worth most? {unknown} items are red."
)
ITEMS = "item,value,weight\n1,4,3\n2,2,1\n3,3,2\n"
PROGRAM = '''"""Fill a bag."""
from __future__ import annotations

import json
import os
import sys

import gurobipy as gp
import pandas as pd

base = os.path.dirname(os.path.abspath(__file__))
problem = json.load(open(os.path.join(base, "instance.json")))
assert "optimal_value" not in problem
items = pd.read_csv(os.path.join(base, problem["files"]["items"]["path"]))
model = gp.Model()
model.Params.OutputFlag = 0
model.Params.LogFile = "logs/solver.log"
take = model.addVars(len(items), vtype="B")
model.setObjective(gp.quicksum(items.value[i] * take[i] for i in take), gp.GRB.MAXIMIZE)
model.addConstr(gp.quicksum(items.weight[i] * take[i] for i in take) <= float(problem["parameters"]["capacity"]))
model.optimize()
print("done", flush=True)
sys.exit(0)
'''


@pytest.fixture(scope="module")
def real_sandbox():
    with open_sandbox(workers=1) as sandbox:
        yield sandbox


def instance(root, name="bag", *, contents=None, **changes):
    """Write an instance. changes: fields of instance.json; None leaves a field out."""
    data = {
        "abstract_problem": f"{QUESTION} {name}." if name != "bag" else QUESTION,
        "parameters": {"capacity": "4", "n": 3, "weights": [3, 1, 2], "note": None},
        "files": {"items": {"path": "./data/items.csv", "description": "The {n} items, one a row."}},
        "optimal_value": "6.0",
        **changes,
    }
    folder = root / name
    (folder / "data").mkdir(parents=True)
    (folder / "instance.json").write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    (folder / "solve.py").write_text(PROGRAM)
    (folder / "model.md").write_text("max")
    for path, text in (contents or {"data/items.csv": ITEMS}).items():
        (folder / path).write_text(text)
    return folder


def only(root):
    ((place, problem),) = SET.rows(root)
    assert place.endswith("instance.json")
    return problem


def test_the_question_has_parameters_and_descriptions(tmp_path):
    instance(tmp_path)
    problem = only(tmp_path)
    assert problem.question == (
        r"A bag holds 4 kg, x \in \mathbb{Z}. Which of the 3 items are worth most? {unknown} items are red."
        "\n\nParameters:\n- weights: [3, 1, 2]"
        "\n\ndata/items.csv: The 3 items, one a row."
        "\n\nFind the optimal value of the objective. It is the answer. If no solution meets all requirements, the "
        "answer is infeasible."
    )
    assert (problem.id, problem.answers, problem.rule) == ("miplib_nl-bag", (6.0,), "paper")
    assert benchmark_of(problem) == "miplib_nl"
    assert workspace_files(problem) == {"data/items.csv": ITEMS.encode()}
    assert full_question(problem).count("The 3 items, one a row.") == 1


def test_the_model_sees_the_data_and_nothing_else(tmp_path):
    folder = instance(tmp_path, contents={"data/items.csv": ITEMS, "data/more.csv": "a\n1\n", "data/.DS_Store": "x"})
    (folder / "solver.log").write_text("Optimal objective 6")
    assert [file.path for file in only(tmp_path).files] == ["data/items.csv", "data/more.csv"]


def test_files_may_be_a_list_and_a_folder(tmp_path):
    instance(tmp_path, files=["data/items.csv", {"path": "./data/", "description": "All tables."}])
    problem = only(tmp_path)
    assert [file.path for file in problem.files] == ["data/items.csv"]
    assert "data: All tables." in problem.question


def test_an_instance_without_files_is_a_question_alone(tmp_path):
    instance(tmp_path, contents={"data/.keep": ""}, parameters={}, files=None)
    assert only(tmp_path).files == ()


@pytest.mark.parametrize(
    ("value", "answers"),
    [(1201500.0, (1201500.0,)), ("144", (144.0,)), (-9999, (-9999.0,)), ("infeasible", ("infeasible",)), (0, (0.0,))],
)
def test_answers_are_numbers_or_infeasible(tmp_path, value, answers):
    instance(tmp_path, optimal_value=value)
    assert only(tmp_path).answers == answers


@pytest.mark.parametrize("value", [None, "", "unknown", [1], {"best": 1}, True, float("inf")])
def test_an_instance_without_a_readable_value_is_left_out(tmp_path, value):
    instance(tmp_path, "good")
    instance(tmp_path, "odd", optimal_value=value)
    loaded = load_benchmarks(["miplib_nl"], tmp_path)
    assert [problem.id for problem in loaded.problems] == ["miplib_nl-good"]
    assert loaded.unread == (str(tmp_path / "odd" / "instance.json"),)


def test_bad_instances_are_left_out_with_the_reason(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.WARNING, logger="storm")
    monkeypatch.setattr(logging.getLogger("storm"), "propagate", True)
    instance(tmp_path, "good")
    (instance(tmp_path, "broken") / "instance.json").write_text('{"abstract_problem": ')
    (instance(tmp_path, "list") / "instance.json").write_text("[]")
    (instance(tmp_path, "missing") / "data" / "items.csv").unlink()
    instance(tmp_path, "outside", files={"a": {"path": "../secret.csv"}})
    instance(tmp_path, "key", files={"a": {"path": "solve.py"}})
    (tmp_path / "secret.csv").write_text("x\n")
    (instance(tmp_path, "link") / "data" / "link.csv").symlink_to(tmp_path / "secret.csv")
    with (instance(tmp_path, "huge") / "data" / "huge.csv").open("wb") as file:
        os.truncate(file.fileno(), 2 << 30)
    instance(tmp_path, "empty", abstract_problem=" ")
    assert [problem.id for _, problem in SET.rows(tmp_path) if problem] == ["miplib_nl-good"]
    told = "\n".join(record.getMessage() for record in caplog.records)
    for expected in (
        "broken/instance.json: left out: not JSON",
        "list/instance.json: left out: not a JSON object",
        "missing/data/items.csv: no such file",
        "outside/instance.json: left out: path '../secret.csv' is not inside",
        'key/instance.json: left out: "files" has solve.py, which shows the answer or the model',
        "link/data/link.csv: leads out of the problem's folder",
        "huge/data/huge.csv: has 2048 MiB, more than 64",
        'empty/instance.json: left out: "abstract_problem" is " "; give a text',
    ):
        assert expected in told


def test_a_file_that_changes_after_loading_is_named(tmp_path):
    folder = instance(tmp_path)
    problem = only(tmp_path)
    (folder / "data" / "items.csv").write_text(ITEMS.replace("4", "5"))
    with pytest.raises(ValueError, match=r"data/items.csv: has changed since"):
        workspace_files(problem)


def test_a_file_that_is_no_table_is_still_a_file(tmp_path):
    folder = instance(tmp_path)
    (folder / "data" / "odd.csv").write_bytes(b"\xff\x00\xfe")
    (folder / "data" / "odd.xlsx").write_bytes(b"not a workbook")
    assert "data/odd.xlsx" in full_question(only(tmp_path))


def test_a_folder_without_the_set_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no miplib_nl in it; give the folder that has \*/instance.json"):
        load_benchmarks(["miplib_nl"], tmp_path)
    with pytest.raises(ValueError, match=r"not on the Hub; download dataset/ .* as --data-dir"):
        load_benchmarks(["miplib_nl"])


def test_the_repository_is_found_by_its_folder(tmp_path):
    instance(tmp_path / "MIPLIB-NL" / "dataset")
    assert only(tmp_path).id == only(tmp_path / "MIPLIB-NL").id == "miplib_nl-bag"


def test_published_programs_run_and_reproduce_the_answer(tmp_path):
    pytest.importorskip("gurobipy")
    root = tmp_path / "set"
    instance(root)
    needs = 'import sys\nif len(sys.argv) < 2:\n    sys.exit("no folder")\nassert sys.argv[1] == "data"\n'
    (instance(root, "argument") / "solve.py").write_text(needs + PROGRAM.partition("annotations\n")[2])
    home = PROGRAM.replace("os.path.dirname(os.path.abspath(__file__))", 'os.path.expanduser("~/Desktop/home")')
    (instance(root, "home") / "solve.py").write_text(home)
    nothing = PROGRAM.replace("model.optimize()", "model.addConstr(take[0] >= 2)\nmodel.optimize()")
    (instance(root, "nothing", optimal_value="infeasible") / "solve.py").write_text(nothing)
    config = EvalConfig(benchmark=("miplib_nl",), data_dir=str(root), reasoner=f"replay:{root}", solver_seconds=60)
    results = evaluate(config, tmp_path / "out")
    assert (results.scored, results.rules["paper"]["pass@1"].mean) == (4, 1.0)
    assert results.behaviour.flawed == 0


def test_reading_references_reads_no_answer(tmp_path):
    instance(tmp_path, optimal_value="no number")
    ((problem, program),) = references_in(tmp_path)
    assert problem.answers == ()
    assert "no number" not in program
    assert program.startswith('"""Fill a bag."""\nfrom __future__ import annotations\n# Files that')
    assert program.endswith(PROGRAM.partition("annotations\n")[2])


def test_a_program_that_does_not_parse_is_no_reference(tmp_path):
    with pytest.raises(ValueError, match="not a Python program"):
        with_preamble("def", "import os\n")
    (instance(tmp_path) / "solve.py").write_text("def")
    assert references_in(tmp_path) == []


def test_large_data_is_accepted_under_the_limits_of_a_user(tmp_path, real_sandbox):
    rows = "".join(f"{number},{number * 7 % 1000}\n" for number in range(48_000))
    parts = {f"data/part{number:02}.csv": f"id,cost\n{rows}" for number in range(22)}
    instance(tmp_path, contents=parts, files={path: {"path": path} for path in parts})
    problem = only(tmp_path)
    found = workspace_files(problem)
    assert len(found) == 22
    assert sum(map(len, found.values())) > 10_000_000
    assert len(full_question(problem)) < 20_000
    code = "import pandas as pd, glob\nprint(sum(pd.read_csv(path).cost.sum() for path in glob.glob('data/*.csv')))\n"
    execution = real_sandbox.run(code, files=found, limits=Limits(seconds=60, memory_mb=2048))
    assert execution.stdout.strip() == str(22 * sum(number * 7 % 1000 for number in range(48_000)))


def test_the_environment_gives_programs_the_files(tmp_path, real_sandbox):
    class Renderer:
        instructions, context, hint_marks = "", None, ("", "")
        encode = encode_marked = staticmethod(lambda text: None)
        render = staticmethod(lambda messages: messages[-1]["content"])

    instance(tmp_path)
    env = SolverEnv(real_sandbox, Renderer())
    env.reset(only(tmp_path))
    assert env.step("```python\nprint(open('data/items.csv').read())\n```\n").execution.stdout.strip() == ITEMS.strip()
    assert not Path("data/items.csv").exists()
