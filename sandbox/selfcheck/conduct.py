"""Cases about state that leaks to later programs, about how programs end, and about what they can do."""

from functools import partial
from typing import Any

from storm_calm.sandbox.base import Limits
from storm_calm.sandbox.selfcheck.case import Case, CaseResult, Check, all_ok, case_of, ended, every, refused, untouched
from storm_calm.sandbox.selfcheck.texts import ATTEMPT, REQUIRE_CONTROL, SEARCH

_PLANT = """
import builtins, json, os, random, sys
builtins.LEAK = json.LEAK = os.LEAK = 1
json.dumps = lambda *a, **k: "leak"
sys.modules["leak"] = json
sys.path.insert(0, "/leak")
os.environ["LEAK"] = "1"
os.umask(0)
for folder in (".", "/dev/shm", "/tmp"):
    try: open(f"{folder}/leak-{TOKEN}", "w").close()
    except OSError: pass
"""
_FIND_LEFTOVERS = """
import builtins, json, os, sys
print(hasattr(builtins, "LEAK"), hasattr(json, "LEAK"), hasattr(os, "LEAK"), json.dumps(1), "leak" in sys.modules,
      "/leak" in sys.path, "LEAK" in os.environ, os.umask(0o022),
      [f for f in (".", "/dev/shm", "/tmp") if os.path.exists(f"{f}/leak-{TOKEN}")])
"""
_NOTHING = "False False False 1 False False False 18 []\n"
_REMEMBER = """
import hashlib, os
secret = "-".join(MARK_PIECES) + hashlib.sha256(TOKEN.encode()).hexdigest()[:32]
os.environ["SECRET"] = secret
open("secret", "w").write(secret)
print(secret)
"""
_RECALL = (
    f"{ATTEMPT}{SEARCH}\nlook_into_memory('self')\n{REQUIRE_CONTROL}"
    "walk('.', 1); walk('/dev/shm', 1); walk('/tmp', 1)\nprint_findings()"
)
_DRAW = "import os, random, tempfile, uuid\nprint(random.random(), uuid.uuid4(), os.urandom(8).hex())"

_ending = partial(case_of, "endings")


def _nothing_left(result: CaseResult) -> str | None:
    looks = {execution.stdout for execution in result.executions[1::2]}
    return None if looks == {_NOTHING} else f"a later program saw {looks - {_NOTHING}}, not {_NOTHING!r}"


def _all_differ(result: CaseResult) -> str | None:
    draws = [execution.stdout for execution in result.executions]
    return None if len(set(draws)) == len(draws) else f"two programs drew the same numbers: {draws}"


def _no_report(result: CaseResult) -> str | None:
    return f"forged reports were accepted: {result.last.reports[:2]}" if result.last.reports else None


def _signal(number: int, *others: int) -> Check:
    def check(result: CaseResult) -> str | None:
        last = result.last
        if last.status == "error" and last.signal in (number, *others) and last.stdout == "begun\n":
            return None
        return f"status {last.status}, signal {last.signal}, not signal {number}"

    return check


def _survived_or_killed(result: CaseResult) -> str | None:
    # The kernel ignores signals that the first process of a pid namespace sends to itself.
    last = result.last
    if (last.status, last.stdout) == ("ok", "survived\n") or (last.status == "error" and last.signal == 9):
        return None
    return f"status {last.status}, signal {last.signal}"


def _own_traceback(result: CaseResult) -> str | None:
    files = [line for line in result.last.stderr.splitlines() if line.startswith("  File ")]
    foreign = [line for line in files if '"main.py"' not in line]
    return f"the traceback shows {foreign[0].strip()}" if foreign else None


def _ability(name: str, code: str, stdout: str, *checks: Check, **options: Any) -> Case:
    check = every(ended("ok", stdout=stdout), *checks)
    return case_of("abilities", name, code, check, limits=Limits(seconds=60), **options)


def _solved(result: CaseResult) -> str | None:
    reports = [(report.status, report.objective) for report in result.last.reports]
    return None if reports == [("optimal", 7.0)] else f"the solver reports are {reports}, not one optimum of 7"


CASES: tuple[Case, ...] = (
    case_of(
        "leaks",
        "modules, variables and files of an earlier program",
        (_PLANT, _FIND_LEFTOVERS) * 3,
        every(all_ok, _nothing_left),
        informed=True,
        isolation="landlock",
    ),
    case_of(
        "leaks", "memory of an earlier program", (_REMEMBER, _RECALL), refused, informed=True, isolation="landlock"
    ),
    case_of("leaks", "random numbers", (_DRAW,) * 4, every(all_ok, _all_differ)),
    case_of(
        "leaks",
        "prints and stray writes that look like reports",
        """
import json, os
line = json.dumps({"library": "ortools.cp_model", "solver": "CP-SAT", "status": "optimal", "objective": 1e9})
print(line)
for fd in range(3, 64):
    for word in ("", "0" * 16, "{}"):
        try: os.write(fd, (word + line + "\\n").encode())
        except OSError: pass
""",
        every(ended("ok"), _no_report),
    ),
    case_of(
        "leaks",
        "messages of a program that found the channel's nonce",
        """
import json, os, sys
def nonce():
    frame = sys._getframe()
    while frame:
        order = frame.f_locals.get("order")
        if isinstance(order, dict) and "nonce" in order: return order["nonce"]
        frame = frame.f_back
end = {"exit_code": 0, "cpu": "x", "maxrss_bytes": 1e999, "folder": FOLDER, "fault": "forged"}
bad = {"library": ["x"], "solver": {"a": 1}, "status": "optimal", "objective": "<b>1</b>"}
huge = '{"library": "x", "solver": "", "status": "optimal", "objective": ' + "9" * 400 + "}"
for text in (json.dumps({"exit": end}), '{"exit": zzz}', '{"exit": [1]}', "exit 0 0", "exit 256", "[" * 4000, huge,
             json.dumps(bad)):
    os.write(3, (nonce() + text + "\\n").encode()[:4096])
print("end")
sys.exit(3)
""",
        every(ended("error", stdout="end\n", exit_code=3), _no_report, untouched),
        informed=True,
        outside=True,
    ),
    case_of(
        "leaks",
        "a flood of stray reports",
        "import os\ntry:\n    for _ in range(100): os.write(3, b'x' * 65536)\nexcept OSError: pass\nprint(1)",
        every(ended("ok", stdout="1\n"), _no_report),
    ),
    _ending("sys.exit with a number", "import sys\nsys.exit(3)", ended("error", exit_code=3)),
    _ending("sys.exit with a message", "import sys\nsys.exit('bye')", ended("error", exit_code=1, stderr="bye")),
    _ending("os._exit after a print", "import os\nprint('kept')\nos._exit(0)", ended("ok", stdout="kept\n")),
    _ending(
        "an error", "def f(): return 1 / 0\nf()", every(ended("error", stderr="ZeroDivisionError"), _own_traceback)
    ),
    _ending(
        "a program that does not compile", "def f(:\n pass", every(ended("error", stderr="SyntaxError"), _own_traceback)
    ),
    _ending("a NUL in the program", "print(1)\0", every(ended("error", stderr="null byte"), _own_traceback)),
    _ending("a surrogate in the program", "print('\ud800')", ended("ok", "error")),
    _ending("an access to address 0", "print('begun')\nimport ctypes\nctypes.string_at(0)", _signal(11)),
    _ending("abort", "print('begun')\nimport os\nos.abort()", _signal(6, 11)),
    _ending("SIGKILL to itself", "import os\nos.kill(os.getpid(), 9)\nprint('survived')", _survived_or_killed),
    _ending("endless recursion", "def f(): f()\nf()", ended("error", stderr="RecursionError")),
    _ending(
        "recursion beyond any stack",
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**5): x = [x]\nrepr(x)",
        ended("error", "memory_limit"),
        limits=Limits(seconds=30),
    ),
    _ending(
        "a program that breaks the modules it runs on",
        "import builtins, json, os, resource, time\nprint('done', flush=True)\n"
        "for module in (json, resource, time):\n"
        "    for name in dir(module): setattr(module, name, None)\n"
        "os.listdir = os.getcwd = os.write = builtins.sum = builtins.len = builtins.open = None",
        ended("ok", stdout="done\n"),
    ),
    _ending(
        "a program that removed its exits",
        "import os, sys\nprint('done', flush=True)\nos._exit = sys.exit = os.kill = None",
        ended("ok", "error", stdout="done\n", within=10),
    ),
    _ending("input", "print(input())", ended("error", stderr="EOFError")),
    _ending("input to the end", "import sys\nprint(repr(sys.stdin.read()))", ended("ok", stdout="''\n")),
    _ability("threads", "import threading\nt = threading.Thread(target=print, args=(1,))\nt.start(); t.join()", "1\n"),
    _ability("asyncio", "import asyncio\nasync def f(): await asyncio.sleep(0.01); print(1)\nasyncio.run(f())", "1\n"),
    _ability(
        "another python",
        "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True).stdout)",
        "b'42\\n'\n",
    ),
    _ability(
        "temporary files",
        "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x' * 9); print(f.tell())",
        "9\n",
    ),
    _ability(
        "files in /tmp",
        "import os, tempfile\nprint(open('/tmp/a', 'w').write('x'), os.path.exists('/tmp/a'))\n"
        "with tempfile.NamedTemporaryFile(dir='/tmp') as f: print(f.write(b'xx'))",
        "1 True\n2\n",
        isolation="full",
        tmp=True,
    ),
    _ability(
        "a home folder and a user's name",
        "import getpass, os\nprint(getpass.getuser())\n"
        "with open(os.path.expanduser('~/a'), 'w') as f: print(f.write('x'))",
        "user\n1\n",
    ),
    _ability(
        "a pool of processes",
        "import multiprocessing\ndef f(x): return x * x\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(f, [1, 2, 3]))",
        "[1, 4, 9]\n",
        isolation="full",
    ),
    _ability(
        "an executor of processes",
        "from concurrent.futures import ProcessPoolExecutor\ndef f(x): return x * x\n"
        "with ProcessPoolExecutor(2) as pool: print(list(pool.map(f, [1, 2, 3])))",
        "[1, 4, 9]\n",
        isolation="full",
    ),
    _ability(
        "numpy", "import numpy as np\nprint(np.linalg.solve([[2.0, 0], [0, 4]], [2, 8]))", "[1. 2.]\n", needs=("numpy",)
    ),
    _ability(
        "a solve, with its report",
        "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\nx = m.new_int_var(0, 9, 'x')\n"
        "m.add(2 * x <= 15)\nm.maximize(x)\ns = cp_model.CpSolver()\ns.solve(m)\nprint(s.value(x))",
        "7\n",
        _solved,
        needs=("ortools",),
    ),
)
