"""Importable in programs: the listed distributions and their dependencies, and no other installed packages."""

import io
import json
import os
import re
import sys
import sysconfig
import tomllib
from pathlib import Path

import pandas
import pytest

from storm_calm.sandbox import Limits, open_sandbox
from storm_calm.sandbox.libraries import DISTRIBUTIONS, LIBRARIES_VARIABLE, find, importable
from storm_calm.sandbox.selfcheck import all_libraries
from storm_calm.sandbox.zygote.isolation_levels import shown_of_the_system
from storm_calm.sandbox.zygote.namespaces import hidden_folders

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SITE = sysconfig.get_path("purelib")


@pytest.fixture(scope="module", params=["full", "landlock"])
def locked(request):
    with open_sandbox(isolation=request.param, minimum_isolation="landlock", workers=2) as sandbox:
        if sandbox.isolation != request.param:
            pytest.skip(f"impossible here: {'; '.join(sandbox.missing)}")
        yield sandbox


def made(folder, name, *, version="1.0", requires=(), files=None, record=True, top_level=None):
    """Write an installed distribution with one module, as pip does, or as Debian does (`record=False`)."""
    info = folder / f"{name}-{version}.{'dist' if record else 'egg'}-info"
    info.mkdir(parents=True)
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    (info / ("METADATA" if record else "PKG-INFO")).write_text(f"Name: {name}\nVersion: {version}\n{lines}")
    files = files or [f"{name}/__init__.py"]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"NAME = {name!r}\n")
    if record:
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in [*files, f"{info.name}/METADATA"]))
    if top_level:
        (info / "top_level.txt").write_text(top_level)


def test_a_distribution_includes_its_installed_dependencies(tmp_path, monkeypatch):
    made(tmp_path, "top", requires=["middle[fast]>=1", "elsewhere; sys_platform == 'other'", "tests; extra == 'dev'"])
    made(tmp_path, "middle", requires=['quick ; extra == "fast"', 'slow ; extra == "thorough"'])
    for name in ("quick", "slow", "tests", "stranger"):
        made(tmp_path, name)
    monkeypatch.syspath_prepend(tmp_path)
    found, missing = find(["Top", "not_there"])
    assert [library.name for library in found] == ["middle", "quick", "top"]
    assert missing == ["not_there"]
    assert {Path(path).name for library in found for path in library.paths} == {
        *("top", "top-1.0.dist-info", "middle", "middle-1.0.dist-info", "quick", "quick-1.0.dist-info"),
    }


def test_circular_dependencies_are_resolved(tmp_path, monkeypatch):
    made(tmp_path, "hen", requires=["egg"])
    made(tmp_path, "egg", requires=["hen[extra]"])
    monkeypatch.syspath_prepend(tmp_path)
    assert [library.name for library in find(["hen"])[0]] == ["egg", "hen"]


def test_only_importable_files_are_shown(tmp_path, monkeypatch):
    files = ["one.py", "two.cpython-311-x86_64-linux-gnu.so", "data/x.txt", "README.md", "../../bin/tool", "hook.pth"]
    made(tmp_path / "lib" / "site-packages", "many", files=files)
    monkeypatch.syspath_prepend(tmp_path / "lib" / "site-packages")
    (library,) = find(["many"])[0]
    assert {Path(path).name for path in library.paths} == {
        *("one.py", "two.cpython-311-x86_64-linux-gnu.so", "data", "many-1.0.dist-info"),
    }


def test_debian_packages_without_a_record_file_are_found(tmp_path, monkeypatch):
    made(tmp_path, "old", record=False, files=["older/__init__.py", "_old.so", "other.py"], top_level="older\n_old\n")
    monkeypatch.syspath_prepend(tmp_path)
    (library,) = find(["old"])[0]
    assert {Path(path).name for path in library.paths} == {"older", "_old.so", "old-1.0.egg-info"}


@pytest.mark.parametrize("name", ["storm-calm", "Storm_Calm"])
def test_this_project_cannot_be_a_library(name, monkeypatch):
    with pytest.raises(ValueError, match="the accepted answers"):
        importable([name])
    monkeypatch.setenv(LIBRARIES_VARIABLE, name)
    with pytest.raises(ValueError, match="can't be a library"):
        open_sandbox()


def test_a_distribution_that_depends_on_this_project_cannot_be_a_library(tmp_path, monkeypatch):
    made(tmp_path, "plugin", requires=["storm-calm"])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="can't be a library"):
        importable(["plugin"])


def test_error_for_a_missing_library_names_it(monkeypatch):
    monkeypatch.setenv(LIBRARIES_VARIABLE, "numpy, no-such-thing other.thing")
    with pytest.raises(ValueError, match=r"no-such-thing, other-thing: not installed"):
        open_sandbox()


def test_more_libraries_can_be_added(tmp_path, monkeypatch):
    made(tmp_path, "geography")
    made(tmp_path, "history")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(LIBRARIES_VARIABLE, "history")
    code = "import geography, history\nprint(geography.NAME, history.NAME)"
    with open_sandbox(libraries=["geography"], workers=1) as sandbox:
        assert sandbox.run(code).stdout == "geography history\n"


def test_programs_see_the_listed_distributions_and_their_dependencies(locked):
    assert set(all_libraries(locked)) == {library.name for library in importable()}
    assert set(DISTRIBUTIONS) <= set(all_libraries(locked))


COMBINATIONS = [
    "pulp, cvxpy",
    "ortools.sat.python.cp_model, scipy.optimize",
    "highspy, scipy.sparse",
    "pyomo.environ, scipy",
    "ortools.linear_solver.pywraplp, pandas",
    "networkx, sympy, statsmodels.api, openpyxl, matplotlib.pyplot",
    "numpy, pandas, scipy, ortools, highspy, pulp, pyomo, cvxpy, pyscipopt",
]


# How libraries get along does not depend on the isolation level; whether their files are shown does.
@pytest.mark.parametrize(
    ("locked", "imports"),
    [*(("full", imports) for imports in COMBINATIONS), *(("landlock", imports) for imports in COMBINATIONS[-2:])],
    indirect=["locked"],
)
@pytest.mark.parametrize("way", ["import {0}", "exec('import {0}')"])
def test_libraries_of_several_import_groups_can_be_combined(locked, imports, way):
    execution = locked.run(f"{way.format(imports)}\nprint('both')", limits=Limits(seconds=60))
    assert (execution.status, execution.stdout) == ("ok", "both\n")


@pytest.mark.parametrize(
    "name",
    [
        "storm_calm",
        "storm_calm.env.problems.families",
        "storm_calm.agents.reasoners.nano",
        "serving",
        "langgraph",
        "openai",
    ],
)
def test_other_packages_cannot_be_imported(locked, name):
    execution = locked.run(f"import {name}")
    assert f"ModuleNotFoundError: No module named '{name.partition('.')[0]}'" in execution.stderr


def test_files_of_this_project_cannot_be_read(locked):
    places = [str(ROOT), SITE, f"{sys.base_prefix}/lib/python3.11/site-packages"]
    code = f"""
import glob, os, sys
sys.path += {places!r}
for name in ("storm_calm.env.problems.families", "storm_calm.agents.reasoners.nano", "openai"):
    try: __import__(name); print("imported", name)
    except (ModuleNotFoundError, PermissionError): pass
for place in {places!r}:
    for path in glob.glob(place + "/**/env/**", recursive=True) + [place + "/env/problems/families/__init__.py"]:
        try: open(path).read(); print("read", path)
        except OSError: pass
"""
    execution = locked.run(code)
    assert (execution.status, execution.stdout) == ("ok", "")


def test_shown_and_hidden_folders_do_not_overlap():
    shown = {os.path.realpath(path) for path in shown_of_the_system()}
    for folder in hidden_folders():
        parents = {str(parent) for parent in [Path(folder).resolve(), *Path(folder).resolve().parents]}
        assert not parents & shown
    assert os.path.realpath(json.__file__).removesuffix("/__init__.py") in shown


def test_excel_files_are_read_and_written(locked):
    buffer = io.BytesIO()
    pandas.DataFrame({"city": ["A", "B"], "cost": [1, 2.5]}).to_excel(buffer, sheet_name="costs", index=False)
    code = """
import pandas as pd
costs = pd.read_excel("data (1).xlsx", sheet_name="costs")
print(costs["cost"].sum())
costs.to_excel("out.xlsx")
"""
    execution = locked.run(code, files={"data (1).xlsx": buffer.getvalue()}, results=["out.xlsx"])
    assert (execution.status, execution.stdout, execution.stderr) == ("ok", "3.5\n", "")
    assert pandas.read_excel(io.BytesIO(execution.files["out.xlsx"]))["city"].tolist() == ["A", "B"]


def test_the_default_install_has_every_free_library_below_its_next_major_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = {re.match(r"[A-Za-z0-9-]+", line)[0]: line for line in project["dependencies"]}
    free = set(DISTRIBUTIONS) - {"coptpy", "gurobipy"}
    assert free <= set(bounds)
    assert [bounds[name] for name in sorted(free) if not re.search(r"<\d|==", bounds[name])] == []


def test_a_child_interpreter_sees_the_same_libraries(locked):
    code = """
import subprocess, sys
look = "import importlib.util as u; print([bool(u.find_spec(n)) for n in ('numpy', 'storm_calm', 'openai')])"
print(subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout)
"""
    assert locked.run(code).stdout.strip() == "[True, False, False]"
