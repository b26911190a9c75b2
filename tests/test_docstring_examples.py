"""The examples in docstrings compile. Those that need only the nano model and the sandbox also run."""

import ast
import functools
import importlib
import inspect
import re
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from storm_calm.agents.detectors.labelled_traces import read_traces
from storm_calm.agents.graphs import calm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.interveners import RulesIntervener
from storm_calm.agents.reasoners import open_reasoner
from storm_calm.env import Sampling, SolverEnv, run_episode, write_problems
from storm_calm.env.problems.families import generate
from storm_calm.sandbox import open_sandbox

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("agents", "cli", "env", "rl", "sandbox", "serving")
PYTHON = re.compile(
    r"^(from [\w.]+ import |import [\w.]+$|(async )?with .+:|(async )?for .+ in .+:|(async )?def \w+\(|\w+ = \w)",
    re.MULTILINE,
)
"""A paragraph with a line like this is Python, not a shell command or a table."""
RUN = {
    "storm_calm.agents.detectors.measure",
    "storm_calm.agents.graphs.calm",
    "storm_calm.agents.graphs.checkpoints",
    "storm_calm.agents.graphs.storm",
    "storm_calm.agents.interveners",
    "storm_calm.agents.interveners.cancellable",
    "storm_calm.agents.interveners.leak_check",
    "storm_calm.agents.interveners.render_trajectory",
    "storm_calm.agents.reasoners.chat_messages",
    "storm_calm.agents.reasoners.chat_template",
    "storm_calm.agents.reasoners.engine",
    "storm_calm.agents.reasoners.nano",
    "storm_calm.agents.reasoners.completions_wire",
    "storm_calm.agents.triggers",
    "storm_calm.agents.triggers.number_words",
    "storm_calm.env",
    "storm_calm.env.problems.families",
    "storm_calm.env.reward",
    "storm_calm.env.solve_loop",
    "storm_calm.env.transcript",
    "storm_calm.rl.prompt_renderer",
    "storm_calm.sandbox",
    "storm_calm.sandbox.backends.session",
    "storm_calm.sandbox.base",
    "storm_calm.serving.api.agent_request",
    "storm_calm.serving.api.output_items",
    "storm_calm.serving.api.reasoning_split",
}
"""Modules whose examples run here. The others need a server, a GPU, a run folder, or minutes."""


def paragraphs(text):
    """Yield the indented paragraphs of a docstring. Consecutive paragraphs form one block."""
    blocks, last = [], -2
    for place, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if paragraph and all(line.startswith("    ") or not line for line in paragraph.splitlines()):
            if last == place - 1:
                blocks[-1].append(paragraph)
            else:
                blocks.append([paragraph])
            last = place
    return blocks


def parses(code):
    try:
        compile(code, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return True


@functools.cache
def examples():
    """Return the module and the code of each example, and whether it is Python."""
    found = []
    for file in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        name = ".".join(("storm_calm", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for block in paragraphs(ast.get_docstring(node) or ""):
                    whole = textwrap.dedent("\n\n".join(block))
                    parts = [whole] if parses(whole) else [textwrap.dedent(part) for part in block]
                    found += [(name, code, parses(code)) for code in parts]
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder that looks like a checkout, with a file of problems."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("models", "tests"):
        (folder / name).symlink_to(ROOT / name)
    write_problems(folder / "problems.jsonl", generate(["knapsack"], split="train", seed=1, limit=1))
    return folder


@pytest.fixture(scope="module")
def names(place):
    """Return the names that the examples assume."""
    problem = next(iter(generate(["knapsack"], split="train", seed=1, limit=1)))
    with open_sandbox(minimum_isolation="limits") as sandbox, closing(open_reasoner("nano")) as reasoner:
        env = SolverEnv(sandbox, reasoner)
        prompt = reasoner.render([{"role": "user", "content": problem.question}])
        yield {
            "open_sandbox": open_sandbox,
            "Path": Path,
            "Parts": Parts,
            "RulesIntervener": RulesIntervener,
            "Sampling": Sampling,
            "calm": calm,
            "env": env,
            "episode": run_episode(env, reasoner, problem, seed=1),
            "folder": place,
            "ids": reasoner.encode_marked(prompt)[0],
            "intervener": RulesIntervener(),
            "problem": problem,
            "prompt": prompt,
            "question": problem.question,
            "reasoner": reasoner,
            "sandbox": sandbox,
            "supply": lambda: Parts(reasoner=reasoner, sandbox=sandbox),
            "url": "http://localhost:8000/v1",
            "traces": read_traces(min((ROOT / "tests" / "data" / "traces").glob("*.md")), sandbox),
        }


def test_examples_that_look_like_python_compile():
    broken = [(module, code) for module, code, python in examples() if not python and PYTHON.search(code)]
    assert broken == []
    assert sum(python for _, _, python in examples()) > 50


def test_imports_in_examples_exist():
    for _, code, python in examples():
        for node in ast.walk(ast.parse(code)) if python else ():
            if isinstance(node, ast.ImportFrom) and node.module.startswith("storm_calm"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize("module", sorted(RUN))
def test_examples_run(module, names, place, monkeypatch):
    monkeypatch.chdir(place)
    codes = [code for name, code, python in examples() if name == module and python]
    assert codes
    for code in codes:
        exec(compile(code, module, "exec"), {**vars(importlib.import_module(module)), **names})
