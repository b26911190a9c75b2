"""Attacks whose effect is only visible from outside. The others are cases of `sandbox.selfcheck`."""

import threading
import time

KILL = """
import os, signal
for pid in (os.getppid(), 1, *range(2, 40), -1):
    if pid not in (0, os.getpid()):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
"""


def test_killing_all_visible_processes_spares_the_fork_server_and_neighbours(walled):
    walled.run("pass")
    slow = []
    beside = threading.Thread(target=lambda: slow.append(walled.run("import time; time.sleep(0.5); print('alive')")))
    beside.start()
    server = walled.fork_servers.running["plain"].process.pid
    time.sleep(0.1)
    walled.run(KILL)
    beside.join()
    assert slow[0].stdout == "alive\n"
    assert walled.fork_servers.running["plain"].process.pid == server
    assert walled.fork_servers.running["plain"].alive()


def test_editable_installs_cannot_be_imported(walled):
    code = """
import importlib
for name in ("storm_calm", "storm_calm.sandbox.backends.local", "storm_calm.cli"):
    try: print(importlib.import_module(name))
    except ImportError: print("refused")
"""
    assert walled.run(code).stdout == "refused\n" * 3


def test_libraries_cannot_be_modified(walled):
    code = """
import os, sys, numpy
for action in (
    lambda: open(numpy.__file__, "a"),
    lambda: open(sys.prefix + "/x", "w"),
    lambda: os.unlink(numpy.__file__),
    lambda: os.chmod(numpy.__file__, 0o777),
    lambda: os.rename(os.path.dirname(numpy.__file__), "numpy"),
):
    try: print(action())
    except OSError: print("refused")
"""
    assert walled.run(code).stdout == "refused\n" * 5
