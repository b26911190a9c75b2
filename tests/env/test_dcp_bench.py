"""DCP-Bench-Open: both published forms are read, and its models check solutions as the set's own scorer does."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

from storm_calm.env import Sampling, SolverEnv, checkers, run_episode, score
from storm_calm.env.problems.benchmarks.workspaces import WORKSPACES, dcp_bench_check
from storm_calm.env.problems.benchmarks.workspaces import dcp_bench as module
from storm_calm.env.problems.benchmarks.workspaces.dcp_bench import DCP_BENCH, dcp_bench, references
from storm_calm.env.problems.benchmarks.workspaces.dcp_bench_rows import variables_in
from storm_calm.env.workspace import full_question
from storm_calm.sandbox import Limits, open_sandbox

BAG = '''#!/usr/bin/python3
# Category: made up

"""
Which items go into a bag for
at most 4 kg?

Print whether each item is in the bag (take), and their value (value).
"""

# Data
weights = [3, 1, 2]  # kg
values = [4, 2, 3]  # EUR
# End of data

from cpmpy import *
import json

take = boolvar(shape=3, name="take")
value = intvar(0, 9, name="value")
pair = [take[0], take[1]]
model = Model(sum(take * weights) <= 4, value == sum(take * values))
model.maximize(value)
model.solve()

print(json.dumps({"take": take.value().tolist(), "value": int(value.value())}))
'''
AGES = '''"""
Ann is twice as old as Bob; together they are 9.

Print their ages (ann, bob).
"""
from cpmpy import *
import json

ann, bob = intvar(0, 99, shape=2)
model = Model([ann == 2 * bob, ann + bob == 9])
model.solve()
print("solution:", json.dumps({"ann": int(ann.value()), "bob": int(bob.value())}, indent=2))
'''
UNSATISFIABLE = BAG.partition("\nprint(")[0].replace("model.maximize(value)", "model += value > 9")
CUBES = "a, b, c = intvar(1, 10**5, shape=3); model += a * a * a + b * b * b == c * c * c"
"""A constraint that no solver decides in seconds."""
BAG_BEST = '{"take": [true, true, false], "value": 6}'


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(workers=1, limits=Limits(seconds=30), libraries=["cpmpy"]) as opened:
        yield opened


@pytest.fixture(autouse=True)
def libraries(monkeypatch):
    monkeypatch.setenv("STORM_LIBRARIES", "cpmpy")


@pytest.fixture
def published(tmp_path):
    """Return a function that writes models as the set's folders, and returns the problems by name."""

    def write(**models):
        for name, text in models.items():
            folder = tmp_path / "dataset" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.cpmpy.py").write_text(text)
        return read(tmp_path)

    return write


def read(folder, benchmark=DCP_BENCH):
    return {problem.id: problem for _, problem in benchmark.rows(folder) if problem}


def row(text, **fields):
    """Return a line of the JSON Lines file for a model, as the set's `jsonl_convert.py` makes it."""
    _, described, code = text.split('"""')
    before, _, rest = code.partition("# Data")
    data, _, after = rest.partition("# End of data")
    names = ["take", "value"] if "take" in described else ["ann", "bob"]
    made = {
        "description": " ".join(described.splitlines()).strip(),
        "example_instance": data.strip(),
        "model": (after if rest else before).strip(),
        "framework": "CPMpy",
        "decision_variables": names,
    }
    return {**made, **fields}


def outcome(sandbox, problem, printed):
    check = checkers.check_outputs(problem, [sandbox.run(f"print({printed!r})")], sandbox)
    assert not check.fault, check.fault
    if check.missing:
        return "no solution"
    if not check.feasible:
        return "infeasible"
    return "correct" if check.objective == check.best else "suboptimal"


def test_both_published_forms_give_the_same_problems(published, tmp_path):
    problems = published(bag=BAG, ages=AGES)
    rows = [row(AGES, id="ages"), row(BAG, id="bag")]
    file = tmp_path / "file" / "dcp-bench-open.jsonl"
    file.parent.mkdir()
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    for place in (file, file.parent):
        other = read(place)
        assert list(other) == list(problems) == ["dcp_bench-ages", "dcp_bench-bag"]
        assert [problem.question for problem in other.values()] == [one.question for one in problems.values()]
        assert [problem.checker for problem in other.values()] == [one.checker for one in problems.values()]


def test_the_question_has_the_data_and_the_keys_but_not_the_model(published):
    problem = published(bag=BAG)["dcp_bench-bag"]
    asked = full_question(problem)
    assert asked.startswith("Which items go into a bag for at most 4 kg?  Print whether each item")
    assert "weights = [3, 1, 2]  # kg\nvalues = [4, 2, 3]" in asked
    assert "Its keys are take, value." in asked
    assert "\\boxed{done}" in asked
    assert "maximize" not in asked
    assert "boolvar" not in asked
    cpmpy = importlib.metadata.version("cpmpy")
    assert problem.source == f"dcp_bench: bag.cpmpy.py, arXiv 2506.06052, checked with CPMpy {cpmpy}"


@pytest.mark.parametrize(
    ("description", "names"),
    [
        ("How many? Print the number (n).", ("n",)),
        ("Print all (see above). Print the times (start, end) and the cost (cost).", ("cost", "end", "start")),
        ("Print the plan.", ()),
        ("How many (n)?", ()),
    ],
)
def test_variables_are_in_parentheses_after_the_last_print(description, names):
    assert variables_in(description) == names


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (BAG_BEST, "correct"),
        (f"Status: 4\n{BAG_BEST}\nend", "correct"),
        ('{"value": 6}', "correct"),
        ('{"take": [1, 1, 0], "value": 6}', "correct"),
        ('{"take[0]": 1, "take[1]": true, " take[ -1 ] ": 0}', "correct"),
        ('{"take": [false, true, true], "value": 5}', "suboptimal"),
        ('{"take": 0}', "suboptimal"),
        ('{"take": [true, true, true], "value": 9}', "infeasible"),
        ('{"take": [true, true, false], "value": 5}', "infeasible"),
        ('{"take": [true, true], "value": 6}', "infeasible"),
        ('{"take": [true, true, false, false]}', "infeasible"),
        ('{"take": ["True", "True", "False"]}', "infeasible"),
        ('{"take": "[True, True, False]"}', "infeasible"),
        ('{"value": "6"}', "infeasible"),
        ('{"value": 6.0}', "infeasible"),
        ('{"value": null}', "infeasible"),
        ('{"value": {"EUR": 6}}', "infeasible"),
        ('{"value": 6, "weight": 4}', "infeasible"),
        ('{"Value": 6}', "infeasible"),
        ('{"take[3]": 0}', "infeasible"),
        ('{"value": 6, "pair": [1, 0]}', "infeasible"),
        ("value = 6", "no solution"),
        ('{"value": 6', "no solution"),
        ('{"value": 6}\n{"value": 6}', "no solution"),
        ("{'value': 6}", "no solution"),
        ('{"value": NaN}', "no solution"),
    ],
)
def test_a_printed_object_is_judged_as_the_sets_scorer_does(published, sandbox, printed, expected):
    assert outcome(sandbox, published(bag=BAG)["dcp_bench-bag"], printed) == expected


@pytest.mark.parametrize(
    "key",
    [
        "value + 0",
        "(value)",
        "value) or (value",
        "take.sum()",
        "take[0:1]",
        "take[value]",
        "1",
        "True",
        "",
        "lambda",
        "x" * 9000,
        "__import__('pathlib').Path('made').touch()",
        "take" + "[0]" * 5000,
        "((" * 5000,
        "take[99999999999]",
        "ann[0]",
    ],
)
def test_keys_and_values_are_data(key, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = dcp_bench_check.check(f"{BAG}\nann = 5\n", {key: "6", "value": "1; open('made', 'w')"})
    assert result["feasible"] is False
    assert len(result["violations"][0]) < 300
    assert list(Path().iterdir()) == []


def test_a_problem_without_an_objective_only_needs_a_solution(published, sandbox):
    problem = published(ages=AGES)["dcp_bench-ages"]
    assert outcome(sandbox, problem, '{"ann": 6, "bob": 3}') == "correct"
    assert outcome(sandbox, problem, '{"ann": 6, "bob": 4}') == "infeasible"
    execution = sandbox.run('print(\'{"ann": 6, "bob": 4}\')')
    violations = checkers.check_outputs(problem, [execution], sandbox).violations
    assert violations == ("no solution that meets the requirements has these values",)


def test_what_a_failed_program_printed_does_not_count(published, sandbox):
    execution = sandbox.run(f"print({BAG_BEST!r})\n1 / 0")
    check = checkers.check_outputs(published(bag=BAG)["dcp_bench-bag"], [execution], sandbox)
    assert check.missing == ("no program printed a JSON object",)


def test_the_references_are_correct(published, sandbox, script, tmp_path):
    problems = published(bag=BAG, ages=AGES)
    programs = references(tmp_path)
    assert programs.keys() == problems.keys()
    for id, program in programs.items():
        reasoner = script(f"```python\n{program}\n```\n", "\\boxed{done}")
        episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, problems[id], sampling=Sampling())
        assert (score(episode).reward, score(episode).reason) == (1.0, "correct")


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (BAG.replace("model.solve()", "model.solve(); 1 / 0"), "ended with error: ZeroDivisionError"),
        (BAG.replace("model.solve()", "model.solve(); raise SystemExit"), "ended with|last line"),
        (BAG.replace("model.solve()", "import time; time.sleep(60)"), "ended with timeout"),
        (BAG.replace("model", "program"), "ended with error: KeyError: 'model'"),
        (BAG.replace("model.maximize(value)", CUBES), "ended with timeout"),
        (UNSATISFIABLE, r"has no solution \(UNSATISFIABLE\)"),
    ],
)
def test_a_failing_model_of_the_set_is_a_fault_and_no_score(published, sandbox, monkeypatch, model, fault):
    monkeypatch.setattr(checkers, "LIMITS", Limits(seconds=5, memory_mb=2048))
    problem = published(bag=model)["dcp_bench-bag"]
    check = checkers.check_outputs(problem, [sandbox.run(f"print({BAG_BEST!r})")], sandbox)
    assert check.feasible is None
    assert re.search(fault, check.fault)


def test_the_model_is_only_in_the_checkers_program(published, tmp_path):
    problem = published(bag=BAG)["dcp_bench-bag"]
    program = Path(problem.folder) / problem.checker.program.path
    assert Path(problem.folder) == tmp_path / "dataset" / ".storm"
    assert "boolvar" in program.read_text()
    assert problem.files == ()


def test_a_checker_is_written_again_only_if_it_changed(published, tmp_path):
    first = published(bag=BAG)["dcp_bench-bag"]
    program = Path(first.folder) / first.checker.program.path
    written = program.stat().st_mtime_ns
    assert read(tmp_path)["dcp_bench-bag"] == first
    assert program.stat().st_mtime_ns == written
    program.write_text("print('{\"feasible\": true}')")
    read(tmp_path)
    assert "boolvar" in program.read_text()
    other = published(bag=BAG.replace("<= 4", "<= 5"))["dcp_bench-bag"]
    assert other.checker != first.checker
    assert program.is_file()


def test_the_checkers_can_be_in_another_folder(published, tmp_path):
    published(bag=BAG)
    problem = read(tmp_path, dcp_bench(tmp_path / "elsewhere"))["dcp_bench-bag"]
    assert problem.folder == str(tmp_path / "elsewhere")


def test_a_folder_that_cannot_be_written_is_named(published, tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / ".storm").write_text("")
    with pytest.raises(ValueError, match=r"\.storm: the checkers cannot be written there .* copy the set to another"):
        published(bag=BAG)


def test_a_missing_library_is_named_before_the_first_program(published, monkeypatch):
    monkeypatch.setenv("STORM_LIBRARIES", "numpy")
    with pytest.raises(ValueError, match=r"its checkers need CPMpy in the sandbox; set STORM_LIBRARIES=cpmpy$"):
        published(bag=BAG)
    monkeypatch.setattr(module, "find", lambda names: ([], list(names)))
    with pytest.raises(
        ValueError, match=r"need CPMpy in the sandbox; pip install cpmpy, and set STORM_LIBRARIES=cpmpy$"
    ):
        published(bag=BAG)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mute", "from cpmpy import *\nmodel = Model()\n", "has no docstring with the question"),
        ("empty", '"""Print the number (n)."""\n', "the description or the model is empty"),
        ("latin", BAG.replace("bag", "b\xe4g").encode("latin-1"), "is not UTF-8"),
        ("a b", BAG, 'id "a b" is not a name'),
    ],
)
def test_an_incomplete_problem_is_left_out_with_a_warning(published, tmp_path, caplog, name, text, message):
    (tmp_path / "dataset" / name).mkdir(parents=True)
    file = tmp_path / "dataset" / name / f"{name}.cpmpy.py"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert list(published(bag=BAG)) == ["dcp_bench-bag"]
    assert f"{name}.cpmpy.py: left out: {message}" in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"framework": "MiniZinc"}, '"framework" is "MiniZinc"; only models in CPMpy can be checked'),
        ({"model": None}, '"model" is null; give a text'),
        ({"id": "../bag"}, 'id "../bag" is not a name'),
        ({"decision_variables": "take"}, '"decision_variables" is "take"; give a list of names'),
    ],
)
def test_an_incomplete_line_is_left_out_with_a_warning(tmp_path, caplog, fields, message):
    file = tmp_path / "dcp-bench-open.jsonl"
    file.write_text(json.dumps(row(BAG, **{"id": "bag", **fields})) + "\n")
    assert read(file) == {}
    assert f"{file}:1: left out: {message}" in caplog.text


def test_two_files_of_the_set_in_one_folder_are_named(tmp_path):
    for name in ("dcp-bench-open.jsonl", "dcp-bench-open-v0.1.0.jsonl"):
        (tmp_path / name).write_text(json.dumps(row(BAG, id="bag")) + "\n")
    with pytest.raises(ValueError, match=r"several files: dcp-bench-open-v0\.1\.0\.jsonl, dcp-bench-open\.jsonl; keep"):
        read(tmp_path)


def test_it_is_one_of_the_known_sets(tmp_path):
    assert WORKSPACES["dcp_bench"] is DCP_BENCH
    assert DCP_BENCH.find(tmp_path) is None
