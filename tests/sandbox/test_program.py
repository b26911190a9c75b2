"""A program in the sandbox sees, prints and ends as it would under plain python."""

import os

import pytest

from storm_calm.sandbox import Limits


def test_stdout_and_stderr_are_separate(sandbox):
    execution = sandbox.run("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (execution.status, execution.stdout, execution.stderr, execution.exit_code) == ("ok", "out\n", "err\n", 0)
    assert execution.isolation == sandbox.isolation
    assert execution.backend == "local"


def test_a_program_is_main_in_its_own_file(sandbox):
    execution = sandbox.run(
        "import sys, os\nprint(__name__, __file__, sys.argv, os.listdir())\nprint(open(__file__).read()[:6])"
    )
    assert execution.stdout == "__main__ main.py ['main.py'] ['main.py']\nimport\n"


def test_the_traceback_shows_only_the_programs_lines(sandbox):
    execution = sandbox.run("def f(x):\n    return 1 / x\n\nf(0)")
    assert execution.status == "error"
    assert execution.exit_code == 1
    assert execution.stderr.startswith(
        'Traceback (most recent call last):\n  File "main.py", line 4, in <module>\n    f(0)\n'
    )
    assert execution.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert execution.stderr.count("File") == 2


def test_the_programs_exception_hook_is_used(sandbox):
    execution = sandbox.run(
        "import sys\nsys.excepthook = lambda kind, value, trace: print('hooked', kind.__name__)\n1 / 0"
    )
    assert (execution.stdout, execution.exit_code) == ("hooked ZeroDivisionError\n", 1)


def test_an_error_in_a_solve_shows_no_frame_of_the_probe(sandbox):
    pytest.importorskip("ortools")
    execution = sandbox.run("from ortools.sat.python import cp_model\ncp_model.CpSolver().solve(None)")
    assert execution.status == "error"
    assert "probe" not in execution.stderr
    assert 'File "main.py", line 2' in execution.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit(256 + 7)", 7, ""),
        ("import sys; sys.exit('bye')", 1, "bye\n"),
        ("import os; os._exit(5)", 5, ""),
    ],
)
def test_the_exit_code_is_the_programs(sandbox, code, exit_code, stderr):
    execution = sandbox.run(code)
    assert (execution.exit_code, execution.stderr) == (exit_code, stderr)
    assert execution.status == ("ok" if exit_code == 0 else "error")


def test_a_syntax_error_is_reported_as_in_plain_python(sandbox):
    execution = sandbox.run("def f(:\n    pass")
    assert execution.status == "error"
    assert execution.stderr == '  File "main.py", line 1\n    def f(:\n          ^\nSyntaxError: invalid syntax\n'
    assert sandbox.run("print(1)\x00").status == "error"


def test_a_crash_is_reported_with_its_signal(sandbox):
    execution = sandbox.run("import ctypes\nctypes.string_at(0)")
    assert (execution.status, execution.signal, execution.exit_code) == ("error", 11, None)


def test_standard_input_is_empty(sandbox):
    assert "EOFError" in sandbox.run("input()").stderr


def test_arbitrary_bytes_in_output_are_decoded(sandbox):
    execution = sandbox.run(
        "import sys\nsys.stdout.buffer.write(b'a\\xff\\x00b\\n')\nsys.stdout.flush()\nprint('é', chr(0xd800))"
    )
    assert execution.stdout == "a\ufffd\x00b\né \\ud800\n"


def test_output_before_a_hard_exit_is_kept(sandbox):
    code = "import os, ctypes\nprint('python')\nctypes.CDLL(None).puts(b'c')\nos._exit(0)"
    assert sandbox.run(code).stdout == "python\nc\n"


def test_a_program_waits_for_its_threads_and_exit_callbacks(sandbox):
    code = """
import atexit, threading, time
atexit.register(print, "last")
threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
print("first")
"""
    assert sandbox.run(code).stdout == "first\nthread\nlast\n"


def test_a_program_can_start_python(sandbox):
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(6 * 7)'])"
    assert sandbox.run(code).stdout == "42\n"


def test_multiprocessing_and_subprocess_pools_work(full):
    code = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
def square(x): return x * x
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool: print(pool.map(square, [1, 2, 3]))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool: print(list(pool.map(square, [4])))
"""
    execution = full.run(code)
    assert (execution.stdout, execution.stderr) == ("[1, 4, 9]\n[16]\n", "")


def test_asyncio_works(sandbox):
    assert sandbox.run("import asyncio\nasync def main(): print('done')\nasyncio.run(main())").stdout == "done\n"


def test_random_numbers_differ_between_runs(sandbox):
    pytest.importorskip("numpy")
    code = "import random, numpy as np\nprint(random.random(), np.random.rand())"
    first, second = (sandbox.run(code).stdout.split() for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_the_order_of_sets_is_the_same_in_every_run(sandbox):
    code = "print({str(i) for i in range(50)}, hash('storm'))"
    assert sandbox.run(code).stdout == sandbox.run(code).stdout


@pytest.mark.alone
def test_time_and_memory_are_measured(sandbox):
    code = "import time\nx = b'x' * (100 << 20)\nwhile time.process_time() < 0.4: pass"
    execution = sandbox.run(code)
    assert 0.3 < execution.cpu_seconds < 1.5
    assert execution.wall_seconds > 0.3
    assert 100 < execution.peak_memory_mb < 150


@pytest.mark.parametrize(
    ("code", "suggested"),
    [
        ("total = 1\nprint(totl)", "Did you mean: 'total'?"),
        ("def f(amount): return amuont\nf(1)", "Did you mean: 'amount'?"),
        ("class Plan:\n    def solve(self): pass\nPlan().slove()", "Did you mean: 'solve'?"),
        ("import math\nmath.sqr(4)", "Did you mean: 'sqrt'?"),
        ("try: 1 / 0\nexcept ArithmeticError: pront(1)", "Did you mean: 'print'?"),
    ],
)
def test_a_misspelled_name_comes_with_pythons_suggestion(sandbox, code, suggested):
    execution = sandbox.run(code)
    assert (execution.status, execution.exit_code) == ("error", 1)
    assert execution.error_line.endswith(suggested)
    assert execution.stderr.count(suggested) == 1


def test_a_suggestion_does_not_need_the_programs_file(sandbox):
    code = "import os\nos.remove('main.py')\nos.mkdir('d')\nos.chdir('d')\ntotal = 1\nprint(totl)"
    assert sandbox.run(code).stderr.splitlines()[-3:] == [
        *("    print(totl)", "           ^^^^", "NameError: name 'totl' is not defined. Did you mean: 'total'?")
    ]


def test_a_program_has_a_user_name_and_a_home_folder(sandbox):
    code = "import getpass, os\nopen(os.path.expanduser('~/x'), 'w').close()\nprint(getpass.getuser(), os.listdir('.'))"
    execution = sandbox.run(code)
    assert execution.stdout.split(" ", 1)[0] == "user", execution.stderr
    assert "'x'" in execution.stdout


def test_tmp_is_writable_private_and_counted(full):
    write = "print(open('/tmp/model.lp', 'w').write('x'))\nimport tempfile\ntempfile.mkdtemp(dir='/tmp')"
    assert full.run(write).stdout == "1\n"
    assert full.run("open('/tmp/model.lp')").error_line.startswith("FileNotFoundError")
    flood = "for i in range(2): open(f'/tmp/{i}', 'wb').write(bytes(3 << 20))"
    assert "No space left" in full.run(flood, limits=Limits(file_mb=4)).stderr


def test_tmp_is_part_of_the_state_of_a_session(full):
    with full.session() as session:
        session.run("open('/tmp/a', 'w').write('first')")
        assert session.run("open('/tmp/a', 'w').write('second')\nopen('/tmp/b', 'w')\n1 / 0").status == "error"
        assert (
            session.run("import os\nprint(open('/tmp/a').read(), os.path.exists('/tmp/b'))").stdout == "first False\n"
        )
        session.rewind(0)
        assert session.run("import os\nprint(os.path.exists('/tmp/a'))").stdout == "False\n"


def test_tmp_of_the_machine_is_out_of_reach(walled, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("x")
    assert walled.run(f"open({str(outside)!r})").status == "error"
    walled.run("open('/tmp/storm-left-over', 'w')")
    assert not os.path.exists("/tmp/storm-left-over")
