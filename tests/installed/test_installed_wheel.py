"""The wheel in its own environment, away from the checkout, as users of `pip install storm-calm` have it."""

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from storm_calm.sandbox import open_sandbox

ROOT = Path(__file__).resolve().parents[2]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python of the tests. The wheel is tested completely with it."""
PYTHONS = ("3.11", "3.12")
"""The Python versions that the wheel supports. With each, it is imported, and its sandbox and its model solve."""
completely = pytest.mark.parametrize("installed", [HERE], indirect=True)

CORE = """
import json, sys
from storm_calm.sandbox import Limits, open_sandbox
isolation = sys.argv[1]
programs = [
    "import pulp, cvxpy", "import highspy, scipy.sparse", "import pyomo.environ, scipy",
    "from ortools.sat.python import cp_model\\nimport scipy.optimize",
    "from ortools.linear_solver import pywraplp\\nimport pandas",
    "exec('import networkx, sympy, statsmodels.api, openpyxl, matplotlib.pyplot')",
    "import pulp\\nm = pulp.LpProblem('m', pulp.LpMaximize)\\nx = pulp.LpVariable('x', 0, 3)\\nm += x\\n"
    "m.solve(pulp.PULP_CBC_CMD(msg=False))\\nassert pulp.value(m.objective) == 3",
]
with open_sandbox(isolation=isolation, minimum_isolation="landlock") as sandbox:
    runs = [sandbox.run(f"{code}\\nprint('both')", limits=Limits(seconds=60)) for code in programs]
    site = [path for path in sys.path if path.endswith("site-packages")]
    key = f'''
import sys
sys.path += {site!r}
for name in ("storm_calm", "storm_calm.env.problems.families", "storm_calm.sandbox", "openai"):
    try: __import__(name); print("imported", name)
    except (ModuleNotFoundError, PermissionError): pass
for place in {site!r}:
    for name in ("env/problems/families/__init__.py", "env/answers.py", "models/base/model.onnx"):
        try: open(place + "/storm_calm/" + name, "rb"); print("read", name)
        except OSError: pass
print("nothing")
'''
    print(json.dumps([sandbox.isolation, [run.stdout or run.stderr for run in runs], sandbox.run(key).stdout]))
"""

ASK = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="none", timeout=120)
answer = client.chat.completions.create(
    model="storm", seed=1, messages=[{"role": "user", "content": sys.argv[2]}]
)
print(answer.choices[0].finish_reason, answer.model_extra["storm"]["executions"][0]["status"])
"""


LIBRARIES = """
import cvxpy, highspy, matplotlib.pyplot, networkx, openpyxl, ortools.constraint_solver.pywrapcp, pandas, pulp
import ortools.linear_solver.pywraplp, ortools.math_opt.python.mathopt, ortools.sat.python.cp_model, pyomo.environ
import pyscipopt, scipy.optimize, statsmodels.api, sympy
"""


def install(python, folder, *packages):
    """Make an environment with uv, in seconds; with pip, in minutes, if uv does not find the index that pip has."""
    uv = [sys.executable, "-m", "uv", "--native-tls", "--quiet"]
    into = ["--python", folder / "bin" / "python"]
    for command in ([*uv, "venv", "--seed", "--python", python, folder], [*uv, "pip", "install", *into, *packages]):
        if subprocess.run(command, check=False, capture_output=True).returncode:
            break
    else:
        return
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages], check=True)


def interpreter(version):
    """Return a Python of this version from the path or from pyenv, or None."""
    places = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        places.insert(0, sys.executable)
    for place in filter(None, places):
        run = subprocess.run([place, "-c", "import ensurepip, sqlite3, ssl"], capture_output=True, check=False)
        if run.returncode == 0:
            return str(place)
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel as a release does: from the source distribution, which is built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    (found,) = folder.glob("storm_calm-*.whl")
    return found


@pytest.fixture(scope="module")
def environments(wheel, tmp_path_factory):
    """Return a function that returns the `installed` of a Python version, or None without that Python."""

    @functools.cache
    def environment(version):
        python = interpreter(version)
        return python and made(wheel, python, tmp_path_factory.mktemp(f"installed-{version}"))

    return environment


@pytest.fixture(params=PYTHONS)
def installed(request, environments):
    """Return a function that runs a command in an empty folder, in an environment with only the wheel installed."""
    run = environments(request.param)
    if run is None:
        pytest.skip(f"impossible here: no Python {request.param} with ensurepip, sqlite3 and ssl")
    return run


def made(wheel, python, folder):
    """Install the wheel into a new environment. Return a function that runs a command there."""
    binaries = folder / "venv" / "bin"
    # openai-agents is a package whose import name is `agents`.
    install(python, folder / "venv", f"{wheel}[serve]", "openai-agents")
    # uv writes no bytecode, and programs in the sandbox cannot: each would compile the solver libraries again.
    subprocess.run([binaries / "python", "-c", LIBRARIES], check=True, cwd=folder, capture_output=True)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STORM", "VIRTUAL_ENV"))
    }
    home = folder / "home"
    home.mkdir()

    def run(command, *arguments, **options):
        return subprocess.run(
            [binaries / command, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
            env=environment | {"COLUMNS": "120", "HOME": str(home)},
            timeout=300,
            **options,
        )

    run.folder, run.binaries, run.environment = home, binaries, environment
    return run


pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_imports_come_from_the_installed_wheel(installed):
    where = installed("python", "-c", "import storm_calm; print(storm_calm.__file__)").stdout
    assert "site-packages" in where
    assert str(ROOT) not in where


def test_wheel_has_one_top_level_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"storm_calm"}


@completely
def test_an_unrelated_package_named_agents_does_not_conflict(installed):
    code = (
        "import agents, storm_calm.agents; print(agents.Runner.__name__, agents.__file__ != storm_calm.agents.__file__)"
    )
    assert installed("python", "-c", code).stdout == "Runner True\n"


@completely
def test_user_modules_with_common_names_do_not_conflict(installed):
    for name in ("agents", "cli", "env", "rl", "sandbox", "serving"):
        (installed.folder / f"{name}.py").write_text(f"raise SystemExit('the user's {name}.py was imported')\n")
    try:
        code = "from storm_calm import SolverEnv, curate, evaluate, open_reasoner; print(open_reasoner('nano'))"
        assert installed("python", "-c", code).returncode == 0
        assert installed("storm", "families").returncode == 0
    finally:
        for name in ("agents", "cli", "env", "rl", "sandbox", "serving"):
            (installed.folder / f"{name}.py").unlink()


@completely
def test_an_extra_can_be_installed_later(installed):
    pip = installed("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "storm-calm[docker]")
    assert pip.returncode == 0, pip.stderr
    assert installed("python", "-c", "import docker; print(docker.__version__)").returncode == 0


@pytest.mark.parametrize(
    ("installed", "isolation"),
    [*((python, "full") for python in PYTHONS), (HERE, "landlock")],
    indirect=["installed"],
)
def test_programs_can_import_solver_libraries_but_not_the_project(installed, isolation):
    run = installed("python", "-c", CORE, isolation)
    assert run.returncode == 0, run.stderr
    reached, outputs, key = json.loads(run.stdout)
    if reached != isolation:
        with open_sandbox(minimum_isolation="limits") as here:
            assert here.isolation != "full", f"from the wheel only {reached}"
        pytest.skip(f"impossible here: only isolation level {reached}")
    assert outputs == ["both\n"] * 7
    assert key == "nothing\n"


@completely
def test_sandbox_check_passes(installed):
    run = installed("storm", "sandbox", "check", "--json")
    assert run.stdout, run.stderr
    broken = [outcome for outcome in json.loads(run.stdout)["outcomes"] if outcome["state"] == "broken"]
    assert broken == []
    assert run.returncode == 0, run.stderr


def test_a_problem_is_solved(installed):
    question = installed("storm", "families", "--show", "knapsack").stdout
    run = installed("storm", "solve", question, "--seed", "3")
    assert run.returncode == 0, run.stderr
    assert "CP-SAT: optimal" in run.stdout
    assert "Answer: " in run.stdout


@completely
def test_trajectories_are_curated_and_can_be_viewed(installed):
    run = installed("storm", "curate", "--families", "all", "--limit", "4", "--out", "run", "--display", "none")
    assert run.returncode == 0, run.stderr
    episodes = (installed.folder / "run" / "episodes.jsonl").read_text().splitlines()
    golden = (installed.folder / "run" / "golden.jsonl").read_text().splitlines()
    assert (len(episodes), len(golden) > 1) == (4, True)
    page = installed("storm", "view", "run", "--out", "page.html")
    assert page.returncode == 0, page.stderr


@completely
def test_server_answers_a_standard_client(installed):
    question = installed("storm", "families", "--show", "knapsack").stdout
    with serving(installed) as address:
        run = installed("python", "-c", ASK, address, question)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "stop ok\n"


@contextlib.contextmanager
def serving(installed):
    """Run `storm serve` on a free port until the end of the `with` block."""
    command = [installed.binaries / "storm", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=installed.folder, env=installed.environment, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            deadline, output = time.monotonic() + 60, ""
            while not (found := re.search(r"at (http://\S+)", output)):
                assert time.monotonic() < deadline
                line = server.stderr.readline()
                assert line, output
                output += line
            yield found[1]
        finally:
            server.terminate()
            assert server.wait(60) == 0
