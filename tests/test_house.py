"""Packages import in one direction only, and the lower ones load no heavy libraries."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
INSIDE = ROOT / "env" / "plans" / "inside"
"""Modules that run in the sandbox, without the import root. They import each other relatively, and nothing of ours."""
PACKAGES = {
    "sandbox": set(),
    "env": {"sandbox"},
    "agents": {"sandbox", "env"},
    "rl": {"sandbox", "env", "agents"},
    "serving": {"sandbox", "env", "agents"},
    "cli": {"sandbox", "env", "agents", "rl", "serving"},
}
HEAVY = {
    *("torch", "transformers", "onnxruntime", "onnxruntime_genai", "ray", "verl"),
    *("langgraph", "langchain", "langchain_core", "openai", "httpx", "httpx2", "fastapi", "starlette", "uvicorn"),
    *("datasets", "matplotlib", "pyarrow"),
}
# Modules that need one of these libraries. They are imported only on demand.
NEEDS = {
    "env/problems/benchmarks/load_benchmark.py": "datasets",
    "env/data_files.py": "pyarrow",
    "sandbox/backends/ray.py": "ray",
    "sandbox/backends/ray_cluster.py": "ray",
    "sandbox/backends/ray_nodes.py": "ray",
    "sandbox/backends/e2b_api.py": "httpx",
}


def imports(package):
    """Yield every import in a package's sources: file, line, and the imported package of this project or another."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                if path.parent == INSIDE and node.level == 1:
                    continue
                assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole name"
                names = [f"{node.module}.{node.names[0].name}" if node.module == "storm_calm" else node.module]
            else:
                continue
            for name in names:
                top, _, inner = name.partition(".")
                assert path.parent != INSIDE or top not in ("storm_calm", *PACKAGES), f"{path}:{node.lineno}: {name}"
                assert top not in PACKAGES, f"{path}:{node.lineno}: import storm_calm.{name}"
                yield path.relative_to(ROOT), node.lineno, inner.partition(".")[0] if top == "storm_calm" else top


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_from_lower_packages(package):
    above = set(PACKAGES) - PACKAGES[package] - {package}
    assert [f"{path}:{line}: {name}" for path, line, name in imports(package) if name in above] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_langgraph_is_imported_only_by_the_graphs(package):
    found = [f"{path}:{line}" for path, line, name in imports(package) if name == "langgraph"]
    assert [place for place in found if not place.startswith("agents/graphs/")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_verl_is_imported_only_by_the_training_code(package):
    meeting = ("rl/rollout/agent_loop.py", "rl/replay_buffer.py", "rl/train_sft.py", "rl/train_verl.py", "rl/verl_cpu/")
    found = [
        f"{path}:{line}" for path, line, name in imports(package) if name in ("verl", "transfer_queue", "tensordict")
    ]
    assert [place for place in found if not place.startswith(meeting)] == []


def test_there_are_no_import_cycles():
    """Imports inside functions count too. Imports in the `__init__` of a module's own packages do not."""
    modules = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        modules[".".join(("storm_calm", *parts)).removesuffix(".__init__")] = path
    graph = {name: imported(path, modules) - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()  # Raises CycleError with the cycle.


def imported(path, modules):
    """Return the modules of this project that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in names}
    return found & modules.keys()


@pytest.mark.parametrize("package", ["sandbox", "env"])
def test_lower_packages_import_no_heavy_libraries(package):
    found = [(path, line, name) for path, line, name in imports(package) if name in HEAVY]
    assert [f"{path}:{line}: {name}" for path, line, name in found if NEEDS.get(path.as_posix()) != name] == []


def test_importing_env_and_opening_a_sandbox_load_no_heavy_libraries():
    code = (
        "import importlib, pkgutil, sys\nfrom storm_calm import env, sandbox\n"
        "for module in pkgutil.walk_packages(env.__path__, 'storm_calm.env.'): importlib.import_module(module.name)\n"
        "sandbox.open_sandbox(minimum_isolation='limits').close()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "storm_calm" in loaded.split()
    assert HEAVY & set(loaded.split()) == set()


@pytest.mark.parametrize(
    "place", re.findall(r"`([\w/]+\.py)(?::(\w+))?`", ARCHITECTURE.read_text(encoding="utf-8")), ids=":".join
)
def test_names_in_the_architecture_page_exist(place):
    path, name = place
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert not name or name in {node.name for node in tree.body if hasattr(node, "name")}


def test_editable_installs_have_what_their_import_needs():
    """uv reads dependencies from pyproject.toml only, not from the metadata of the editable wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["dev-mode-exact"]
    assert any(one.startswith("editables") for one in project["project"]["dependencies"])
