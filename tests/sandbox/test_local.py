"""The lifecycle of the local sandbox: concurrent programs, dying fork servers and callers, and an orderly close."""

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

from storm_calm.sandbox import ISOLATION_LEVELS, SandboxUnavailableError, open_sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def alive(pid):
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_concurrent_programs_are_separate(sandbox):
    with ThreadPoolExecutor(16) as pool:
        outputs = list(
            pool.map(
                lambda i: sandbox.run(f"import os; open('x', 'a').write('{i}'); print(open('x').read())").stdout,
                range(60),
            )
        )
    assert outputs == [f"{i}\n" for i in range(60)]


def test_at_most_workers_programs_run_concurrently():
    with open_sandbox(workers=2) as sandbox, ThreadPoolExecutor(4) as pool:
        code = "import time; print(time.monotonic()); time.sleep(0.3); print(time.monotonic())"
        spans = [tuple(map(float, run.stdout.split())) for run in pool.map(sandbox.run, [code] * 4)]
    most = max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)
    assert most == 2


def test_the_caller_leaks_no_file_descriptors(full):
    full.run("pass")
    before = len(os.listdir("/proc/self/fd"))
    for code in ("print(1)", "1 / 0", "while True: print('x' * 9999)"):
        full.run(code)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
def test_fork_servers_leak_no_file_descriptors(isolation):
    def most():
        """Return the number of file descriptors of the fork server with the most, once all of them are idle."""
        time.sleep(0.3)
        return max(len(os.listdir(f"/proc/{pid}/fd")) for pid in descendants(os.getpid()) if alive(pid))

    with open_sandbox(isolation=isolation, minimum_isolation=isolation, workers=2) as sandbox:
        endings = ["print(1)", "1 / 0", "import os; os._exit(3)", "while True: print('x' * 9999)"]
        for code in endings * 5:
            sandbox.run(code)
        before = most()
        for code in endings * 10:
            sandbox.run(code)
        assert most() <= before + 3  # A spare process that is being prepared.


def plain(sandbox):
    """Return the fork server of programs that import no libraries."""
    return sandbox.fork_servers.running["plain"]


def descendants(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [deeper for child in children for deeper in descendants(child)]


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
def test_a_killed_fork_server_is_replaced_and_the_program_retried(isolation):
    with open_sandbox(isolation=isolation, minimum_isolation=isolation) as sandbox:
        sandbox.run("pass")
        results = []
        run = threading.Thread(
            target=lambda: results.append(sandbox.run("import time; time.sleep(0.6); print('done')"))
        )
        run.start()
        time.sleep(0.2)
        server = plain(sandbox).process.pid
        os.kill(server, signal.SIGKILL)
        run.join()
        assert results[0].stdout == "done\n"
        assert plain(sandbox).process.pid != server
        assert sandbox.run("print('again')").stdout == "again\n"


def test_a_program_that_kills_two_fork_servers_is_killed_without_affecting_others(monkeypatch):
    with open_sandbox() as sandbox:
        sandbox.run("pass")
        launch, ended = sandbox._launch, []

        def launch_and_end(libraries):
            server = launch(libraries)
            if ended:  # The program's own fork server.
                threading.Timer(0.3, server.process.kill).start()
            return server

        def run():
            ended.append(sandbox.run("import time; time.sleep(30)"))

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.3)
        ended.append(None)
        monkeypatch.setattr(sandbox, "_launch", launch_and_end)
        plain(sandbox).process.kill()
        thread.join(20)
        # The shared server's replacement was also killed, and is replaced again.
        assert ended[1].status == "killed"
        assert "took down the process that started it" in ended[1].reason
        assert sandbox.run("print('again')").stdout == "again\n"


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
def test_close_ends_all_programs_and_leaves_nothing(isolation):
    sandbox = open_sandbox(isolation=isolation, minimum_isolation=isolation)
    sandbox.run("pass")
    errors = []

    def run():
        with pytest.raises(SandboxUnavailableError, match="closed") as caught:
            sandbox.run("import time; time.sleep(30)")
        errors.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    family = [plain(sandbox).process.pid, *descendants(plain(sandbox).process.pid)]
    scratch = plain(sandbox).scratch
    sandbox.close()
    sandbox.close()
    thread.join(5)
    assert len(errors) == 1
    assert wait_until(lambda: not any(map(alive, family)))
    assert not os.path.exists(scratch)
    with pytest.raises(SandboxUnavailableError, match="closed"):
        sandbox.run("print(1)")


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
def test_no_process_survives_a_killed_caller(isolation):
    script = f"""
    import sys, threading, time
    sys.path.insert(0, {str(ROOT)!r})
    from storm_calm.sandbox import open_sandbox
    sandbox = open_sandbox(isolation={isolation!r}, minimum_isolation={isolation!r})
    sandbox.run("pass")
    threading.Thread(target=sandbox.run, args=("import time, os; os.fork(); time.sleep(60)",)).start()
    time.sleep(0.3)
    print(sandbox.fork_servers.running["plain"].process.pid, flush=True)
    time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as caller:
        server = int(caller.stdout.readline())
        family = [server, *descendants(server)]
        assert len(family) > 2
        caller.kill()
    assert wait_until(lambda: not any(map(alive, family)))


def test_a_fork_of_the_caller_does_not_keep_the_sandbox_alive(full):
    with open_sandbox() as sandbox:
        sandbox.run("pass")
        server = plain(sandbox).process.pid
        copy = os.fork()
        if copy == 0:
            time.sleep(30)
            os._exit(0)
    try:
        assert wait_until(lambda: not alive(server))
    finally:
        os.kill(copy, signal.SIGKILL)
        os.waitpid(copy, 0)


def test_missing_protections_are_listed(sandbox):
    assert (sandbox.missing == ()) == (sandbox.isolation == "full")
    assert all(len(sentence) > 20 for sentence in sandbox.missing)


def test_error_on_a_machine_without_namespaces_has_the_fix():
    """Emulate a container that allows no namespaces, by a seccomp filter that rejects unshare."""
    script = f"""
    import sys
    sys.path.insert(0, {str(ROOT)!r})
    from storm_calm.sandbox.zygote import kernel, seccomp
    # Refuse unshare to this process and all that it starts.
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    import struct
    number = seccomp._NUMBERS["unshare"][list(seccomp._ARCHITECTURE).index(kernel.MACHINE)]
    rows = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)]
    code = b"".join(struct.pack("=HBBI", *row) for row in rows)
    seccomp.program = lambda **options: code
    seccomp.restrict(unix_sockets=False, own_files=False)
    from storm_calm.sandbox import open_sandbox, SandboxUnavailableError
    try: open_sandbox(minimum_isolation="full")
    except SandboxUnavailableError as error: print(error)
    with open_sandbox() as sandbox: print(sandbox.isolation, sandbox.missing[0], sandbox.run("print(6 * 7)").stdout)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    refusal, reached, *_ = run.stdout.splitlines()
    assert "below minimum_isolation 'full'" in refusal
    assert "namespaces are refused (unshare: Operation not permitted)" in refusal
    assert "minimum_isolation='landlock'" in refusal
    assert reached.startswith("landlock namespaces are refused")
    assert reached.endswith("42")
