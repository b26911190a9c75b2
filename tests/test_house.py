"""The rooms of the house import one way, and the ground floor is light."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
ARCHITECTURE = HOUSE / "docs" / "architecture.md"
ROOMS = {
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
# What stands on a package of its own; it is imported only when it is asked for.
STANDING_ON = {
    "env/problems/benchmarks/load_benchmark.py": "datasets",
    "sandbox/backends/ray.py": "ray",
    "sandbox/backends/ray_cluster.py": "ray",
    "sandbox/backends/ray_nodes.py": "ray",
    "sandbox/backends/e2b_api.py": "httpx",
}


def imports(room):
    """Every import in the sources of a room: file, line, and the room or the foreign package that is imported."""
    for path in sorted((HOUSE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole name"
                names = [f"{node.module}.{node.names[0].name}" if node.module == "storm_calm" else node.module]
            else:
                continue
            for name in names:
                top, _, inner = name.partition(".")
                assert top not in ROOMS, f"{path}:{node.lineno}: import storm_calm.{name}"
                yield path.relative_to(HOUSE), node.lineno, inner.partition(".")[0] if top == "storm_calm" else top


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_the_rooms_below_it(room):
    above = set(ROOMS) - ROOMS[room] - {room}
    assert [f"{path}:{line}: {name}" for path, line, name in imports(room) if name in above] == []


@pytest.mark.parametrize("room", ROOMS)
def test_langgraph_is_imported_in_the_graphs_only(room):
    found = [f"{path}:{line}" for path, line, name in imports(room) if name == "langgraph"]
    assert [place for place in found if not place.startswith("agents/graphs/")] == []


@pytest.mark.parametrize("room", ROOMS)
def test_verl_is_imported_where_training_meets_it_only(room):
    meeting = ("rl/rollout/agent_loop.py", "rl/replay_buffer.py", "rl/train_sft.py", "rl/train_verl.py", "rl/verl_cpu/")
    found = [f"{path}:{line}" for path, line, name in imports(room) if name in ("verl", "transfer_queue", "tensordict")]
    assert [place for place in found if not place.startswith(meeting)] == []


def test_no_modules_import_each_other_in_a_circle():
    """Imports within functions count too. What a module's own packages import in their `__init__` does not."""
    modules = {}
    for path in (path for room in ROOMS for path in (HOUSE / room).rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        modules[".".join(("storm_calm", *parts)).removesuffix(".__init__")] = path
    graph = {name: imported(path, modules) - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()  # Raises CycleError with the circle.


def imported(path, modules):
    """The modules of ours that a file imports, whole or in part."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in names}
    return found & modules.keys()


@pytest.mark.parametrize("room", ["sandbox", "env"])
def test_the_ground_floor_names_nothing_heavy(room):
    found = [(path, line, name) for path, line, name in imports(room) if name in HEAVY]
    assert [f"{path}:{line}: {name}" for path, line, name in found if STANDING_ON.get(path.as_posix()) != name] == []


def test_importing_all_of_env_and_opening_a_sandbox_loads_nothing_heavy():
    code = (
        "import importlib, pkgutil, sys\nfrom storm_calm import env, sandbox\n"
        "for module in pkgutil.walk_packages(env.__path__, 'storm_calm.env.'): importlib.import_module(module.name)\n"
        "sandbox.open_sandbox(minimum_isolation='limits').close()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    assert "storm_calm" in loaded.split()
    assert HEAVY & set(loaded.split()) == set()


@pytest.mark.parametrize(
    "place", re.findall(r"`([\w/]+\.py)(?::(\w+))?`", ARCHITECTURE.read_text(encoding="utf-8")), ids=":".join
)
def test_the_walks_through_the_code_name_what_is_there(place):
    path, name = place
    tree = ast.parse((HOUSE / path).read_text(encoding="utf-8"))
    assert not name or name in {node.name for node in tree.body if hasattr(node, "name")}
