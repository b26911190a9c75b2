"""Workspaces: a problem's files are read and verified, and the question says what programs must write."""

import hashlib
import os

import pytest

from storm_calm.env import Problem, SolverEnv
from storm_calm.env import workspace as workspaces
from storm_calm.env.problem import Checker, Output, ProblemFile
from storm_calm.env.workspace import full_question, named_files, problem_file, program_limits, workspace_files
from storm_calm.sandbox import Limits, open_sandbox


@pytest.fixture(scope="module")
def real_sandbox():
    with open_sandbox(workers=1) as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "costs.csv").write_text("depot,cost\nA,4\nB,5\n")
    return tmp_path


def workspace(folder, *paths, **fields):
    files = tuple(problem_file(str(folder), path) for path in paths)
    return Problem(id="w", question="Which depots?", answers=(4.0,), folder=str(folder), files=files, **fields)


def test_files_are_read_by_their_path(folder):
    assert workspace_files(workspace(folder, "data/costs.csv")) == {"data/costs.csv": b"depot,cost\nA,4\nB,5\n"}


def test_a_problem_without_files_needs_no_folder():
    problem = Problem(id="p", question="Q?  \n", answers=(1.0,))
    assert workspace_files(problem) == {}
    assert full_question(problem) == problem.question


def test_a_missing_file_is_named(folder):
    problem = workspace(folder, "data/costs.csv")
    (folder / "data" / "costs.csv").unlink()
    with pytest.raises(ValueError, match=r"data/costs\.csv: no such file; put"):
        workspace_files(problem)


def test_a_changed_file_is_named(folder):
    problem = workspace(folder, "data/costs.csv")
    (folder / "data" / "costs.csv").write_text("depot,cost\nA,1\n")
    with pytest.raises(ValueError, match=r"data/costs\.csv: has changed since .* restore it"):
        workspace_files(problem)


def test_a_link_that_leads_out_of_the_folder_is_refused(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.csv"
    secret.write_text("x\n")
    (folder / "link.csv").symlink_to(secret)
    with pytest.raises(ValueError, match=r"link\.csv: leads out of the problem's folder"):
        problem_file(str(folder), "link.csv")


@pytest.mark.parametrize("path", ["../costs.csv", "/etc/passwd", "a/../../b", "C:\\x", "data\\x.csv", "", "a\nb"])
def test_a_path_outside_the_folder_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        ProblemFile(path=path, sha256="0" * 64)


def test_a_file_of_two_gigabytes_is_refused_without_reading_it(folder):
    with (folder / "big.csv").open("wb") as file:
        os.truncate(file.fileno(), 2 << 30)
    with pytest.raises(ValueError, match=r"big\.csv: has 2048 MiB, more than 64; give less data"):
        problem_file(str(folder), "big.csv")


def test_the_files_of_a_problem_have_a_limit_together(folder, monkeypatch):
    monkeypatch.setattr(workspaces, "MAX_WORKSPACE_BYTES", 30)
    (folder / "more.csv").write_text("depot,cost\nC,4\nD,5\n")
    with pytest.raises(ValueError, match="the files of the problem have more than"):
        workspace_files(workspace(folder, "data/costs.csv", "more.csv"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"files": (ProblemFile(path="a.csv", sha256="0" * 64),)}, "files need a folder"),
        ({"checker": Checker(function="family")}, "a checker needs outputs"),
        ({"outputs": (Output(path="p.json"), Output(path="p.json"))}, "'p.json' is given twice"),
        ({"time_limit": 0.0}, "time_limit is 0"),
        ({"memory_mb": 0}, "memory_mb is 0; give a number of at least 1"),
        ({"tolerance": -1.0}, "tolerance is -1.0"),
        (
            {"folder": "/d", "files": (ProblemFile(path="a", sha256="0" * 64),), "outputs": (Output(path="a"),)},
            "'a' is a file and an output",
        ),
        ({"folder": "/d", "files": (ProblemFile(path="main.py", sha256="0" * 64),)}, "rename it"),
    ],
)
def test_an_impossible_workspace_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Problem(id="p", question="Q?", answers=(1.0,), **fields)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "plan"}, "the schema is invalid at"),
        ({"$ref": "http://localhost/plan.json"}, "the schema refers to http://localhost/plan.json"),
    ],
)
def test_an_unusable_schema_is_refused(schema, message):
    with pytest.raises(ValueError, match=message):
        Output(path="plan.json", schema=schema)


def test_the_question_says_what_to_write_how_long_it_may_take_and_which_files_there_are(folder):
    outputs = (Output(path="plan.json", schema={"type": "object"}), Output(path="-"))
    asked = full_question(workspace(folder, "data/costs.csv", outputs=outputs, time_limit=20.0, memory_mb=512))
    places = [
        asked.index(words)
        for words in (
            "Which depots?",
            'plan.json in the working directory, as JSON with this schema:\n{"type": "object"}',
            "print the result as one JSON object",
            "Each program may use at most 20 seconds and 512 MiB of memory.",
            "Data files in the program's working directory:\n- data/costs.csv",
        )
    ]
    assert places == sorted(places)


def test_the_problems_limits_replace_the_sandboxs(folder):
    problem = workspace(folder, time_limit=20.0)
    assert program_limits(problem, Limits(seconds=5, memory_mb=100)) == Limits(seconds=20.0, memory_mb=100)


@pytest.mark.parametrize("sessions", [False, True])
def test_programs_find_the_files_of_the_problem_and_no_others(folder, real_sandbox, renderer, sessions):
    (folder / "check.py").write_text("print(1)")
    env = SolverEnv(real_sandbox, renderer, sessions=sessions)
    env.reset(workspace(folder, "data/costs.csv"))
    result = env.step(
        "```python\nimport pathlib\nprint(sorted(str(p) for p in pathlib.Path().rglob('*') if p.is_file()))\n"
        "print(open('data/costs.csv').read())\n```\n"
    )
    env.close()
    assert "check.py" not in result.observation
    assert "data/costs.csv" in result.observation
    assert "B,5" in result.observation


def test_the_hash_is_that_of_the_content(folder):
    content = (folder / "data" / "costs.csv").read_bytes()
    assert problem_file(str(folder), "data/costs.csv").sha256 == hashlib.sha256(content).hexdigest()


def test_files_that_a_program_names_are_found():
    code = (
        "df = pd.read_csv('costs.csv')\nopen(\"plan (1).json\", 'w')\nfig.savefig('Größe.png')\n"
        "open('../x.csv'); open('/etc/passwd.txt'); open('a\\n.csv'); 'main.py'; '3.5'; 'x.y z'; 'costs.csv'"
    )
    assert named_files(code) == ["costs.csv", "plan (1).json", "Größe.png"]
    assert len(named_files("\n".join(f"'{number}.csv'" for number in range(100)))) == 20


@pytest.mark.parametrize("keep", [True, False])
def test_files_that_a_program_names_are_returned_if_they_are_wanted(real_sandbox, renderer, keep):
    env = SolverEnv(real_sandbox, renderer, keep_files=keep, files={"costs.csv": b"1"})
    env.reset(Problem(id="p", question="Q?", answers=()))
    result = env.step("```python\nopen('plan.txt', 'w').write(open('costs.csv').read() * 2)\n```")
    assert result.execution.files == ({"plan.txt": b"11"} if keep else {})
