"""Programs that mean harm. Each test plays one and then looks at the world outside it."""

import os
import secrets
import socket
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from sandbox import Limits

TRY = """
def attempt(name, action):
    try: print(name, "DONE", action())
    except Exception as error: print(name, "refused")
"""


def attempts(sandbox, code):
    """Run `code`, in which `attempt(name, action)` tries something; the names of what was not refused."""
    execution = sandbox.run(TRY + textwrap.dedent(code))
    assert execution.exit_code == 0, execution.stderr
    assert "refused" in execution.stdout
    return [line for line in execution.stdout.splitlines() if not line.endswith("refused")]


def processes_with(word):
    """Processes anywhere on the machine whose command line or name holds `word`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/comm").read_bytes()
        except OSError:
            continue
        if word.encode() in text:
            found.append(int(pid))
    return found


def rename(word):
    """Code that gives the process, and all that it forks, a name to be found by."""
    return f"import ctypes, os, sys, time\nctypes.CDLL(None).prctl(15, b'{word}', 0, 0, 0)\n"


@pytest.fixture
def word():
    """A word that is nowhere else: of 15 letters, as many as a process's name has."""
    return secrets.token_hex(7)


def test_a_fork_bomb_is_ended_whole(sandbox, word):
    bomb = "while True:\n    try: os.fork()\n    except OSError: pass"
    neighbour: list[str] = []
    beside = threading.Thread(target=lambda: neighbour.append(sandbox.run("print('fine')").stdout))
    beside.start()
    execution = sandbox.run(rename(word) + bomb, limits=Limits(seconds=0.5, processes=24))
    beside.join()
    assert execution.status == "timeout"
    assert processes_with(word) == []
    assert neighbour == ["fine\n"]


def test_a_daemon_does_not_outlive_its_run(sandbox, word):
    code = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        time.sleep(300)
    os._exit(0)
print("done")
"""
    execution = sandbox.run(rename(word) + code)
    assert (execution.status, execution.stdout) == ("ok", "done\n")
    assert execution.wall_seconds < 5
    assert processes_with(word) == []


def test_killing_everything_in_reach_kills_nothing_outside(walled):
    code = """
import os, signal
for pid in (os.getppid(), 1, *range(2, 40), -1):
    if pid not in (0, os.getpid()):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
"""
    slow = []
    beside = threading.Thread(target=lambda: slow.append(walled.run("import time; time.sleep(0.5); print('alive')")))
    beside.start()
    server = walled._server.process.pid
    time.sleep(0.1)
    walled.run(code)
    beside.join()
    assert slow[0].stdout == "alive\n"
    assert walled._server.process.pid == server
    assert walled._server.alive()


def test_secrets_of_the_caller_are_nowhere(walled, monkeypatch, tmp_path):
    secret = "".join(["Zq7", *secrets.token_hex(8)])  # never whole in the program's own text
    monkeypatch.setenv("MY_API_KEY", secret)
    (tmp_path / "secret").write_text(secret)
    tmp_path.chmod(0o755)
    half, rest = secret[:9], secret[9:]
    code = f"""
import os, re
secret = {half!r}; secret += {rest!r}
found = [name for name, value in os.environ.items() if secret in value]
for pid in ["self", *range(1, 9)]:
    try: found += [pid] if secret.encode() in open(f"/proc/{{pid}}/environ", "rb").read() else []
    except OSError: pass
for path in ({str(tmp_path / "secret")!r}, "/etc/passwd", "/etc/shadow", "/root/.bashrc", "/proc/kcore"):
    try: found.append((path, open(path).read(10)))
    except OSError: pass
for path in ("/home", "/var", "/srv", "/mnt", {str(Path(__file__).parent)!r}):
    try: found.append((path, os.listdir(path)))
    except OSError: pass
name = re.compile(b"MY_AP[I]_KEY=")  # does not find itself
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        bounds, rights = line.split()[:2]
        start, end = (int(bound, 16) for bound in bounds.split("-"))
        if "r" in rights and "[v" not in line and end - start < 1 << 28:
            try:
                memory.seek(start)
                if name.search(memory.read(end - start)): found.append(line)
            except OSError: pass
print(found)
"""
    execution = walled.run(code)
    assert (execution.stdout, execution.stderr) == ("[]\n", "")


def test_the_environment_is_ours_alone(sandbox):
    names = sandbox.run("import os\nprint(*sorted(os.environ))").stdout.split()
    assert set(names) == {
        *("HOME", "LANG", "PATH", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED"),
        *("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    }


def test_no_project_installed_in_place_can_be_imported(walled):
    done = attempts(
        walled,
        """
        import importlib
        for name in ("sandbox", "sandbox.local", "tests"): attempt(name, lambda: importlib.import_module(name))
        """,
    )
    assert done == []


def test_the_network_is_not_there(walled):
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = attempts(
            walled,
            f"""
            import socket, urllib.request
            attempt("loopback", lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 1))
            attempt("internet", lambda: socket.create_connection(("1.1.1.1", 53), 1))
            attempt("metadata", lambda: urllib.request.urlopen("http://169.254.169.254/", timeout=1))
            attempt("names", lambda: socket.getaddrinfo("pypi.org", 443))
            attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)))
            attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
            attempt("raw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
            """,
        )
    assert done == []


def test_sockets_of_the_machine_cannot_be_reached(walled, tmp_path):
    path = tmp_path / "agent"
    abstract = "\0" + secrets.token_hex(8)
    with socket.socket(socket.AF_UNIX) as by_path, socket.socket(socket.AF_UNIX) as by_name:
        by_path.bind(str(path))
        by_name.bind(abstract)
        for server in (by_path, by_name):
            server.listen()
        for folder in (path, *path.parents[:3]):
            folder.chmod(0o777)
        code = f"""
        import socket
        attempt("path", lambda: socket.socket(socket.AF_UNIX).connect({str(path)!r}))
        attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect({abstract!r}))
        """
        assert attempts(walled, code) == []


def test_nothing_outside_can_be_written(walled, tmp_path):
    tmp_path.chmod(0o777)
    done = attempts(
        walled,
        f"""
        import os, numpy
        def write(path):
            with open(path, "a") as file: file.write("#")
        for path in ("/x", "/usr/x", "/etc/x", "/usr/bin/x", {str(tmp_path)!r} + "/x", {sys.prefix!r} + "/x",
                     "/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/sys/devices/system/cpu/cpu0/online",
                     numpy.__file__, os.__file__, "../../../x"):
            attempt(path, lambda: write(path))
        os.symlink({str(tmp_path)!r}, "link")
        attempt("link", lambda: write("link/x"))
        attempt("library", lambda: os.unlink(numpy.__file__))
        attempt("mode", lambda: os.chmod(numpy.__file__, 0o777))
        attempt("rename", lambda: os.rename(os.path.dirname(numpy.__file__), "numpy"))
        """,
    )
    assert done == []
    assert list(tmp_path.iterdir()) == []


def test_powers_are_gone_and_cannot_be_had(walled):
    done = attempts(
        walled,
        """
        import ctypes, os, resource
        libc = ctypes.CDLL(None, use_errno=True)
        def call(name, *arguments):
            if getattr(libc, name)(*arguments) < 0: raise OSError(ctypes.get_errno(), name)
        attempt("user namespace", lambda: call("unshare", 0x10000000))
        attempt("mount", lambda: call("mount", b"none", b".", b"tmpfs", 0, None))
        attempt("umount", lambda: call("umount2", b"/proc", 2))
        attempt("ptrace", lambda: call("ptrace", 16, 1, 0, 0))
        attempt("setns", lambda: call("setns", 0, 0))
        attempt("chroot", lambda: os.chroot("."))
        attempt("memfd", lambda: os.memfd_create("x"))
        attempt("io_uring", lambda: call("syscall", 425, 1, 0))
        attempt("bpf", lambda: call("syscall", 321, 0, 0, 0))
        attempt("root", lambda: os.setuid(0))
        attempt("rights", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))
        attempt("nice", lambda: os.nice(-5))
        """,
    )
    assert done == []
    status = walled.run("print(open('/proc/self/status').read())").stdout
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_capabilities_are_gone(full):
    status = full.run("print(open('/proc/self/status').read())").stdout
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{kind}:\t0000000000000000" in status


def test_only_the_standard_streams_and_the_report_pipe_are_open(sandbox):
    code = "import os\nprint([fd for fd in range(1024) if os.path.exists(f'/proc/self/fd/{fd}')])"
    assert sandbox.run(code).stdout == "[0, 1, 2, 3]\n"


def test_a_run_leaves_nothing_to_the_next(walled):
    plant = """
import builtins, json, os, sys
builtins.LEAK = json.LEAK = 1
sys.modules["leak"] = json
os.environ["LEAK"] = "1"
for folder in (".", "/dev/shm", os.environ["TMPDIR"], "/tmp", "/var/tmp"):
    try: open(f"{folder}/leak", "w").close()
    except OSError: pass
"""
    look = """
import builtins, json, os, sys
print(hasattr(builtins, "LEAK"), hasattr(json, "LEAK"), "leak" in sys.modules, "LEAK" in os.environ,
      [f for f in (".", "/dev/shm", os.environ["TMPDIR"], "/tmp", "/var/tmp") if os.path.exists(f"{f}/leak")])
"""
    for _ in range(4):  # through all the children that were made ahead
        assert walled.run(plant).status == "ok"
        assert walled.run(look).stdout == "False False False False []\n"


def test_prints_and_stray_writes_forge_no_report(sandbox):
    code = """
import json, os
line = json.dumps({"library": "ortools.cp_model", "solver": "CP-SAT", "status": "optimal", "objective": 1e9})
print(line)
for fd in range(3, 64):
    for word in ("", "0" * 16, "{}"):
        try: os.write(fd, (word + line + "\\n").encode())
        except OSError: pass
"""
    assert sandbox.run(code).reports == ()


def test_a_flood_of_stray_reports_does_no_harm(sandbox):
    execution = sandbox.run("import os\nfor _ in range(100): os.write(3, b'x' * 65536)\nprint('done')")
    assert (execution.status, execution.stdout, execution.reports) == ("ok", "done\n", ())
