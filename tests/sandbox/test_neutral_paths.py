"""Tracebacks show no path of the machine, in any isolation level."""

import os
import sys
import time

import pytest

from storm_calm.sandbox.neutral_paths import neutral

TAIL = ", line 3, in f"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/ada/venv/lib/python3.11/site-packages/scipy/optimize/_milp.py", "<python>/scipy/optimize/_milp.py"),
        ("/usr/lib/python3/dist-packages/pulp/pulp.py", "<python>/pulp/pulp.py"),
        ("/usr/lib/python3.12/json/decoder.py", "<python>/json/decoder.py"),
        ("/opt/py/lib/python3.11/lib-dynload/math.so", "<python>/math.so"),
        ("/libraries/cvxpy/problems/problem.py", "<python>/cvxpy/problems/problem.py"),
        ("/tmp/sandbox-ab12cd3_/libraries/numpy/core.py", "<python>/numpy/core.py"),
        ("/tmp/sandbox-ab12cd3_/17/main.py", "main.py"),
        ("/var/tmp/x/sandbox-ab12cd3_/17/main.py", "main.py"),
        ("/scratch/main.py", "main.py"),
        ("main.py", "main.py"),
        ("/data/libraries/plan.py", "/data/libraries/plan.py"),
    ],
)
def test_a_path_is_neutral(path, shown):
    assert neutral(f'  File "{path}"{TAIL}') == f'  File "{shown}"{TAIL}'
    assert neutral(f"from 'x' ({path})") == f"from 'x' ({shown})"
    assert neutral(f"{path}:3: UserWarning: x") == f"{shown}:3: UserWarning: x"


def test_a_path_with_spaces_is_neutral_in_a_traceback():
    path = "/home/Ada L/venv/lib/python3.11/site-packages/scipy/a.py"
    assert neutral(f'  File "{path}"{TAIL}') == f'  File "<python>/scipy/a.py"{TAIL}'


def test_the_working_folder_itself_is_a_dot():
    assert neutral("in '/tmp/sandbox-ab12cd3_/17' and /scratch") == "in '.' and ."


def test_other_text_is_unchanged():
    for text in ("3/4 of 8", "status: optimal", "a / b", "https://example.org/scratch/x", "x/libraries/y"):
        assert neutral(text) == text


@pytest.mark.parametrize("piece", ["/a", "/", "/lib/python3.11", "/site-packages", 'File "/a', "/sandbox-ab12cd34/1"])
def test_long_text_takes_linear_time(piece):
    text = piece * (1_000_000 // len(piece))
    begin = time.perf_counter()
    neutral(text)
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize(
    "code",
    [
        "import json\njson.loads('[')",
        "from scipy.optimize import linprog\nlinprog([1], method='x')",
        "from json import nothing",
        "import traceback\ntry: __import__('json').loads('[')\nexcept ValueError: traceback.print_exc()",
        "import warnings\nwarnings.warn('x')",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import json; json.loads(1)'])",
        "open('missing/' + __import__('os').path.abspath('x'))",
    ],
)
def test_no_path_of_the_machine_is_in_standard_error(sandbox, code):
    stderr = sandbox.run(code).stderr
    for path in (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), "/libraries", "sandbox-", "site-packages"):
        assert path not in stderr
