"""The routes for plans: programs, reports, what-if, export and previews, without the language model."""

import base64
import csv
import io
import json

import highspy
import httpx
import openpyxl
import pytest

from storm_calm.serving.api.auth import Keys, digest
from support.running_server import RunningServer

PROGRAM = """
import pandas as pd, pulp
limits = pd.read_csv("limits.csv").set_index("name")["value"]
problem = pulp.LpProblem("workshop", pulp.LpMaximize)
chairs, tables = pulp.LpVariable("chairs", 0), pulp.LpVariable("tables", 0)
problem += 45 * chairs + 80 * tables
problem += 5 * chairs + 20 * tables <= limits["wood"], "wood"
problem += 10 * chairs + 15 * tables <= limits["hours"], "hours"
problem.solve(pulp.PULP_CBC_CMD(msg=False))
open("note.txt", "w").write("done")
print(pulp.value(problem.objective))
"""


def encoded(text):
    return base64.b64encode(text.encode()).decode()


BODY = {
    "code": PROGRAM,
    "files": {"limits.csv": encoded("name,value\nwood,400\nhours,450\n")},
    "results": ["note.txt"],
}


@pytest.fixture(scope="module")
def ran(nano):
    return httpx.post(f"{nano.url}/programs/run", json=BODY, timeout=60).json()


@pytest.fixture
def send(nano):
    with httpx.Client(base_url=nano.url, timeout=60) as client:
        yield lambda path, body: client.post(path, json=body)


def test_a_program_runs_with_its_files_and_its_solve_is_examined(ran):
    assert (ran["status"], ran["stdout"]) == ("ok", "2200.0\n")
    assert base64.b64decode(ran["files"]["note.txt"]) == b"done"
    assert ran["report"]["objective"] == 2200
    assert {row["name"]: row["worth"] for row in ran["report"]["constraints"]} == {"wood": 1.0, "hours": 4.0}
    assert ran["report"]["check"]["outcome"] == "passed"


def test_what_if_solves_the_changed_model_and_can_be_chained(ran, send):
    more = send("/plans/what-if", {"record": ran["record"], "changes": [change("hours", 500)]}).json()
    assert (more["status"], more["objective_before"], more["report"]["objective"]) == ("optimal", 2200, 2400)
    assert {one["name"]: one["after"] for one in more["differences"]} == {"chairs": 32.0, "tables": 12.0}
    less = send("/plans/what-if", {"record": more["record"], "changes": [change("hours", 450)]}).json()
    assert (less["objective_before"], less["report"]["objective"]) == (2400, 2200)
    none = send("/plans/what-if", {"record": ran["record"], "changes": [change("wood", -1)]}).json()
    assert none["status"] == "infeasible"
    assert none["report"]["relaxation"]["changes"][0]["kind"] == "row_upper"


def change(name, value, kind="row_upper"):
    return {"kind": kind, "name": name, "value": value}


def test_the_report_of_a_record_is_that_of_its_program(ran, send):
    assert send("/plans/report", {"record": ran["record"]}).json() == ran["report"]


def test_exports_reopen_in_a_solver_and_a_spreadsheet(ran, send, tmp_path):
    for form in ("mps", "lp"):
        response = send("/plans/export", {"record": ran["record"], "format": form})
        assert response.headers["content-disposition"] == f'attachment; filename="model.{form}"'
        file = tmp_path / f"model.{form}"
        file.write_bytes(response.content)
        highs = highspy.Highs()
        highs.silent()
        highs.readModel(str(file))
        highs.run()
        assert highs.getInfo().objective_function_value == pytest.approx(2200)
    table = send("/plans/export", {"record": ran["record"], "format": "csv"}).text
    assert list(csv.reader(io.StringIO(table))) == [["variable", "value"], ["chairs", "24"], ["tables", "14"]]
    book = openpyxl.load_workbook(
        io.BytesIO(send("/plans/export", {"record": ran["record"], "format": "xlsx"}).content)
    )
    assert [[cell.value for cell in row] for row in book.active.iter_rows()][1] == ["chairs", 24]


def test_an_answer_has_its_report_and_record_on_request(nano, send, families_question):
    body = {"model": "storm", "temperature": 0, "messages": [{"role": "user", "content": families_question}]}
    answer = send("/chat/completions", {**body, "storm": {"return_record": True}}).json()["storm"]
    assert answer["report"]["objective"] == answer["plan"]["objective"]
    assert send("/plans/report", {"record": answer["record"]}).status_code == 200
    assert "record" not in send("/chat/completions", body).json()["storm"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/plans/what-if", {"changes": []}, "record: Field required"),
        ("/plans/report", {"record": {"a": 1}}, 'record: "report" is missing'),
        ("/plans/report", {"record": {"malformed": "x"}}, "record: the record could not be read before: x"),
        ("/plans/export", {"record": {}, "format": "pdf"}, "format: Input should be 'mps', 'lp', 'csv' or 'xlsx'"),
        ("/programs/run", {"code": "1", "seconds": -1}, "seconds: Input should be greater than or equal to 0.1"),
        ("/programs/run", {"code": "1", "files": {"../a": ""}}, "is not a file name"),
        ("/programs/run", {"code": "1", "files": {"a.csv": "%"}}, "the file data is not base64"),
        ("/programs/run", {"code": "1", "results": ["../x"]}, "'../x'"),
        ("/data/preview", {"files": {"main.py": ""}}, "main.py is the name of the program itself"),
        ("/markdown", {"text": "x" * 200_001}, "text: String should have at most 200000 characters"),
    ],
)
def test_a_wrong_request_is_an_error_that_says_what_is_wrong(send, path, body, message):
    response = send(path, body)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("hour", 1), "'hour' is not a constraint of the model. Close names: 'hours'"),
        (change("chairs", None, "cost"), "cost of 'chairs': give a number"),
    ],
)
def test_an_impossible_change_names_the_fault(ran, send, changed, message):
    response = send("/plans/what-if", {"record": ran["record"], "changes": [changed]})
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


def test_a_record_is_as_untrusted_as_its_program(ran, send):
    forged = json.loads(json.dumps(ran["record"]))
    forged["values"] = [1000.0, 1000.0]
    assert send("/plans/report", {"record": forged}).json()["check"]["outcome"] == "failed"
    forged["model"]["row_columns"][0] = 7
    response = send("/plans/report", {"record": forged})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "record")


def test_a_program_that_fails_or_takes_too_long_has_a_status(send):
    assert send("/programs/run", {"code": "1 / 0"}).json()["status"] == "error"
    slow = send("/programs/run", {"code": "while True: pass", "seconds": 0.5}).json()
    assert (slow["status"], slow["report"], slow["record"]) == ("timeout", None, None)


def test_a_preview_has_columns_with_types_units_and_the_first_rows(send):
    book = openpyxl.Workbook()
    book.active.append(["day", "demand_kg"])
    book.active.append(["2026-01-05", 12])
    content = io.BytesIO()
    book.save(content)
    files = {
        "plants.csv": encoded("plant,cost ($/t),open\nA,3.5,yes\nB,,no\n"),
        "demand.xlsx": base64.b64encode(content.getvalue()).decode(),
        "note.txt": encoded("Two plants.\n"),
        "bad.xlsx": encoded("no workbook"),
    }
    found = {(one["name"], one["title"]): one for one in send("/data/preview", {"files": files}).json()["files"]}
    plants = found["plants.csv", ""]
    assert [(one["name"], one["type"], one["unit"], one["missing"]) for one in plants["columns"]] == [
        ("plant", "text", "", 0),
        ("cost ($/t)", "number", "$/t", 1),
        ("open", "text", "", 0),
    ]
    assert plants["rows"] == [["A", "3.5", "yes"], ["B", "", "no"]]
    assert (plants["row_count"], plants["columns"][0]["key"]) == (2, True)
    assert found["demand.xlsx", "Sheet"]["columns"][1]["unit"] == "kg"
    assert found["note.txt", ""]["text"] == "Two plants."
    assert "damaged" in found["bad.xlsx", ""]["summary"]


def test_keys_and_rate_limits_hold_for_plans():
    with RunningServer("nano", keys=Keys({"ana": digest("a" * 32)}), key_per_minute=1) as server:
        url = f"{server.url}/markdown"
        assert httpx.post(url, json={"text": "a"}).status_code == 401
        headers = {"authorization": f"Bearer {'a' * 32}"}
        assert httpx.post(url, json={"text": "a"}, headers=headers).json() == {"tree": None}
        assert httpx.post(url, json={"text": "a"}, headers=headers).status_code == 429
