"""The example of SKILL.md gives what it says, and `storm mcp --skill` prints it."""

import json
import re
import subprocess

from storm_calm.serving.mcp.mcp_server import SKILL_URI, skill
from storm_calm.serving.mcp.tool_errors import Category
from storm_calm.serving.mcp.tools import TOOLS
from support.mcp_clients import STORM


def test_the_example_gives_what_the_skill_says(client):
    text = client.read(SKILL_URI).text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    more_hours, more_wheat = (json.loads(found) for found in re.findall(r"`(\[\{.*?\}\])`", text))
    run = client.facts("run_program", code=code)
    assert f'"stdout": {json.dumps(run["stdout"])}' in text
    assert run["plan"]["variables"] == {"rye": 40, "wheat": 40}
    checked = client.facts("check_plan", record_id=run["record_id"])
    assert checked["text"].startswith(re.search(r'says: "(.*?) \.\.\."', text)[1])
    assert len(checked["binding"]) == 2
    changed = client.facts("what_if", record_id=run["record_id"], changes=more_hours)
    assert changed["objective"] == 220
    infeasible = client.facts("what_if", record_id=run["record_id"], changes=more_wheat)
    assert infeasible["status"] == "infeasible"
    why = client.facts("explain_infeasible", record_id=infeasible["record_id"])
    assert sorted(limit.partition(":")[0] for limit in why["conflict"]) == ["flour", "rye >= 0", "wheat >= 90"]


def test_the_skill_names_tools_and_categories_that_exist():
    text = skill()
    assert text.startswith("---\nname: storm\ndescription: ")
    assert len(text) < 6000
    for name in (
        "run_program",
        "submit",
        "status",
        "result",
        "check_plan",
        "explain_infeasible",
        "what_if",
        "export_model",
    ):
        assert name in TOOLS
        assert f"`{name}`" in text or f"**`{name}`" in text
    errors = text.partition("## Errors")[2].partition("## Example")[0]
    categories = set(re.findall(r"`([a-z_]+)`", errors)) - {"stderr", "submit"}
    assert categories == set(Category.__args__) - {"cancelled"}


def test_the_command_prints_the_skill():
    done = subprocess.run([*STORM, "mcp", "--skill"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, skill())
