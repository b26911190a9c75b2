"""Control groups: finding them, enforcing limits, and cleaning up."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from storm_calm.sandbox import Limits, open_sandbox
from storm_calm.sandbox.cgroups import ControlGroups, NoControlGroupsError, _parents

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
V2 = "40 30 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = """\
33 31 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids"""


def machine(root, mounts, own, folders):
    """Write the parts of /proc and /sys that are read. folders: each group with its controllers."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(mounts)
    (root / "proc/self/cgroup").write_text(own)
    for folder, governed in folders.items():
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (root / folder.lstrip("/") / "cgroup.subtree_control").write_text(governed)
    return str(root)


def groups():
    """Return the folders of sandboxes in all hierarchies."""
    # os.walk ignores folders that vanish meanwhile, as those of other sandboxes do.
    walk = os.walk("/sys/fs/cgroup")
    return {f"{folder}/{name}" for folder, names, _ in walk for name in names if name.startswith("storm-sandbox-")}


@pytest.fixture
def governed():
    """Yield a sandbox with control groups."""
    with open_sandbox(workers=2) as sandbox:
        if not sandbox.resource_control.startswith("control groups"):
            pytest.skip(f"impossible here: {sandbox.resource_control}")
        yield sandbox


def test_version_2_uses_the_nearest_ancestor_that_controls_memory(tmp_path):
    user = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
    root = machine(
        tmp_path,
        V2,
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope",
        {
            "/sys/fs/cgroup": "cpu memory pids",
            user: "memory pids",
            f"{user}/app.slice": "cpu memory pids",
            f"{user}/app.slice/term.scope": "",
        },
    )
    assert _parents(root) == (2, [(f"{root}{user}/app.slice", ("memory", "pids", "cpu"))])


def test_version_1_is_used_if_version_2_does_not_control_memory(tmp_path):
    folders = {"/sys/fs/cgroup/unified": "hugetlb", "/sys/fs/cgroup/memory/job": "", "/sys/fs/cgroup/cpu,cpuacct": ""}
    mounts = f"{V1}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
    root = machine(tmp_path, mounts, "4:memory:/job\n2:cpu,cpuacct:/\n8:pids:/gone\n0::/", folders)
    version, found = _parents(root)
    assert version == 1
    assert found == [
        (f"{root}/sys/fs/cgroup/memory/job", ("memory",)),
        (f"{root}/sys/fs/cgroup/cpu,cpuacct", ("cpu",)),
    ]


@pytest.mark.parametrize(
    ("autogroup", "own", "first", "governed"),
    [
        ("1", "/", True, ("memory", "pids")),
        ("0", "/", True, ("memory", "pids", "cpu")),
        ("1", "/job", True, ("memory", "pids", "cpu")),
        ("1", "/", False, ("memory", "pids", "cpu")),  # in a container
    ],
)
def test_cpu_groups_are_not_used_with_autogroup(tmp_path, autogroup, own, first, governed):
    top = "/sys/fs/cgroup"
    folders = {f"{top}/{name}": "" for name in ("memory", "pids", "cpu,cpuacct", "cpu,cpuacct/job")}
    root = machine(tmp_path, V1, f"4:memory:/\n2:cpu,cpuacct:{own}\n8:pids:/\n0::/", folders)
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/sched_autogroup_enabled").write_text(f"{autogroup}\n")
    if first:
        (tmp_path / f"{top[1:]}/cpu,cpuacct/release_agent").touch()
    assert tuple(one for _, controllers in _parents(root)[1] for one in controllers) == governed


@pytest.mark.parametrize(
    ("mounts", "reason"), [("", "no control groups are mounted"), (V2, "not writable, or does not control memory")]
)
def test_error_without_control_groups_has_the_reason(tmp_path, mounts, reason):
    root = machine(tmp_path, mounts, "0::/../../other", {"/sys/fs/cgroup": "cpu"})
    with pytest.raises(NoControlGroupsError, match=reason):
        ControlGroups.create(owner=0, programs=1, root=root)


def test_a_sandbox_without_control_groups_reports_it():
    with open_sandbox(workers=1, control_groups=False) as sandbox:
        assert sandbox.resource_control.startswith("memory is checked")
        execution = sandbox.run("x = []\nwhile True: x.append(b'x' * (1 << 20))", limits=Limits(memory_mb=128))
        assert execution.status == "memory_limit"


@pytest.mark.parametrize("control_groups", [True, False])
@pytest.mark.parametrize(
    "code",
    [
        "import os, time\nfor _ in range(8): os.fork() or time.sleep(len(b'x' * (60 << 20)))\ntime.sleep(60)",
        """
import os, socket, time
def fill():
    kept = []
    try:
        while True:
            kept.append(socket.socketpair())
            for s in kept[-1]:
                s.setblocking(False)
                try:
                    while True: s.send(bytes(65536))
                except BlockingIOError: pass
    except OSError: time.sleep(60)
for _ in range(10):
    if os.fork() == 0: fill()
time.sleep(60)
""",
        """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
size = 400 << 30
start = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))
libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), 15)
for offset in range(0, size, 2 << 20): ctypes.string_at(start + offset, 1)
""",
    ],
    ids=["many processes", "sockets", "page tables"],
)
def test_memory_of_every_kind_counts(control_groups, code):
    with open_sandbox(workers=1, control_groups=control_groups) as sandbox:
        execution = sandbox.run(code, limits=Limits(seconds=20, memory_mb=128))
        assert execution.status == "memory_limit"
        assert sandbox.run("print(1)").stdout == "1\n"


def test_a_reused_group_starts_with_no_memory_charged(governed):
    for _ in range(3):
        assert governed.run("x = b'x' * (100 << 20)", limits=Limits(memory_mb=128)).status == "ok"
        assert governed.run("x = []\nwhile True: x.append(b'x' * (1 << 20))", limits=Limits(memory_mb=64)).status == (
            "memory_limit"
        )
    execution = governed.run("pass", limits=Limits(memory_mb=64))
    assert (execution.status, execution.peak_memory_mb < 20) == ("ok", True)


def test_close_removes_all_groups(governed):
    def ours():
        return {path for path in groups() if f"storm-sandbox-{os.getpid()}-" in path}

    before = ours()
    assert before
    with open_sandbox(workers=2) as other:
        other.run("print(1)")
        assert ours() > before
    assert ours() == before


def test_the_next_sandbox_cleans_up_after_a_killed_caller(governed):
    """Also if a child of the caller inherited all its file descriptors."""
    script = f"""
    import os, sys, threading, time
    sys.path.insert(0, {str(ROOT)!r})
    from storm_calm.sandbox import Limits, open_sandbox
    sandbox = open_sandbox(workers=2)
    threading.Thread(target=lambda: sandbox.run("while True: pass", limits=Limits(seconds=60))).start()
    time.sleep(1)
    child = os.fork() or time.sleep(60)
    print(child, *(server.process.pid for server in sandbox.fork_servers.running.values()), flush=True)
    time.sleep(60)
    """
    caller = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    child, *servers = map(int, caller.stdout.readline().split())
    mine = {path for path in groups() if f"storm-sandbox-{caller.pid}-" in path}
    assert mine
    caller.kill()
    caller.wait()
    try:
        deadline = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{pid}") and state(pid) != "Z" for pid in servers):
            assert time.monotonic() < deadline, "the fork server outlived its caller"
            time.sleep(0.05)
        assert not any((Path(path) / "1/cgroup.procs").read_text().strip() for path in mine)
        with open_sandbox(workers=1):
            assert not mine & groups()
    finally:
        os.kill(child, signal.SIGKILL)


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
