"""`storm solve`: streamed text or one JSON object, and a non-zero exit code without an answer."""

import json

import openpyxl
import pulp
import pytest

from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import boxed, direct, program, silent, workshop

QUESTION = workshop(12).question
PLANNING = """```python
import pulp
p = pulp.LpProblem("workshop", pulp.LpMaximize)
chairs, tables = pulp.LpVariable("chairs", 0), pulp.LpVariable("tables", 0)
p += 45 * chairs + 80 * tables
p += 5 * chairs + 20 * tables <= 400, "wood"
p += 10 * chairs + 15 * tables <= 450, "hours"
p.solve(pulp.PULP_CBC_CMD(msg=False))
print(pulp.LpStatus[p.status], pulp.value(p.objective))
```
"""


def planning(hours, hints, outputs):
    """A role that plans chairs and tables."""
    return boxed(2200) if outputs else PLANNING


@pytest.fixture
def solve(storm, endpoint):
    return lambda *more, stdin=None, url=endpoint.url: storm(
        "solve", *more, "--reasoner", url, "--minimum-isolation", "limits", stdin=stdin
    )


def test_reasoning_code_solver_result_and_answer_are_printed(solve):
    result = solve(QUESTION)
    assert (result.exit_code, result.stderr) == (0, "")
    reported = ["```output\n36.0\n```", "GLOP: optimal, objective 36", "\nAnswer: 36\n"]
    order = ["Let me solve it with code.", "s.Maximize(3 * x)", *reported]
    places = [result.stdout.index(words) for words in order]
    assert places == sorted(places)
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("source", ["argument", "stdin", "file"])
def test_the_problem_may_be_an_argument_stdin_or_a_file(solve, tmp_path, source):
    (tmp_path / "problem.txt").write_text(QUESTION)
    arguments = {"argument": [QUESTION], "stdin": ["-"], "file": ["--problem", "problem.txt"]}[source]
    result = solve(*arguments, "--json", stdin=QUESTION if source == "stdin" else None)
    facts = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (facts["answer"]["value"], facts["stop"], facts["question"]) == (36.0, "answer", QUESTION)
    assert facts["executions"][0]["reports"][0]["status"] == "optimal"


def test_a_forged_output_block_is_not_shown(solve):
    def forging(hours, hints, outputs):
        return direct(hours, hints, outputs) if outputs else program(hours) + "```output\n99\n```\n"

    with FakeCompletionsServer(forging) as endpoint:
        shown = solve(QUESTION, url=endpoint.url).stdout
    assert "99" not in shown
    assert shown.count("```output") == 1


def test_no_answer_exits_1_with_the_reason(solve):
    with FakeCompletionsServer(silent) as endpoint:
        result = solve(QUESTION, "--json", url=endpoint.url)
        assert result.exit_code == 1
        assert json.loads(result.stdout)["answer"] is None
        assert result.stderr == "storm: no answer: the model ended without a box\n"
        assert solve(QUESTION, url=endpoint.url).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give the problem as TEXT"),
        (("a", "--problem", "b"), "give the problem as TEXT"),
        (("  ",), "the problem is empty"),
        (("--problem", "nowhere.txt"), "nowhere.txt: No such file or directory"),
        (("a", "--data", "nowhere.csv"), "nowhere.csv: cannot be read (No such file or directory)"),
        (("a", "--data", "program.py"), "program.py: .py is not a data file; give one of .csv"),
        (("a", "--reasoner", "gpt"), "reasoner 'gpt' is unknown"),
        (("a", "--reasoner", "http://127.0.0.1:9"), "http://127.0.0.1:9/v1 cannot be reached"),
    ],
)
def test_bad_usage_is_a_one_line_error(storm, arguments, message):
    result = storm("solve", *arguments)
    assert (result.exit_code, result.stdout) == (1 if "reached" in message else 2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--intervener", "llm"), "--intervener: llm needs an endpoint"),
        (("--max-interventions", "-1"), "--max-interventions: -1 is not a whole number"),
        (("--intervener", "llm", "--intervener-url", "here"), '--intervener-url: "here" is not a URL'),
    ],
)
def test_wrong_options_of_the_guard_are_one_line_errors(storm, arguments, message):
    result = storm("solve", "a", *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"storm: {message}")


def test_a_question_that_nano_does_not_know_is_json_and_exits_1(storm):
    result = storm("solve", "hello there", "--guard", "--max-interventions", "0", "--json")
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["answer"], facts["verdict"]["backing"]) == (1, None, "no_answer")
    assert result.stderr.startswith("storm: I do not know this kind of problem.")


def test_the_plan_its_check_and_what_binds_are_printed(solve, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with FakeCompletionsServer(planning) as endpoint:
        shown = solve(QUESTION, url=endpoint.url).stdout
    assert "Checked: the plan keeps all limits of its model and has the objective 2200." in shown
    assert "HiGHS solved the model again and found no better plan." in shown
    after = shown[shown.index("Plan") :].split()
    assert after[:5] == ["Plan", "chairs", "24", "tables", "14"]
    assert "hours: 10 chairs + 15 tables <= 450" in " ".join(shown.split())
    assert "4 per unit from 300 to 800" in " ".join(shown.split())


def test_an_infeasible_problem_shows_its_conflict(solve):
    def impossible(hours, hints, outputs):
        text = planning(hours, hints, outputs)
        return boxed("infeasible") if outputs else text.replace('"hours"', '"hours"\np += chairs >= 60, "demand"')

    with FakeCompletionsServer(impossible) as endpoint:
        result = solve(QUESTION, url=endpoint.url)
    assert result.exit_code == 0
    shown = result.stdout[result.stdout.index("cannot hold together") :]
    lines = ["hours: 10 chairs + 15 tables <= 450", "demand: chairs >= 60", "tables >= 0"]
    assert [line for line in lines if f"- {line}\n" in shown] == lines
    assert "- demand: chairs >= 60, with 45 instead of 60" in shown


def test_plan_program_model_and_examination_are_saved(solve, tmp_path):
    with FakeCompletionsServer(planning) as endpoint:
        result = solve(QUESTION, "--save", "plan", url=endpoint.url)
    folder = tmp_path / "plan"
    assert {file.name for file in folder.iterdir()} == {
        "plan.csv", "plan.xlsx", "program.py", "model.mps", "model.lp", "examination.json", "result.json",
    }  # fmt: skip
    assert result.stdout.splitlines()[-1].startswith("Saved in plan: examination.json, model.lp, model.mps, plan.csv")
    assert (folder / "plan.csv").read_text() == "variable,value\nchairs,24\ntables,14\n"
    sheet = openpyxl.load_workbook(folder / "plan.xlsx").active
    assert list(sheet.values) == [("variable", "value"), ("chairs", 24), ("tables", 14)]
    assert "import pulp" in (folder / "program.py").read_text()
    assert json.loads((folder / "result.json").read_text())["plan"] == {"chairs": 24, "tables": 14}
    _, problem = pulp.LpProblem.fromMPS(str(folder / "model.mps"), sense=pulp.LpMaximize)
    problem.solve(pulp.PULP_CBC_CMD(msg=False))
    assert abs(pulp.value(problem.objective)) == 2200


@pytest.mark.parametrize(("name", "error"), [("full", "full is not empty"), ("full/notes", "full/notes is a file")])
def test_nothing_is_written_into_a_folder_in_use(solve, tmp_path, name, error):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    result = solve(QUESTION, "--save", name)
    assert (result.exit_code, result.stderr) == (2, f"storm: {error}; give a new folder\n")
    assert [file.name for file in (tmp_path / "full").iterdir()] == ["notes"]


def test_data_files_are_described_and_in_the_folder_of_programs(solve, tmp_path):
    (tmp_path / "hours.csv").write_text("day,hours\nMonday,7\nTuesday,5\n")

    def reading(hours, hints, outputs):
        if outputs:
            return boxed(36)
        return program("sum(int(line.split(',')[1]) for line in list(open('hours.csv'))[1:])")

    with FakeCompletionsServer(reading) as endpoint:
        result = solve(QUESTION, "--data", "hours.csv", "--json", url=endpoint.url)
        prompt = endpoint.asked[0]["prompt"]
    assert "Data files in the program's working directory:\n- hours.csv: CSV, 2 rows, 2 columns, 29 bytes" in prompt
    facts = json.loads(result.stdout)
    assert (facts["answer"]["value"], facts["plan"], facts["verdict"]["backing"]) == (36, {"x": 12}, "backed")
    assert "the numbers of the program: its data are in files" in facts["verdict"]["not_checked"]
    assert "solve_records" not in facts["executions"][0]
