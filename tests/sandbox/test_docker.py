"""The "docker" sandbox with a real engine: the environment in a container, and cleanup."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import docker
import pytest

from storm_calm.sandbox import Limits, open_sandbox
from storm_calm.sandbox.backends.docker_engine import LABEL
from storm_calm.sandbox.selfcheck import Outside, self_check

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(seconds=10, memory_mb=512)

KNAPSACK = """
from ortools.linear_solver import pywraplp
solver = pywraplp.Solver.CreateSolver("SCIP")
take = [solver.BoolVar(str(i)) for i in range(3)]
solver.Add(3 * take[0] + 4 * take[1] + 5 * take[2] <= 8)
solver.Maximize(4 * take[0] + 5 * take[1] + 7 * take[2])
solver.Solve()
print(solver.Objective().Value())
"""


@pytest.fixture(scope="module")
def contained(docker_image):
    with open_sandbox("docker", image=docker_image, workers=2, limits=LIMITS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(docker_image):
    return docker.from_env()


def containers(client):
    """Return the ids of all containers of this project."""
    return {container["Id"] for container in client.api.containers(all=True, filters={"label": LABEL})}


def attempts(sandbox, code):
    """Run `code`, which calls `attempt(name, action)`. Return the names of the actions that succeeded."""
    head = """
def attempt(name, action):
    try: print(name, "DONE", action())
    except Exception as error: print(name, "refused")
"""
    execution = sandbox.run(head + textwrap.dedent(code))
    assert (execution.exit_code, "refused" in execution.stdout) == (0, True), execution.stderr
    return [line for line in execution.stdout.splitlines() if not line.endswith("refused")]


def test_a_solve_runs_and_is_reported(contained):
    execution = contained.run(KNAPSACK, record=True)
    assert len(execution.solve_records) == 1
    assert (execution.status, execution.stdout) == ("ok", "11.0\n")
    assert (execution.backend, execution.isolation) == ("docker", "full")
    assert "memory" in contained.resource_control
    (report,) = execution.reports
    assert (report.library, report.status, report.objective) == ("ortools.linear_solver", "optimal", 11.0)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1 / 0", "error"),
        ("while True: pass", "timeout"),
        ("x = []\nwhile True: x.append(b'x' * 10_000_000)", "memory_limit"),
        ("while True: print('x' * 9999)", "output_limit"),
        ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "timeout"),
    ],
)
def test_a_program_over_its_limits_is_stopped_and_the_next_one_runs(contained, code, status):
    execution = contained.run(code, limits=Limits(seconds=1 if status == "timeout" else 20, memory_mb=128))
    assert execution.status == status
    assert execution.wall_seconds < 5
    assert contained.run("print('fine')").stdout == "fine\n"


def test_every_solver_library_is_in_the_image(contained):
    code = "import cvxpy, highspy, numpy, ortools, pandas, pulp, pyomo, pyscipopt, scipy\nprint('all')"
    assert contained.run(code).stdout == "all\n"


def test_input_and_result_files_are_transferred(contained):
    execution = contained.run(
        "import os; os.mkdir('out'); open('out/数', 'wb').write(open('in/ä (1)', 'rb').read()[::-1])",
        files={"in/ä (1)": b"\0\xff1"},
        results=["out/数", "missing"],
    )
    assert execution.files == {"out/数": b"1\xff\0"}


def test_a_session_keeps_its_state_and_rewinds(contained):
    with contained.session() as session:
        session.run("x = 1")
        assert session.run("x = 2; 1 / 0").status == "error"
        assert session.run("x += 10; print(x)").stdout == "11\n"
        session.rewind(1)
        assert session.run("print(x)").stdout == "1\n"


def test_workers_run_in_parallel_in_separate_containers(contained):
    code = "import socket, time; start = time.time(); time.sleep(0.6); print(socket.gethostname(), start, time.time())"
    found = []
    threads = [threading.Thread(target=lambda: found.append(contained.run(code).stdout.split())) for _ in range(2)]
    contained.run("pass")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (host, start, end), (other_host, other_start, other_end) = found
    assert host != other_host
    assert max(float(start), float(other_start)) < min(float(end), float(other_end))


def test_multiprocessing_works(contained):
    code = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.shared_memory import SharedMemory
with multiprocessing.Pool(2) as pool, ProcessPoolExecutor(2) as other:
    print(pool.map(abs, [-1, 2]), list(other.map(abs, [-3])))
memory = SharedMemory(create=True, size=100)
memory.buf[0] = 7
again = SharedMemory(memory.name)
print(again.buf[0])
memory.unlink()
"""
    assert contained.run(code).stdout == "[1, 2] [3]\n7\n"


def test_a_program_leaves_nothing_for_the_next_one(docker_image):
    plant = """
import os, time
for folder in (".", "/dev/shm", os.environ["TMPDIR"], "/tmp", "/var/tmp", "/opt/storm"):
    try: open(f"{folder}/leak", "w").close(); os.makedirs(f"{folder}/leaks/deep/deeper"); os.chmod(f"{folder}/leaks", 0)
    except OSError: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        time.sleep(300)
    os._exit(0)
time.sleep(SECONDS)
"""
    look = """
import os
print([f for f in (".", "/dev/shm", os.environ["TMPDIR"], "/tmp", "/var/tmp", "/opt/storm")
       if os.path.exists(f"{f}/leak") or os.path.exists(f"{f}/leaks")])
"""
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS) as sandbox:
        sandbox.run(look)
        name = sandbox.open_workers[0].container_id
        processes = len(docker.from_env().api.top(name)["Processes"])
        for seconds, status in [(0, "ok"), (60, "timeout"), (0, "ok")]:
            run = sandbox.run(plant.replace("SECONDS", str(seconds)), limits=Limits(seconds=1, memory_mb=512))
            assert run.status == status
            assert sandbox.run(look).stdout == "[]\n"
        # In one container throughout.
        assert sandbox.open_workers[0].container_id == name
        assert settles(lambda: len(docker.from_env().api.top(name)["Processes"]) <= processes)
        listing = docker.from_env().containers.get(name).exec_run(["find", "/dev/shm", "/scratch", "-name", "leak*"])
        assert b"leak" not in listing.output


def settles(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_there_is_no_network(contained):
    done = attempts(
        contained,
        """
        import socket
        attempt("internet", lambda: socket.create_connection(("1.1.1.1", 53), 1))
        attempt("loopback", lambda: socket.create_server(("127.0.0.1", 0)))
        attempt("names", lambda: socket.getaddrinfo("pypi.org", 443))
        """,
    )
    assert done == []


def test_only_the_programs_own_folder_is_writable_and_readable(contained):
    done = attempts(
        contained,
        """
        import numpy, os
        for path in ("/x", "/usr/x", "/etc/x", "/tmp/x", "/opt/storm/x", numpy.__file__, os.__file__, "../x"):
            attempt(path, lambda: open(path, "a"))
        for path in ("/tmp", "/opt/storm", "/etc/hosts", "/proc/1/environ", "/proc/1/cmdline"):
            attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
        attempt("kill the worker", lambda: os.kill(1, 9))
        attempt("kill the fork server", lambda: os.kill(os.getppid(), 9))
        """,
    )
    assert done == []


def test_the_container_is_hardened(contained, client):
    contained.run("pass")
    container = client.api.inspect_container(contained.open_workers[0].container_id)
    host = container["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"], host["IpcMode"]) == (
        "none",
        True,
        ["ALL"],
        "private",
    )
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] > 0
    assert host["PidsLimit"] > 0
    assert host["NanoCpus"] > 0
    assert host["LogConfig"]["Type"] == "none"
    assert not host["Privileged"]
    assert container["Mounts"] == []
    assert container["Config"]["StdinOnce"]
    assert container["Config"]["User"].split(":")[0] not in ("", "0", "root")
    status = contained.run("print(open('/proc/self/status').read())").stdout
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status


def test_a_program_with_larger_limits_gets_a_larger_container(docker_image, client):
    before = containers(client)
    with open_sandbox("docker", image=docker_image, workers=1, limits=Limits(memory_mb=64, file_mb=1)) as sandbox:
        code = "open('big', 'wb').write(bytes(8 << 20)); x = bytes(300 << 20); print(len(x))"
        assert sandbox.run(code).status != "ok"
        assert sandbox.run(code, limits=Limits(memory_mb=600, file_mb=16)).stdout == f"{300 << 20}\n"
        assert sandbox.run("print(1)").stdout == "1\n"
        # One container at a time.
        assert len(containers(client) - before) == 1


def test_close_removes_all_containers_even_during_a_program(docker_image, client):
    before, files = containers(client), len(os.listdir("/proc/self/fd"))
    sandbox = open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS)
    errors = []

    def run():
        try:
            sandbox.run("import time; time.sleep(60)", limits=Limits(seconds=90, memory_mb=512))
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    assert settles(lambda: sandbox.slots.free_count == 0)
    sandbox.close()
    thread.join(10)
    assert errors == ["SandboxUnavailableError: the sandbox is closed"]
    assert containers(client) == before
    assert len(os.listdir("/proc/self/fd")) <= files
    sandbox.close()


def test_containers_are_removed_if_the_caller_does_not_close(docker_image, client):
    before = containers(client)
    script = f"""
    from storm_calm.sandbox import open_sandbox
    print(open_sandbox("docker", image={docker_image!r}, workers=1).run("print(6 * 7)").stdout)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.stdout.strip(), run.stderr) == ("42", "")
    assert containers(client) == before


def test_the_complete_self_check_passes_in_containers(docker_image):
    with Outside() as outside, open_sandbox("docker", image=docker_image, workers=2) as sandbox:
        assert [outcome for outcome in self_check(sandbox, outside=outside) if outcome.state == "broken"] == []
