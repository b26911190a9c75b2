"""A sandbox of an unprivileged user: the same isolation levels, through user namespaces."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from storm_calm.sandbox import ISOLATION_LEVELS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

BECOME_NOBODY_SPECIAL = """
import os, sys
sys.path.insert(0, {root!r})
from storm_calm.sandbox.zygote import kernel, namespaces
if os.geteuid() == 0:
    # If the interpreter is in a closed folder such as /root, show it in an open one with the same name.
    folders = [*namespaces.system_folders(), {root!r}]
    closed = {{parent for path in folders for parent in map(str, __import__("pathlib").Path(path).parents)
              if not os.stat(parent).st_mode & 1}}
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", kernel.MS_REC | kernel.MS_PRIVATE)
    for top in sorted(closed)[:1]:
        shown = [path for path in folders if path.startswith(top + "/")]
        shown = [path for path in shown if not any(path.startswith(other + "/") for other in shown)]
        trees = {{path: kernel.clone_tree(path, writable=True) for path in shown}}
        kernel.mount("tmpfs", top, 0, "mode=0755")
        for path, fd in trees.items():
            os.makedirs(path)
            kernel.attach_tree(fd, path)
    os.setgroups([])
    os.setresgid(54321, 54321, 54321)
    os.setresuid(54321, 54321, 54321)
"""

SCRIPT = """
import json
from storm_calm.sandbox import open_sandbox, Limits, SandboxUnavailableError
try: sandbox = open_sandbox(isolation={isolation!r}, minimum_isolation={isolation!r})
except SandboxUnavailableError as error: sys.exit("SKIP " + str(error))
with sandbox:
    limits = [Limits(seconds=1 if "fork" in code else 20, processes=20, memory_mb=128) for code in {codes!r}]
    runs = [sandbox.run(code, limits=limit) for code, limit in zip({codes!r}, limits)]
print(json.dumps([os.getuid(), [run.to_dict() for run in runs]]))
"""

CODES = [
    "print(6 * 7)",
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "import os\nif os.fork() == 0: os.setsid(); import time; time.sleep(60)\nprint(os.listdir('/home'))",
    "x = []\nwhile True: x.append(b'x' * 10_000_000)",
    "import socket; socket.socket()",
]


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
def test_every_isolation_level_works_for_an_unprivileged_user(isolation):
    script = BECOME_NOBODY_SPECIAL.format(root=str(ROOT)) + SCRIPT.format(isolation=isolation, codes=CODES)
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    if "SKIP" in run.stderr:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, run.stderr
    user, (plain, bomb, daemon, memory, network) = json.loads(run.stdout)
    assert user != 0 or os.geteuid() != 0
    assert (plain["status"], plain["stdout"], plain["isolation"]) == ("ok", "42\n", isolation)
    assert bomb["status"] == "timeout"
    assert daemon["status"] != "timeout"
    assert memory["status"] == "memory_limit"
    if isolation != "limits":
        assert "Error" in daemon["stderr"]
        assert "PermissionError" in network["stderr"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to keep for it")
def test_a_program_in_a_closed_folder_is_found_by_a_user_with_access(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "solver"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    tmp_path.chmod(0o700)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, subprocess\nfrom storm_calm.sandbox.zygote import kernel, namespaces\n"
            "namespaces.become(namespaces.NOBODY, capabilities=frozenset({kernel.CAP_DAC_READ_SEARCH}))\n"
            f"print(os.getuid(), os.access({str(program)!r}, os.X_OK), os.access({str(closed)!r}, os.W_OK))\n"
            "try: os.setuid(0)\nexcept PermissionError: print('stays', flush=True)\n"
            f"subprocess.run({str(program)!r})",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("65534 True False\nstays\nfound\n", "")
