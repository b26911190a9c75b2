"""Every error has a stable category and a message that names the fix; hostile calls cost only themselves."""

import os
from dataclasses import replace

import pytest

from storm_calm.serving.mcp import client_identity
from storm_calm.serving.mcp.quota import ONE_CLIENT
from support.mcp_clients import Connection
from support.mcp_programs import FROM_CSV
from support.running_mcp_server import RunningMcpServer


@pytest.mark.parametrize(
    ("code", "category", "status"),
    [
        ("1 / 0", "program_error", "error"),
        ("raise SystemExit(3)", "program_error", "error"),
        ("def f(:", "program_error", "error"),
        ("while True: pass", "timeout", "timeout"),
        ("x = b'1' * (3 << 30)", "memory", "memory_limit"),
        ("print('x' * 10_000_000)", "program_error", "output_limit"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_output(connection, code, category, status):
    result = connection.call("run_program", code=f"print('first')\n{code}", seconds=2)
    facts = result.structured_content
    assert result.is_error
    assert (facts["error"]["category"], facts["status"]) == (category, status)
    assert facts["record_id"]
    assert facts["stdout"].startswith("first") or code.startswith("def")


@pytest.mark.parametrize(
    ("tool", "arguments", "part"),
    [
        ("run_program", {}, "code: Field required"),
        ("run_program", {"code": 7}, "code: Input should be a valid string"),
        ("run_program", {"code": ["print(1)"]}, "code: Input should be a valid string"),
        ("run_program", {"code": "print(1)", "timeout": 5}, "timeout: unknown argument; there are files, paths, code"),
        ("run_program", {"code": "print(1)", "seconds": "soon"}, "seconds: Input should be a valid number"),
        ("run_program", {"code": "print(1)", "seconds": -1}, "seconds: Input should be greater than or equal to 0"),
        ("run_program", {"code": "print(1)", "seconds": 100}, "seconds: at most 25; use `submit`"),
        ("run_program", {"code": "print(1)", "outputs": ["../x"]}, "not inside the program's folder"),
        ("run_program", {"code": "print(1)", "outputs": ["/etc/passwd"]}, "not inside the program's folder"),
        ("run_program", {"code": "print(1)", "files": {"../../x": "1"}}, "not inside the program's folder"),
        ("run_program", {"code": "print(1)", "files": {"main.py": "1"}}, "main.py is the name of the program itself"),
        ("run_program", {"code": "print(1)", "files": {"a": {"b": 1}}}, "files.a: Input should be a valid string"),
        ("run_program", {"code": "print(1)", "files": {f"{n}": "" for n in range(50)}}, "at most 20 items"),
        ("run_program", {"code": "x = 1\n" * 300_000}, "code is 1800000 bytes long"),
        ("submit", {"code": "print(1)", "seconds": 1e9}, "seconds: at most 600"),
        ("what_if", {"record_id": "x", "changes": []}, "changes: List should have at least 1 item"),
        ("what_if", {"record_id": "x", "changes": [{"kind": "drop", "name": "a", "value": 1}]}, "changes.0.kind"),
        ("export_model", {"record_id": "x", "format": "exe"}, "format: Input should be 'mps', 'lp', 'csv' or 'xlsx'"),
        ("check_plan", {"record_id": "x" * 5000}, "record_id: String should have at most 100 characters"),
        ("ask", {"question": ""}, "question: String should have at least 1 character"),
        ("ask", {"question": "   "}, "the last message is empty"),
    ],
)
def test_wrong_arguments_are_named(client, tool, arguments, part):
    error = client.call(tool, **arguments).structured_content["error"]
    assert error["category"] == "invalid_input"
    assert part in error["message"]
    assert len(error["message"]) < 600


def test_unknown_names_and_ids_are_not_found(client):
    for tool, arguments in (
        ("fly", {}),
        ("run_program", {"code": "print(1)", "session": "session-1"}),
        ("status", {"job_id": "job-1"}),
        ("result", {"job_id": "job-1"}),
        ("cancel", {"job_id": "job-1"}),
        ("check_plan", {"record_id": "run-1"}),
        ("what_if", {"record_id": "run-1", "changes": [{"kind": "upper", "name": "x", "value": 1}]}),
        ("export_model", {"record_id": "run-1", "format": "mps"}),
        ("explain_infeasible", {"record_id": "run-1"}),
    ):
        assert client.category(tool, **arguments) == "not_found", tool
    for uri in ("storm://runs/run-1/plan.csv", "storm://other", "file:///etc/passwd", "storm://runs/../../etc/passwd"):
        with pytest.raises(Exception, match=r"no run|is not a resource"):
            client.read(uri)


def test_what_a_model_does_not_allow_is_said(client):
    run = client.facts("run_program", code=FROM_CSV, paths=["products.csv"])
    record = run["record_id"]
    assert client.category("explain_infeasible", record_id=record) == "unsupported"
    assert client.category("check_plan", record_id=record, solve=2) == "invalid_input"
    for change in (
        {"kind": "row_upper", "name": "labour", "value": 1},
        {"kind": "cost", "name": "make_stools", "value": None},
        {"kind": "coefficient", "name": "labor", "value": 1},
        {"kind": "upper", "name": "make_stools", "value": 1, "variable": "make_shelves"},
    ):
        assert client.category("what_if", record_id=record, changes=[change]) == "invalid_input"
    nothing = client.facts("run_program", code="print(1)")
    assert client.category("check_plan", record_id=nothing["record_id"]) == "unsupported"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e308, True, "ten", None])
def test_a_plan_has_finite_numbers(client, number):
    run = client.facts("run_program", code=FROM_CSV, paths=["products.csv"])
    plan = {"make_stools": number}
    if number is True:  # As JSON, true is no number, but many clients mean 1.
        assert client.facts("check_plan", record_id=run["record_id"], plan=plan)["outcome"] == "passed"
    else:
        assert client.category("check_plan", record_id=run["record_id"], plan=plan) == "invalid_input"


def test_a_question_that_the_nano_model_does_not_know_is_unsupported(client):
    assert client.category("ask", question="Who are you?") == "unsupported"


def test_only_files_under_the_declared_folders_are_read(client, data_folder, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    (data_folder / "link.txt").symlink_to(secret)
    (data_folder / "linked").symlink_to(tmp_path)
    (data_folder / "inside.txt").symlink_to(data_folder / "products.csv")
    os.mkfifo(data_folder / "pipe")
    with (data_folder / "huge.csv").open("wb") as file:
        file.truncate(2 << 30)
    print_all = "import os\nprint(sorted(os.listdir('.')))"
    given = client.facts("run_program", code=print_all, paths=["inside.txt", str(data_folder / "products.csv")])
    assert given["stdout"] == "['inside.txt', 'main.py', 'products.csv']\n"
    for path, category in (
        ("/etc/passwd", "not_found"),
        ("../secret.txt", "not_found"),
        (f"{data_folder}/../../../../etc/passwd", "not_found"),
        ("link.txt", "not_found"),
        ("linked/secret.txt", "not_found"),
        ("missing.csv", "not_found"),
        (str(secret), "not_found"),
        (".", "invalid_input"),
        ("pipe", "invalid_input"),
        ("huge.csv", "invalid_input"),
        ("", "invalid_input"),
        ("a\0b", "invalid_input"),
        ("/proc/self/environ", "not_found"),
        ("x" * 10_000, "invalid_input"),
    ):
        result = client.call("run_program", code="print(1)", paths=[path])
        assert result.structured_content["error"]["category"] == category, path
        assert "secret" not in result.structured_content["error"]["message"].replace(path, "")


def test_without_a_declared_folder_no_file_is_read():
    with Connection([]) as client:
        result = client.call("run_program", code="print(1)", paths=["/etc/hostname"])
        assert "start the server with --root" in result.structured_content["error"]["message"]
        run = client.facts("run_program", code="print(open('a.txt').read())", files={"a.txt": "inline"})
        assert run["stdout"] == "inline\n"


def test_the_oldest_runs_are_dropped_with_a_clear_error(client, monkeypatch):
    monkeypatch.setattr(client_identity, "ONE_CLIENT", replace(ONE_CLIENT, runs=3))
    ids = [client.facts("run_program", code=f"print({n})")["record_id"] for n in range(5)]
    error = client.call("check_plan", record_id=ids[0]).structured_content["error"]
    assert error["category"] == "not_found"
    assert "was dropped: a session keeps the newest 3 runs" in error["message"]
    assert client.read(f"storm://runs/{ids[-1]}/stdout.txt").text == "4\n"


def test_large_outputs_drop_older_runs_by_their_bytes(client, monkeypatch):
    monkeypatch.setattr(client_identity, "ONE_CLIENT", replace(ONE_CLIENT, bytes=5_000_000))
    code = "open('big', 'wb').write(bytes(2_000_000))"
    ids = [client.facts("run_program", code=code, outputs=["big"])["record_id"] for _ in range(4)]
    assert client.category("check_plan", record_id=ids[0]) == "not_found"
    assert client.read(f"storm://runs/{ids[-1]}/program.py").text == code


def test_another_session_closes_the_one_used_least_recently(client):
    ids = [client.facts("run_program", code="x = 1", session="new")["session_id"] for _ in range(5)]
    error = client.call("run_program", code="print(x)", session=ids[0]).structured_content["error"]
    assert error["category"] == "not_found"
    assert "was closed: a client has 4 at a time" in error["message"]
    assert client.facts("run_program", code="print(x)", session=ids[-1])["stdout"] == "1\n"


def test_a_model_server_that_cannot_be_reached_is_unavailable_and_programs_still_run():
    with RunningMcpServer("http://127.0.0.1:9/v1") as live, Connection(live.url) as client:
        assert client.category("ask", question="How many chairs?") == "unavailable"
        assert client.facts("run_program", code="print(1)")["stdout"] == "1\n"
