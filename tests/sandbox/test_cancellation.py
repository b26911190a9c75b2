"""A cancelled program ends at once with all its processes, and other programs are unaffected."""

import contextlib
import os
import random
import select
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storm_calm.sandbox import Cancellation, Limits, Program, RunCancelledError, open_sandbox
from storm_calm.sandbox.backends import program_run
from storm_calm.sandbox.backends.docker_stream import ContainerStream, StreamLostError
from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore
from storm_calm.sandbox.backends.worker import Worker
from storm_calm.sandbox.cancellation import on_cancel, run_abandonable, wake_fd
from storm_calm.sandbox.zygote.processes import is_doomed

pytestmark = pytest.mark.alone

SOON = 0.5
"""Seconds until a cancelled program must have ended."""

LATER = 2.0
"""The same for the maximum number of processes: killing them takes a large part of a second."""

NAMED = """
import ctypes
ctypes.CDLL(None).prctl(15, b"{name}")
"""
"""Name the program's process and its descendants, so that tests can identify them from outside."""

PROGRAMS = {
    "a busy loop": "while True: pass",
    "a solver": """
from ortools.sat.python import cp_model
model = cp_model.CpModel()
marks = [model.new_int_var(0, 200, "") for _ in range(13)]
model.add_all_different([high - low for number, high in enumerate(marks) for low in marks[:number]])
for low, high in zip(marks, marks[1:]): model.add(low < high)
model.minimize(marks[-1])
cp_model.CpSolver().solve(model)
""",
    "sleeping children": """
import os, time
for _ in range(5): os.fork()
time.sleep(60)
""",
    "a fork that ignores signals": """
import os, signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0: os.setsid()
while True: time.sleep(1)
""",
    "a flood of output": "while True: print('x' * 999)",
    "a storm of forks": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
}


def running(name):
    """Return the running processes of that name, except those that the kernel is still removing."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid = int(stat.parent.name)
            if stat.read_text(errors="replace").rpartition(")")[0].endswith(f"({name}") and not is_doomed(pid):
                found.append(pid)
    return found


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def cancelled_after(condition, run):
    """Cancel `run`, a function of a Cancellation, once `condition` holds. Return the seconds until it ended."""
    cancellation = Cancellation()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, cancellation)
        assert wait_until(condition), "it did not begin"
        begin = time.monotonic()
        cancellation.cancel()
        with pytest.raises(RunCancelledError):
            future.result()
        return time.monotonic() - begin


@pytest.mark.parametrize("program", PROGRAMS)
def test_cancelling_ends_any_program_at_once_and_leaves_no_process(sandbox, program):
    name = f"c{os.getpid()}"
    code = NAMED.format(name=name) + PROGRAMS[program]
    limits = Limits(seconds=60, output_bytes=1 << 40)

    def well_under_way():
        time.sleep(0.2 if running(name) else 0)
        return running(name)

    took = cancelled_after(well_under_way, lambda c: sandbox.run(code, limits=limits, cancellation=c))
    assert took < (LATER if program == "a storm of forks" else SOON)
    assert not running(name)
    assert sandbox.run("print(6 * 7)").stdout == "42\n"


def test_a_program_cancelled_beforehand_does_not_start(sandbox):
    cancellation = Cancellation()
    cancellation.cancel()
    cancellation.cancel()
    with pytest.raises(RunCancelledError):
        sandbox.run("print(1)", cancellation=cancellation)
    with sandbox.session() as session, pytest.raises(RunCancelledError):
        session.run("print(1)", cancellation=cancellation)


def test_a_program_that_is_not_cancelled_ends_normally(sandbox):
    run = sandbox.run("open('a', 'w').write('b'); print(1)", results=["a"], cancellation=Cancellation())
    assert (run.status, run.stdout, run.files) == ("ok", "1\n", {"a": b"b"})
    assert sandbox.run("1 / 0", cancellation=Cancellation()).status == "error"


def test_cancelling_a_queued_program_keeps_the_order_of_the_others():
    with open_sandbox(workers=1) as sandbox, ThreadPoolExecutor(2) as pool:
        first = pool.submit(sandbox.run, "import time; time.sleep(1); print('first')")
        assert wait_until(lambda: sandbox.slots.free_count == 0)
        waiting = lambda count: lambda: sandbox.slots.waiting_count == count  # noqa: E731
        assert cancelled_after(waiting(1), lambda c: sandbox.run("pass", cancellation=c)) < SOON
        assert not first.done()
        assert waiting(0)()
        assert pool.submit(sandbox.run, "print('next')").result().stdout == "next\n"
        assert first.result().stdout == "first\n"


def test_a_slot_granted_during_cancellation_is_not_lost():
    slots = FairSemaphore([1])
    for _ in range(300):
        cancellation = Cancellation()

        def take(cancellation=cancellation):
            with contextlib.suppress(RunCancelledError), slots.acquire(cancellation=cancellation):
                pass

        with slots.acquire():
            threads = [threading.Thread(target=take), threading.Thread(target=cancellation.cancel)]
            threads[0].start()
        threads[1].start()
        for thread in threads:
            thread.join()
        assert (slots.free_count, slots.waiting_count) == (1, 0)


def test_cancelling_does_not_wait_for_a_starting_fork_server():
    with open_sandbox(workers=1) as sandbox:
        solve = "from ortools.linear_solver import pywraplp; print(6 * 7)"
        begun = lambda: sandbox.slots.free_count == 0  # noqa: E731
        assert cancelled_after(begun, lambda c: sandbox.run(solve, cancellation=c)) < SOON
        assert sandbox.run(solve).stdout == "42\n"
        assert len(sandbox.fork_servers.running) == 2


def test_an_unresponsive_fork_server_is_abandoned(monkeypatch):
    monkeypatch.setattr(program_run, "GRACE_SECONDS", 0.3)
    with open_sandbox(isolation="landlock", workers=1) as sandbox:
        sandbox.run("pass")
        server = sandbox.fork_servers.running["plain"].process.pid
        name = f"s{os.getpid()}"
        code = NAMED.format(name=name) + "while True: pass"

        def stuck():
            if running(name):
                os.kill(server, signal.SIGSTOP)
            return running(name)

        assert cancelled_after(stuck, lambda c: sandbox.run(code, cancellation=c)) < 1
        os.kill(server, signal.SIGKILL)  # Otherwise the next program waits six seconds for the same outcome.
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
        assert wait_until(lambda: not running(name))


def test_cancelling_many_programs_at_random_times_leaks_nothing(walled):
    walled.run("pass")
    name, luck = f"m{os.getpid()}", random.Random(walled.isolation)
    code = NAMED.format(name=name) + "import os, time; os.fork(); time.sleep(0.02); print('done')"
    files, threads, outcomes = len(os.listdir("/proc/self/fd")), threading.active_count(), []

    def cancelled(number):
        cancellation = Cancellation()
        # Every tenth is not cancelled, so some finish on any machine.
        delay = luck.uniform(0, 0.08) if number % 10 else 60
        timers = [threading.Timer(delay, cancellation.cancel) for _ in range(2)]
        for timer in timers:
            timer.start()
        try:
            outcomes.append(walled.run(code, cancellation=cancellation).status)
        except RunCancelledError:
            outcomes.append("cancelled")
        for timer in timers:
            if delay == 60:
                timer.cancel()
            timer.join()

    with ThreadPoolExecutor(8) as pool:
        cut = [pool.submit(cancelled, number) for number in range(120)]
        whole = [pool.submit(walled.run, f"print({number})") for number in range(60)]
        assert [run.result().stdout for run in whole] == [f"{number}\n" for number in range(60)]
        for future in cut:
            future.result()
    assert set(outcomes) == {"ok", "cancelled"}
    assert wait_until(lambda: not running(name))
    assert walled.slots.free_count == walled.workers
    assert len(os.listdir("/proc/self/fd")) == files
    assert wait_until(lambda: threading.active_count() == threads)


def test_a_cancelled_block_leaves_the_session_unchanged_and_is_not_counted(sandbox):
    name = f"b{os.getpid()}"
    with sandbox.session() as session:
        session.run("x = 1; open('f', 'w').write('old')")
        code = NAMED.format(name=name) + "x = 2; open('f', 'w').write('new')\nwhile True: pass"
        assert cancelled_after(lambda: running(name), lambda c: session.run(code, cancellation=c)) < SOON
        assert not running(name)
        assert session.blocks == 1
        after = session.run("print(x, open('f').read())", cancellation=Cancellation())
        assert (after.stdout, after.replayed, session.blocks) == ("1 old\n", 0, 2)


def test_a_session_stays_consistent_when_blocks_are_cancelled_at_random(walled):
    luck, count = random.Random(walled.isolation), 0
    with walled.session() as session:
        session.run("x = 0")
        for _ in range(40):
            cancellation = Cancellation()
            timer = threading.Timer(luck.uniform(0, 0.03), cancellation.cancel)
            timer.start()
            with contextlib.suppress(RunCancelledError):
                count += session.run("x += 1; open('f', 'w').write(str(x))", cancellation=cancellation).status == "ok"
            timer.join()
        count += session.run("x += 1; open('f', 'w').write(str(x))").status == "ok"
        assert session.run("print(x, open('f').read())").stdout == f"{count} {count}\n"
        assert session.blocks == count + 2
    assert walled.slots.free_count == walled.workers


def test_the_replay_of_a_session_can_be_cancelled():
    name = f"r{os.getpid()}"
    with open_sandbox(workers=1) as sandbox, sandbox.session() as session:
        session.run(NAMED.format(name=name) + "import time; time.sleep(0.4); x = 1")
        os.kill(sandbox.fork_servers.running["plain"].process.pid, signal.SIGKILL)
        assert wait_until(lambda: not running(name))
        assert cancelled_after(lambda: running(name), lambda c: session.run("x = 2", cancellation=c)) < SOON
        assert session.blocks == 1
        assert session.run("print(x)").stdout == "1\n"


def test_a_worker_cancels_only_the_program_with_the_given_number():
    with open_sandbox(workers=2) as sandbox, ThreadPoolExecutor(2) as pool:
        worker = Worker(sandbox)
        ask = lambda number, code: pool.submit(  # noqa: E731
            worker.answer,
            {"call": "run", "number": number, "program": Program(code=code, limits=sandbox.limits).to_dict()},
        )
        endless, short = ask(1, "while True: pass"), ask(2, "import time; time.sleep(0.5); print(1)")
        assert wait_until(lambda: len(worker.running) == 2)
        assert worker.answer({"call": "cancel", "number": 3}) == {"value": None}
        assert worker.answer({"call": "cancel", "number": 1}) == {"value": None}
        assert endless.result(SOON) == {"cancelled": True}
        assert short.result()["value"]["stdout"] == "1\n"
        assert worker.answer({"call": "cancel", "number": 1}) == {"value": None}


def test_a_cancelled_container_stream_is_closed():
    here, there = socket.socketpair()
    with here, there:
        stream = ContainerStream(here)

        def ask(cancellation):
            try:
                stream.ask(b"hello", 60, cancellation)
            except StreamLostError:
                raise RunCancelledError from None

        assert cancelled_after(lambda: select.select([there], [], [], 0)[0], ask) < SOON
        assert there.recv(100) == b"hello\n"
        assert there.recv(100) == b""  # So the worker ends, and its container with it.
        stream.close()


def test_on_cancel_calls_back_immediately_if_cancelled_and_never_after_the_block():
    cancellation, called = Cancellation(), []
    with cancellation.on_cancel(lambda: called.append("left")):
        assert not cancellation.cancelled
    with cancellation.on_cancel(lambda: called.append("there")):
        cancellation.cancel()
        assert called == ["there"]
    with cancellation.on_cancel(lambda: called.append("late")):
        assert called == ["there", "late"]
    cancellation.cancel()
    assert (called, cancellation.cancelled) == (["there", "late"], True)
    with on_cancel(None, lambda: called.append("nobody")), wake_fd(None) as fd:
        assert fd is None


def test_cancelling_never_writes_to_a_closed_or_reused_file_descriptor():
    for _ in range(200):
        cancellation = Cancellation()
        thread = threading.Thread(target=cancellation.cancel)
        with wake_fd(cancellation) as fd:
            thread.start()
        again = os.eventfd(0, os.EFD_NONBLOCK)
        thread.join()
        assert again == fd
        with pytest.raises(BlockingIOError):
            os.eventfd_read(again)
        os.close(again)


def test_abandoned_work_continues_and_its_error_is_dropped():
    let, done, cancellation = threading.Event(), [], Cancellation()

    def work():
        let.wait(10)
        done.append(True)
        raise ZeroDivisionError

    assert cancelled_after(lambda: True, lambda c: run_abandonable(work, c)) < SOON
    assert not done
    let.set()
    assert wait_until(lambda: done)
    with pytest.raises(ZeroDivisionError):
        run_abandonable(work, cancellation)
    assert run_abandonable(lambda: 42, cancellation) == 42
