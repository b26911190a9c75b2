"""Start and failure of the command: Ctrl-C, a full disk, unusual terminals, few processes."""

import errno
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer

from storm_calm.cli.errors import report_errors

pytestmark = pytest.mark.slow

STORM = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]


def run(*arguments, **options):
    return subprocess.run(
        [*STORM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **{"errors": "replace", **options},
    )


QUESTION = "4 files of 20, 51, 30 and 24 GB must go into disks of at most 60 GB. How few disks are enough?"
WORDS = {
    "storm": [],
    "solve": ["solve", QUESTION],
    "eval": ["eval", "--families", "all", "--limit", "20", "--display", "none"],
    "serve": ["serve", "--port", "0"],
    "doctor": ["doctor"],
    "sandbox": ["sandbox", "check"],
}


def interrupted(words, seconds, folder):
    """Run a command in a folder, send Ctrl-C after some seconds, and return its exit code and its errors."""
    # As its script: only then it handles Ctrl-C while it is imported.
    code = (
        "import sys\nsys.argv[0] = 'storm'\nfrom storm_calm.cli.start import main\nprint('begun', flush=True)\nmain()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


@pytest.mark.parametrize("command", WORDS)
def test_ctrl_c_at_any_moment_ends_in_one_line_without_a_traceback(command, tmp_path):
    moments = [random.Random(command).uniform(0, 3) for _ in range(20)]
    moments[:4] = [0.0, 0.02, 0.05, 0.1]
    with ThreadPoolExecutor(4) as pool:
        ends = [*pool.map(lambda seconds: interrupted(WORDS[command], seconds, tmp_path), moments)]
    for code, stderr in ends:
        # A finished command has its own exit code. The kernel ends a process that Python has not set up yet.
        assert code in (0, 1, 2, 130, -signal.SIGINT), stderr
        assert "Traceback" not in stderr
        if code == 130:
            assert sum("stopped" in line for line in stderr.splitlines()) == 1, stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_unencodable_characters_are_replaced_by_question_marks(encoding):
    code = "print('x \\u2713 \\u6c34 y')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = run("sandbox", "run", "-", input=code, env=environment, encoding=encoding)
    assert result.returncode == 0, result.stderr
    assert "y" in result.stdout


def test_error_for_a_process_limit_names_it():
    def limit():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    result = run("sandbox", "run", "-", input="print(1)", preexec_fn=limit)
    if result.returncode == 0:
        pytest.skip("impossible here: this user has the right to start any number of processes, in the sandbox too")
    assert result.returncode in (1, 2)
    assert "ulimit -u" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "run/episodes.jsonl"),
            "run/episodes.jsonl: the disk is full",
        ),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_an_exhausted_resource_is_a_one_line_error(error, words, capsys):
    with pytest.raises(typer.Exit) as left, report_errors():
        raise error
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert left.value.exit_code == 1


def test_other_exceptions_keep_their_traceback():
    with pytest.raises(RuntimeError, match="ours"), report_errors():
        raise RuntimeError("ours")


def test_a_full_disk_loses_no_finished_work(tmp_path):
    """Run on a file system of 300 KiB in a mount namespace, then resume on a larger one."""
    if shutil.which("unshare") is None:
        pytest.skip("impossible here: no unshare")
    words = "curate --families all --limit 30 --out run --display none"
    storm = " ".join(f"'{word}'" for word in STORM)
    script = f"""
    mount -t tmpfs -o size=300k tmpfs {tmp_path} || exit 77
    cd {tmp_path}
    {storm} {words} 2> {tmp_path}.first; echo $? > {tmp_path}.codes
    mount -o remount,size=50m {tmp_path}
    {storm} {words} --resume 2> {tmp_path}.second; echo $? >> {tmp_path}.codes
    wc -l < run/episodes.jsonl >> {tmp_path}.codes
    """
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=170
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"impossible here: no mount namespace: {done.stderr.strip()}")
    first, second, count = Path(f"{tmp_path}.codes").read_text().split()
    output = Path(f"{tmp_path}.first").read_text()
    assert (first, second, count) == ("1", "0", "30"), output + Path(f"{tmp_path}.second").read_text()
    assert "the disk is full" in output
    assert "Traceback" not in output


def test_importing_the_entry_point_changes_no_signal_handler():
    code = "import signal\nimport storm_calm.cli.start\nprint(signal.getsignal(signal.SIGINT).__name__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "default_int_handler\n"
