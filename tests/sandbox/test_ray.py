"""The ray backend on a real cluster of several local nodes, some of which are killed."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from storm_calm.sandbox import Cancellation, Limits, RunCancelledError, SandboxUnavailableError, open_sandbox
from storm_calm.sandbox.backends import ray_cluster, ray_nodes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SPAN = "import time; print(time.monotonic()); time.sleep({}); print(time.monotonic())"
SOLVE = """
from ortools.linear_solver import pywraplp
solver = pywraplp.Solver.CreateSolver("SCIP")
x = solver.IntVar(0, 10, "x")
solver.Add(3 * x <= 20)
solver.Maximize(x)
solver.Solve()
print(solver.Objective().Value())
"""


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster whose head runs no programs, and connect this process. Tests add and kill nodes."""
    before = set(descendants(os.getpid()))
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 6, "worker_niceness": 0}
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 << 20, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        patch.undo()
        left = set(descendants(os.getpid())) - before
        assert wait_until(lambda: not any(alive(pid) for pid in left)), "Ray left processes behind"


@pytest.fixture(scope="module")
def opened(cluster):
    """Yield one sandbox for most tests. It discovers nodes that they add."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_cluster, "SCAN_INTERVAL_SECONDS", 0.2)
        join(cluster)
        join(cluster)
        with open_sandbox("ray", limits=Limits(seconds=20, memory_mb=512)) as sandbox:
            yield sandbox


@pytest.fixture
def nodes(cluster, opened):
    """Return two serving nodes with one processor each. Nodes killed by earlier tests are replaced."""
    while len(cluster.worker_nodes) < 2:
        join(cluster)
    assert wait_until(lambda: serving(opened) == 2, 60)
    return list(cluster.worker_nodes)


def serving(opened):
    """Return the number of nodes with a living actor, excluding deaths that Ray has not detected yet."""
    opened.cluster.lose_the_dead()
    return opened.cluster.slot_count()


def join(cluster):
    return cluster.add_node(num_cpus=1, object_store_memory=80 << 20)


def kill(cluster, node):
    """Kill a node as a power failure does. Nothing on it runs when this returns."""
    there = descendants(raylet(node))
    cluster.remove_node(node, allow_graceful=False)
    for pid in there:
        if alive(pid) and "ray::" in title(pid):
            os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(alive(pid) for pid in there), 20)


def raylet(node):
    return node.all_processes["raylet"][0].process.pid


def actor(node):
    return next(pid for pid in descendants(raylet(node)) if "ray::SandboxActor" in title(pid))


def title(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def stat(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]


def alive(pid):
    """Return whether the process exists and is not a zombie."""
    return stat(pid)[0] not in "ZX"


def descendants(pid):
    parents = {int(name): int(stat(name)[1]) for name in os.listdir("/proc") if name.isdigit()}
    found, new = [], {pid}
    while new := {child for child, parent in parents.items() if parent in new}:
        found += new
    return found


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def run_in_background(opened, codes):
    """Start programs. Once all run, return a function that waits for their Executions or errors."""
    pool = ThreadPoolExecutor(len(codes))
    futures = [pool.submit(opened.run, code) for code in codes]
    pool.shutdown(wait=False)
    return lambda: [future.exception(120) or future.result() for future in futures]


def test_both_nodes_run_programs_up_to_their_slots(nodes, opened):
    assert (opened.workers, opened.backend) == (2, "ray")
    with ThreadPoolExecutor(7) as pool:
        runs = list(pool.map(opened.run, [SPAN.format(0.4)] * 7))
    spans = [tuple(map(float, run.stdout.split())) for run in runs]
    most = max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)
    assert most == 2


def test_executions_have_status_and_reports(nodes, opened):
    solved = opened.run(SOLVE, record=True)
    assert len(solved.solve_records) == 1
    assert (solved.status, solved.stdout, solved.backend, solved.code) == ("ok", "6.0\n", "ray", SOLVE)
    assert (solved.isolation, opened.isolation) == ("full", "full")
    assert [(report.status, report.objective) for report in solved.reports] == [("optimal", 6.0)]
    assert opened.run("1 / 0").status == "error"
    assert opened.run("while True: pass", limits=Limits(seconds=0.5)).status == "timeout"
    assert opened.run("print('x' * 10**6)").status == "output_limit"
    assert opened.run("x = bytearray(1 << 40)").status == "memory_limit"
    copied = opened.run(
        "open('数', 'wb').write(open('ä (1)', 'rb').read())", files={"ä (1)": b"\0\xff"}, results=["数"]
    )
    assert copied.files == {"数": b"\0\xff"}


@pytest.mark.alone
def test_cancelling_a_program_does_not_affect_others_on_its_node(nodes, opened):
    actors = [actor(node) for node in nodes]
    with opened.session() as session:
        session.run("x = 1")
        answers = run_in_background(opened, ["import time; time.sleep(2); print('whole')"])
        for run in (opened.run, session.run):
            cancellation = Cancellation()
            timer = threading.Timer(0.5, cancellation.cancel)
            timer.start()
            begin = time.monotonic()
            with pytest.raises(RunCancelledError):
                run("x = 2\nwhile True: pass", cancellation=cancellation)
            assert time.monotonic() - begin < 0.5 + 0.5
        assert [run.stdout for run in answers()] == ["whole\n"]
        after = session.run("print(x)", cancellation=Cancellation())
        assert (after.stdout, after.replayed, session.blocks) == ("1\n", 0, 2)
    assert [actor(node) for node in nodes] == actors


def test_programs_of_a_dead_node_are_retried_and_new_nodes_are_used(cluster, nodes, opened):
    answers = run_in_background(opened, [f"import time; time.sleep(2); print({i})" for i in range(2)])
    time.sleep(1)
    kill(cluster, nodes[0])
    assert [run.stdout for run in answers()] == ["0\n", "1\n"]
    assert opened.cluster.slot_count() == 1
    join(cluster)
    assert wait_until(lambda: opened.cluster.slot_count() == 2, 60)
    answers = run_in_background(opened, [SPAN.format(2)] * 2)
    spans = [tuple(map(float, run.stdout.split())) for run in answers()]
    assert max(start for start, _ in spans) < min(end for _, end in spans)


def test_all_processes_die_with_their_actor_and_another_takes_over(nodes, opened):
    answers = run_in_background(opened, ["import time; time.sleep(1.5); print('done')"] * 2)
    time.sleep(0.7)
    killed = actor(nodes[0])
    below = descendants(killed)
    assert len(below) >= 3  # The fork server inside and outside of its namespaces, and a program.
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: not any(alive(pid) for pid in below))
    assert [run.stdout for run in answers()] == ["done\n"] * 2
    assert wait_until(lambda: opened.cluster.slot_count() == 2, 60)
    assert actor(nodes[0]) != killed


def test_the_death_of_an_idle_actor_is_detected(nodes, opened):
    os.kill(actor(nodes[0]), signal.SIGKILL)
    os.kill(actor(nodes[1]), signal.SIGKILL)
    assert wait_until(lambda: opened.cluster.slot_count() < 2, 10)
    assert wait_until(lambda: opened.cluster.slot_count() == 2, 60)
    assert opened.run("print(1)").stdout == "1\n"


def test_losing_two_nodes_under_a_program_is_a_sandbox_error(nodes, opened):
    failures = []

    def run():
        try:
            opened.run("import time; time.sleep(15)")
        except SandboxUnavailableError as error:
            failures.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < deadline:
        time.sleep(1)
        for node in nodes:
            for pid in descendants(raylet(node)):
                if "ray::SandboxActor" in title(pid):
                    os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not thread.is_alive() or serving(opened) == 2, 30)
    thread.join()
    assert "lost twice" in failures[0]


def test_a_session_survives_the_loss_of_its_node(cluster, nodes, opened):
    with opened.session() as session:
        session.run("x = 1")
        assert session.run("x = 2; 1 / 0").status == "error"
        assert session.run("x += 10; print(x)").stdout == "11\n"
        key = session._worker.key
        kill(cluster, next(node for node in nodes if node.node_id == key))
        after = session.run("print(x)")
        assert (after.stdout, after.replayed) == ("11\n", 2)
        session.rewind(1)
        assert session.run("print(x)").stdout == "1\n"


def test_close_ends_the_actors_and_keeps_the_callers_connection(nodes):
    before = {node: set(descendants(raylet(node))) for node in nodes}
    with open_sandbox("ray", workers=3) as sandbox:
        running = run_in_background(sandbox, ["import time; time.sleep(20)"] * 4)
        time.sleep(0.5)
        ours = [pid for node in nodes for pid in set(descendants(raylet(node))) - before[node]]
        ours = [pid for pid in ours if "ray::IDLE" not in title(pid)]
        assert any("ray::SandboxActor" in title(pid) for pid in ours)
    assert [type(answer) for answer in running()] == [SandboxUnavailableError] * 4
    assert wait_until(lambda: not any(alive(pid) for pid in ours))
    assert ray.is_initialized()
    with pytest.raises(SandboxUnavailableError, match="closed"):
        sandbox.run("print(1)")


def test_actors_reserve_no_processors(nodes):
    assert ray.cluster_resources()["CPU"] == wait_for_free_processors() == 2


def wait_for_free_processors():
    wait_until(lambda: ray.available_resources().get("CPU") == 2)
    return ray.available_resources().get("CPU")


def test_an_address_other_than_the_connected_one_is_an_error(cluster):
    with pytest.raises(ValueError, match=r"address is '10\.0\.0\.1:6379', but this process is connected"):
        open_sandbox("ray", address="10.0.0.1:6379")


def test_error_for_an_unavailable_isolation_has_the_reason(nodes):
    from storm_calm.sandbox.backends.ray import RaySandbox

    with pytest.raises(SandboxUnavailableError, match=r"no node of the Ray cluster .*: node .* isolation level"):
        RaySandbox(minimum_isolation="full", isolation="limits", workers=None, limits=Limits())
    assert ray.is_initialized()


def test_programs_fail_without_nodes_until_one_joins(cluster, nodes, opened):
    answers = run_in_background(opened, ["import time; time.sleep(5); print('done')"] * 4)
    time.sleep(1)
    for node in nodes:
        kill(cluster, node)
    assert [type(answer) for answer in answers()] == [SandboxUnavailableError] * 4
    with pytest.raises(SandboxUnavailableError, match="no node of the Ray cluster can run programs"):
        opened.run("print(1)")
    with pytest.raises(SandboxUnavailableError, match="join a node"):
        open_sandbox("ray")
    join(cluster)
    assert wait_until(lambda: opened.cluster.slot_count() == 1, 60)
    assert opened.run("print(1)").stdout == "1\n"


def test_slots_are_distributed_by_processors():
    assert ray_cluster.shares({"a": 4, "b": 2}, None) == {"a": 4, "b": 2}
    assert ray_cluster.shares({"a": 4, "b": 2}, 3) == {"a": 2, "b": 1}
    assert ray_cluster.shares({"a": 1, "b": 1}, 1) == {"a": 1}
    assert ray_cluster.shares({"a": 1}, 0) == {}


def test_the_next_slot_is_on_the_node_with_most_free_slots():
    slots, big, small = ray_nodes.NodeSemaphore([]), *(ray_nodes.Node.__new__(ray_nodes.Node) for _ in range(2))
    slots.add(small, 2)
    slots.add(big, 4)
    with contextlib.ExitStack() as taken:
        workers = [taken.enter_context(slots.acquire()).worker for _ in range(4)]
        assert workers[:2] == [big, big]
        assert sorted(workers[2:], key=id) == sorted([big, small], key=id)
        small.lost = True
        slots.remove_lost()
        assert taken.enter_context(slots.acquire()).worker is big
    with slots.acquire(lambda slot: slot.worker is not small) as slot:
        assert slot.worker is big


def test_error_without_the_ray_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "storm_calm.sandbox.backends.ray")
    with pytest.raises(SandboxUnavailableError, match=r"pip install 'storm-calm\[ray\]'"):
        open_sandbox("ray")


def in_a_process_of_its_own(code):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_error_for_an_unreachable_cluster_has_its_address():
    run = in_a_process_of_its_own("""
        from storm_calm.sandbox import open_sandbox, SandboxUnavailableError
        try:
            open_sandbox("ray", address="127.0.0.1:9")
        except SandboxUnavailableError as error:
            print(error)
    """)
    assert "no connection to Ray at '127.0.0.1:9'" in run.stdout, run.stderr
    assert "ray start --head" in run.stdout


def test_a_cluster_started_here_ends_with_the_last_sandbox_on_it():
    run = in_a_process_of_its_own("""
        import os, ray
        from storm_calm.sandbox import open_sandbox
        with open_sandbox("ray", address="local", workers=1) as first:
            with open_sandbox("ray", workers=1) as second:
                print(first.run("print(1)").stdout, second.run("print(2)").stdout)
            print(ray.is_initialized(), "RAY_USAGE_STATS_ENABLED" in os.environ)
        print(ray.is_initialized())
        print("left:", *(open(f"/proc/self/task/{task}/children").read() for task in os.listdir("/proc/self/task")))
    """)
    assert run.stdout.split() == ["1", "2", "True", "False", "False", "left:"], run.stdout + run.stderr
    assert run.stderr == ""
