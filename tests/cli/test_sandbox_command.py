"""`storm sandbox check` and `storm sandbox run`: their output and exit codes."""

import json
import signal

import pytest

from storm_calm.sandbox import Sandbox, open_sandbox
from storm_calm.sandbox.selfcheck import CASES, runner

SOLVE = """
from ortools.sat.python import cp_model
m = cp_model.CpModel()
x = m.new_int_var(0, 9, "x")
m.add(2 * x <= 15)
m.maximize(x)
s = cp_model.CpSolver()
s.solve(m)
print(s.value(x))
"""


@pytest.fixture(scope="module")
def isolation():
    """Return the isolation level available on this machine."""
    with open_sandbox(minimum_isolation="limits") as sandbox:
        return sandbox.isolation


@pytest.fixture
def run(storm, isolation):
    return lambda *more, stdin=None: storm("sandbox", "run", *more, "--minimum-isolation", isolation, stdin=stdin)


def test_run_shows_status_output_and_solver_reports(run, isolation, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run("-", stdin=SOLVE)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok · exit code 0 · ")
    assert lines[0].endswith(f"local, isolation {isolation}")
    assert lines[2:4] == ["output", "7"]
    assert "ortools.cp_model CP-SAT" in result.stdout
    assert "1 int" in result.stdout
    assert max(map(len, lines)) <= 80


def test_json_output_is_the_execution(run):
    result = run("-", "--json", stdin=SOLVE)
    execution = json.loads(result.stdout)
    assert (execution["status"], execution["stdout"], execution["backend"]) == ("ok", "7\n", "local")
    assert execution["reports"][0]["objective"] == 7


@pytest.mark.parametrize(
    ("code", "arguments", "exit_code", "shown"),
    [
        ("raise SystemExit(7)", (), 7, "error · exit code 7"),
        ("1 / 0", (), 1, "ZeroDivisionError"),
        ("import ctypes; ctypes.string_at(0)", (), 128 + signal.SIGSEGV, "error · signal 11"),
        ("while True: pass", ("--solver-seconds", "0.3"), 1, "timeout after 0.3 s"),
        ("x = bytes(1 << 30)", ("--memory-mb", "256"), 1, "memory_limit of 256 MiB"),
        ("print('x' * 10**6)", (), 1, "(cut: more than 64 KiB)"),
    ],
)
def test_the_exit_code_is_the_programs_or_marks_a_stopped_one(run, code, arguments, exit_code, shown):
    result = run("-", *arguments, stdin=code)
    assert result.exit_code == exit_code
    assert shown in result.stdout


def test_control_characters_in_output_are_escaped(run):
    assert "\\x1b[31mred\\x07" in run("-", stdin="print('\\x1b[31mred\\x07')").stdout


def test_input_files_and_results_are_copied(run, tmp_path):
    (tmp_path / "program.py").write_text("open('double', 'w').write(open('data').read() * 2)")
    (tmp_path / "data").write_text("ab")
    result = run("program.py", "--file", "data", "--result", "double", "--result", "nothing", "--out", "here")
    assert (result.exit_code, (tmp_path / "here" / "double").read_text()) == (0, "abab")
    assert "here/double: 4 bytes" in result.stdout
    assert result.stderr == "storm: nothing: the program left no regular file of that name\n"


@pytest.mark.parametrize("name", ["data (1).csv", "Größe.csv", "数据.csv", "plan d'été.csv", "-x.csv", "😀.csv"])
def test_input_and_output_files_may_have_any_ordinary_name(run, tmp_path, name):
    (tmp_path / "program.py").write_text(f"open({f'2 {name}'!r}, 'w').write(open({name!r}).read() * 2)")
    (tmp_path / name).write_text("ab")
    result = run("program.py", f"--file={name}", f"--result=2 {name}", "--out", "here")
    assert (result.exit_code, (tmp_path / "here" / f"2 {name}").read_text()) == (0, "abab")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.py",), "nowhere.py: No such file or directory"),
        (("folder",), "folder: Is a directory"),
        (("binary",), "binary: byte 2 is not UTF-8"),
        (("empty",), "empty: the program is empty; give Python code"),
        (("fine", "--solver-seconds", "0"), "--solver-seconds: 0.0 is not a number above 0"),
        (("fine", "--solver-seconds", "nan"), "--solver-seconds: nan is not a number above 0"),
        (("fine", "--memory-mb", "0"), "--memory-mb: 0 is not a whole number of at least 1"),
        (("fine", "--file", "nowhere"), "nowhere: No such file or directory"),
        (("fine", "--file", "fine", "--file", "folder/fine"), "--file folder/fine: another file is also named 'fine'"),
        (("fine", "--file", "folder/main.py"), "--file folder/main.py: main.py is the name of the program"),
        (("fine", "--file", "a\\b"), "--file: path 'a\\\\b' has a backslash; separate folders with /"),
        (("fine", "--result", "x"), "--result NAME and --out DIR need each other"),
        (("fine", "--result", "../x", "--out", "."), "path '../x' is not inside the program's folder"),
        (("fine", "--sandbox", "podman"), '--sandbox: "podman" is not one of local, docker, e2b, ray'),
        (("fine", "--isolation", "strong"), '--isolation: "strong" is not one of full, landlock, limits'),
        (
            ("fine", "--isolation", "limits", "--minimum-isolation", "full"),
            "isolation level 'limits' is below minimum_isolation 'full'",
        ),
        (("fine", "--image", "x"), "--image: needs --sandbox docker, not local; leave it out"),
    ],
)
def test_bad_usage_is_a_one_line_error(storm, tmp_path, arguments, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"x\xff")
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "a\\b").write_text("")
    for name in ("fine", "folder/fine", "folder/main.py"):
        (tmp_path / name).write_text("print(1)")
    result = storm("sandbox", "run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "check"])
def test_without_a_sandbox_the_exit_code_is_2(storm, monkeypatch, command):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    arguments = ("run", "-") if command == "run" else ("check",)
    result = storm("sandbox", *arguments, "--sandbox", "docker", stdin="print(1)")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.fixture
def few_cases(monkeypatch):
    """Limit the self-check to a few cases. The complete one has its own test."""
    names = {"connections of all kinds", "an error", "sys.exit with a number", "a pool of processes"}
    kept = [case for case in CASES if case.name in names]
    whole = runner.self_check
    monkeypatch.setattr("storm_calm.sandbox.selfcheck.self_check", lambda *a, **k: whole(*a, **k, cases=kept))


@pytest.fixture
def few_libraries(monkeypatch):
    """Look for only a few libraries, to save time."""
    monkeypatch.setattr(
        "storm_calm.sandbox.selfcheck.libraries", lambda sandbox: ({"python": "3", "nothing": None}, [])
    )


def test_check_shows_isolation_libraries_and_passed_cases(storm, isolation, few_cases, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = storm("sandbox", "check")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"Sandbox local: isolation level {isolation}"
    assert "python 3." in result.stdout
    assert "ortools 9." in result.stdout
    assert any(line.startswith("network ") for line in lines)
    assert "All " in lines[-1]
    assert max(map(len, lines)) <= 80


def test_check_of_a_lower_isolation_lists_missing_protections_and_skipped_cases(
    storm, isolation, few_cases, few_libraries
):
    result = storm("sandbox", "check", "--isolation", "limits")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "- the caller asked for no more than isolation level 'limits'" in words
    assert "1 skipped: holds from isolation level 'full' on; this is 'limits'" in words


def test_a_broken_case_is_named_and_exits_1(storm, isolation, few_cases, few_libraries, monkeypatch):
    real = Sandbox.run

    def leaky(self, code, **more):
        return real(self, code.replace("sys.exit(3)", "sys.exit(4)"), **more)

    monkeypatch.setattr(Sandbox, "run", leaky)
    result = storm("sandbox", "check", "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    broken = [(outcome["theme"], outcome["name"]) for outcome in facts["outcomes"] if outcome["state"] == "broken"]
    assert broken == [("endings", "sys.exit with a number")]
    assert facts["libraries"] == {"python": "3", "nothing": None}
    assert (facts["backend"], facts["isolation"]) == ("local", isolation)
    shown = storm("sandbox", "check")
    assert shown.exit_code == 1
    assert "endings: sys.exit with a number: exit code 4" in " ".join(shown.stdout.split())
    assert "1 of " in shown.stdout


@pytest.mark.parametrize("command", [[], ["check"], ["run"]])
def test_every_help_text_starts_with_the_purpose_and_ends_with_two_examples(storm, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    lines = [line.strip() for line in storm("sandbox", *command, "--help").stdout.splitlines() if line.strip()]
    assert lines[0].startswith("Usage:")
    assert lines[1].endswith(".")
    assert lines[-3] == "Examples:"
    assert all(line.startswith("storm sandbox ") for line in lines[-2:])
