"""From a file to a checked plan, with the tools an agent uses, over both transports."""

import base64

import highspy
import jsonschema
import openpyxl
import pytest

from storm_calm.serving.mcp.tools import TOOLS
from support.mcp_programs import CP_SAT, FIRST_PLAN, FROM_CSV, INFEASIBLE

NAMES = [
    "run_program",
    "submit",
    "status",
    "result",
    "cancel",
    "check_plan",
    "explain_infeasible",
    "what_if",
    "export_model",
    "ask",
]


def test_the_tools_have_descriptions_schemas_and_annotations(connection):
    tools = connection.run(connection.client.list_tools()).tools
    assert [tool.name for tool in tools] == NAMES == list(TOOLS)
    for tool in tools:
        assert len(tool.description) >= 60
        assert tool.input_schema["additionalProperties"] is False
        assert all("description" in one for one in tool.input_schema["properties"].values())
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        validator = jsonschema.Draft202012Validator(tool.output_schema)
        assert validator.is_valid({"error": {"category": "busy", "message": "wait"}})
        assert not validator.is_valid({"error": {"category": "other", "message": "wait"}})
        assert not validator.is_valid({})
    reading = {tool.name for tool in tools if tool.annotations.read_only_hint}
    assert reading == {"status", "result", "check_plan", "explain_infeasible", "export_model"}
    assert [tool.name for tool in tools if tool.annotations.destructive_hint] == ["cancel"]


def test_a_csv_becomes_a_plan_that_is_checked_changed_and_exported(connection, tmp_path):
    run = connection.facts("run_program", code=FROM_CSV, paths=["products.csv"], outputs=["plan.txt", "no.txt"])
    assert (run["status"], run["stdout"]) == ("ok", "Optimal 1047.6\n")
    assert run["solves"][0]["solver"] == "CBC"
    assert run["plan"]["variables"] == {"make_shelves": 7.7, "make_stools": 8.7}
    assert run["missing_outputs"] == ["no.txt"]

    checked = connection.facts("check_plan", record_id=run["record_id"])
    assert checked["outcome"] == "passed"
    assert "HiGHS solved the model again" in checked["text"]
    assert checked["binding"][0] == "wood: 11 make_shelves + 9 make_stools <= 163; worth 5.52 per unit from 108 to 308"
    report = connection.read(checked["resources"][0].get("uri"))
    assert '"status": "optimal"' in report.text

    changes = [{"kind": "row_upper", "name": "labor", "value": 200}]
    changed = connection.facts("what_if", record_id=run["record_id"], changes=changes)
    assert (changed["status"], changed["objective_before"], changed["objective"]) == ("optimal", 1047.6, 1075.76)
    assert {one["name"] for one in changed["differences"]} == {"make_shelves", "make_stools"}
    changes = [{"kind": "upper", "name": "make_stools", "value": 10}]
    again = connection.facts("what_if", record_id=changed["record_id"], changes=changes)
    assert again["objective_before"] == 1075.76
    assert again["plan"]["variables"]["make_stools"] == 10

    exported = connection.facts("export_model", record_id=changed["record_id"], format="mps")
    (tmp_path / "model.mps").write_text(connection.read(exported["resource"]["uri"]).text)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(tmp_path / "model.mps"))
    solver.run()
    assert solver.getInfo().objective_function_value == pytest.approx(1075.76)


def test_files_of_a_run_are_resources(connection):
    run = connection.facts("run_program", code=FROM_CSV, paths=["products.csv"], outputs=["plan.txt"])
    texts = {one["uri"].rpartition("/")[2]: connection.read(one["uri"]) for one in run["resources"]}
    assert texts["program.py"].text == FROM_CSV
    assert texts["stdout.txt"].text == run["stdout"]
    assert texts["plan.csv"].text == "variable,value\nmake_shelves,7.7\nmake_stools,8.7\n"
    assert texts["plan.csv"].mime_type == "text/csv"
    assert texts["plan.txt"].text == "a plan"

    exported = connection.facts("export_model", record_id=run["record_id"], format="xlsx")
    content = base64.b64decode(connection.read(exported["resource"]["uri"]).blob)
    assert len(content) == exported["resource"]["bytes"]
    assert content.startswith(b"PK")


def test_resources_are_listed_unless_clients_may_share_them(connection, request):
    run = connection.facts("run_program", code="print(1)")
    listed = [one.uri for one in connection.run(connection.client.list_resources()).resources]
    assert listed[0] == "storm://skill/SKILL.md"
    shared = "http-auto" in request.node.name
    assert (f"storm://runs/{run['record_id']}/stdout.txt" in listed) != shared
    assert shared == (len(listed) == 1)


def test_a_plan_of_the_client_is_checked_against_the_model(client):
    run = client.facts("run_program", code=FROM_CSV, paths=["products.csv"])
    kept = client.facts("check_plan", record_id=run["record_id"], plan={"make_shelves": 10, "make_stools": 5})
    assert kept["outcome"] == "passed"
    assert kept["plan"]["objective"] == 970
    assert kept["explanation"][1] == "This plan has the objective 970; the solver's has 1047.6."
    broken = client.facts("check_plan", record_id=run["record_id"], plan={"make_shelves": 30})
    assert (broken["outcome"], broken["text"]) == (
        "failed",
        "The check failed: wood is violated by 167; labor is violated by 12.",
    )
    typo = client.call("check_plan", record_id=run["record_id"], plan={"make_shelfs": 1})
    assert "near are make_shelves" in typo.structured_content["error"]["message"]


def test_an_infeasible_model_is_a_result_and_its_cheapest_change_can_be_made(client):
    run = client.facts("run_program", code=INFEASIBLE)
    assert run["solves"][0]["status"] == "infeasible"
    assert run["plan"] is None
    why = client.facts("explain_infeasible", record_id=run["record_id"])
    assert why["irreducible"]
    assert set(why["conflict"]) == {"chairs >= 0", "tables >= 19", "wood: 5 chairs + 20 tables <= 200"}
    assert len(why["changes"]) == 1
    changes = [{name: change[name] for name in ("kind", "name", "value")} for change in why["changes"]]
    relaxed = client.facts("what_if", record_id=run["record_id"], changes=changes)
    assert relaxed["status"] == "optimal"


def test_cp_sat_models_are_checked_and_exported_in_their_own_text(client):
    run = client.facts("run_program", code=CP_SAT)
    assert client.facts("check_plan", record_id=run["record_id"])["outcome"] == "passed"
    plan = {"x": 4, "y": 3}
    assert client.facts("check_plan", record_id=run["record_id"], plan=plan)["plan"]["objective"] == 24
    exported = client.facts("export_model", record_id=run["record_id"], format="lp")
    assert exported["format"] == "pbtxt"
    assert "objective" in client.read(exported["resource"]["uri"]).text


def test_a_plan_that_is_not_proved_best_passes_with_a_remark(client):
    run = client.facts("run_program", code=FIRST_PLAN)
    assert run["solves"][0]["status"] == "feasible"
    checked = client.facts("check_plan", record_id=run["record_id"])
    assert checked["outcome"] == "passed"
    assert "the solver stopped before a proof" in checked["not_checked"][-1]


def test_programs_of_a_session_share_variables_and_files(connection):
    first = connection.facts("run_program", code="x = 41\nopen('note', 'w').write('kept')", session="new")
    session = first["session_id"]
    failed = connection.call("run_program", code="x = 0\n1 / 0", session=session)
    assert failed.structured_content["error"]["message"] == "ZeroDivisionError: division by zero"
    second = connection.facts("run_program", code="print(x + 1, open('note').read())", session=session)
    assert second["stdout"] == "42 kept\n"


def test_each_solve_of_a_run_can_be_chosen(client):
    code = FROM_CSV + "model += make['shelves'] <= 5, 'cap'\nmodel.solve(pulp.PULP_CBC_CMD(msg=False))\n"
    run = client.facts("run_program", code=code, paths=["products.csv"])
    assert run["recorded_solves"] == 2
    first = client.facts("export_model", record_id=run["record_id"], solve=1, format="csv")
    assert first["resource"]["uri"].endswith("/solve-1/plan.csv")
    assert "make_shelves,7.7" in client.read(first["resource"]["uri"]).text
    assert client.facts("check_plan", record_id=run["record_id"])["plan"]["variables"]["make_shelves"] == 5


def test_the_plan_as_a_workbook_opens(client, tmp_path):
    run = client.facts("run_program", code=FROM_CSV, paths=["products.csv"])
    exported = client.facts("export_model", record_id=run["record_id"], format="xlsx")
    (tmp_path / "plan.xlsx").write_bytes(base64.b64decode(client.read(exported["resource"]["uri"]).blob))
    sheet = openpyxl.load_workbook(tmp_path / "plan.xlsx").active
    assert [cell.value for cell in sheet["A"]] == ["variable", "make_shelves", "make_stools"]
