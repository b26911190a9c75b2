"""Messages of a program's process are untrusted: parsed strictly, and without effect on host or execution."""

import json
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.sandbox import ISOLATION_LEVELS, Limits, SolverReport, open_sandbox
from storm_calm.sandbox.probe.channel import ReportBuffer

pytestmark = pytest.mark.slow

NONCE = """
import json, os, sys
def nonce():
    frame = sys._getframe()
    while frame:
        order = frame.f_locals.get("order")
        if isinstance(order, dict) and "nonce" in order: return order["nonce"]
        frame = frame.f_back
def send(text): os.write(3, (nonce() + text + "\\n").encode())
"""
VALID = {"library": "ortools.cp_model", "solver": "CP-SAT", "status": "optimal", "sense": "maximize", "objective": 7.0}
BAD = [
    {"library": ["x"]},
    {"library": "<b>x</b>"},
    {"solver": {"a": 1}},
    {"solver": "a" * 81},
    {"status": ["optimal"]},
    {"status": "solved"},
    {"sense": 1},
    {"objective": "7"},
    {"objective": True},
    {"objective": float("nan")},
    {"bound": float("inf")},
    {"objective": 10**400},
    {"constraints": -1},
    {"constraints": 10**30},
    {"binary": 1.5},
    {"seconds": "x"},
    {"seconds": -1.0},
    {"unknown": 1},
]


@pytest.mark.parametrize(
    "message",
    [
        '{"exit": {"exit_code": 0, "cpu": 0, "maxrss_bytes": 0, "folder": "VICTIM"}}',
        '{"exit": {"fault": "x"}}',
        '{"exit": [1, 2]}',
        "exit 0; folder=VICTIM",
        "exit 999",
        "exit -1",
        "exit",
        "[" * 3000,
        "9" * 3000,
    ],
)
def test_forged_messages_have_no_effect(walled, tmp_path, message):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "data").write_text("x")
    code = f"{NONCE}send({message.replace('VICTIM', str(victim))!r})\nprint('end')\nraise SystemExit(3)"
    execution = walled.run(code)
    assert (execution.status, execution.exit_code, execution.stdout) == ("error", 3, "end\n")
    assert execution.reports == ()
    assert (victim / "data").read_text() == "x"


def test_a_forged_exit_message_ends_the_program_with_correct_measurements(full):
    code = (
        f"{NONCE}import time\nblock = b'x' * (60 << 20)\nend = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\n"
        "if os.fork() == 0: time.sleep(60)\nsend('exit 7')\ntime.sleep(60)"
    )
    execution = full.run(code)
    assert (execution.status, execution.exit_code) == ("error", 7)
    assert execution.wall_seconds < 5
    assert execution.cpu_seconds >= 0.25
    assert execution.peak_memory_mb > 50


@pytest.mark.parametrize("change", BAD, ids=str)
def test_a_report_with_an_invalid_field_is_dropped(change):
    assert SolverReport.parse(json.dumps(VALID).encode()) == SolverReport(**VALID)
    assert SolverReport.parse(json.dumps(VALID | change).encode()) is None


@given(st.binary(max_size=5000))
def test_any_bytes_are_parsed_to_a_report_or_none(line):
    assert SolverReport.parse(line) is None or SolverReport.parse(line)
    buffer = ReportBuffer("word")
    buffer.add(b"word" + line + b"\n" + line)
    buffer.reports()
    assert buffer.claimed_exit() in (None, *range(256))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_as_a_field_is_dropped_or_finite(value):
    for name in ("library", "solver", "status", "objective", "bound", "fixed", "constraints", "seconds"):
        report = SolverReport.parse(json.dumps(VALID | {name: value}).encode())
        if report is not None:
            assert abs(report.objective or 0.0) < float("inf")


def test_file_descriptors_cannot_be_sent_over_sockets(walled):
    code = """
import array, socket
a, b = socket.socketpair()
try: print(a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]))
except OSError as error: print("refused")
"""
    assert walled.run(code).stdout == "refused\n"


def test_files_and_processes_of_the_same_user_are_inaccessible(walled, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("x")
    mine.chmod(0o666)
    code = f"""
import fcntl, os, resource
def tried(action):
    try: print("done", action())
    except OSError: print("refused")
path, pid = {str(mine)!r}, {os.getpid()}
tried(lambda: os.chmod(path, 0o777))
tried(lambda: os.chown(path, os.getuid(), os.getgid()))
tried(lambda: os.utime(path, (0, 0)))
tried(lambda: os.setxattr(path, "user.x", b"1"))
tried(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19))
tried(lambda: os.sched_setaffinity(pid, {{0}}))
tried(lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))
tried(lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3)))
tried(lambda: fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_EX))
tried(lambda: fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK))
tried(lambda: os.utime("/dev/null"))
"""
    before = mine.stat()
    assert walled.run(code).stdout == "refused\n" * 11
    assert (mine.stat().st_mode, mine.stat().st_mtime) == (before.st_mode, before.st_mtime)


@pytest.mark.alone
def test_process_sessions_give_a_program_no_larger_cpu_share():
    spin = "import os\nfor _ in range(40):\n    if os.fork() == 0: os.setsid(); break\nwhile True: pass"
    honest = "import time\nbegin = time.process_time()\nwhile time.process_time() < begin + 0.3: pass"
    with open_sandbox(workers=2) as sandbox:
        sandbox.run(honest)
        hostile = []
        limits = Limits(seconds=4)
        thread = threading.Thread(target=lambda: hostile.append(sandbox.run(spin, limits=limits)))
        thread.start()
        time.sleep(1.0)
        beside = sandbox.run(honest, limits=Limits(seconds=3))
        thread.join()
    # 40 shares against one would be 12 s on one processor.
    assert beside.status == "ok"
    assert hostile[0].status == "timeout"
    assert hostile[0].wall_seconds < 4.25


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
@pytest.mark.parametrize("end", ["pass", "raise SystemExit(5)", "1 / 0"])
def test_the_end_of_a_forked_process_does_not_end_the_program(isolation, end):
    with open_sandbox(isolation=isolation, minimum_isolation=isolation, workers=1) as sandbox:
        code = f"import os, time\nif os.fork() == 0:\n    {end}\nelse:\n    time.sleep(0.3)\n    print('parent')"
        execution = sandbox.run(code)
    assert (execution.status, execution.exit_code, execution.stdout) == ("ok", 0, "parent\n")
