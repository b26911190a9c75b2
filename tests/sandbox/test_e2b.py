"""The "e2b" sandbox: E2B's own SDK against a local fake server, including faults."""

import base64
import io
import json
import logging
import os
import sys
import threading
import time
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storm_calm.sandbox import Cancellation, Limits, RunCancelledError, SandboxUnavailableError, open_sandbox
from storm_calm.sandbox.backends import e2b, e2b_api, e2b_cloud, e2b_worker, remote
from support.fake_e2b import KEY, FakeE2B

pytestmark = pytest.mark.slow

LIMITS = Limits(seconds=5, memory_mb=512)
SLEEP = "import time; time.sleep(0.8); print(6 * 7)"


@pytest.fixture(scope="module")
def server():
    with FakeE2B() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("E2B_API_URL", server.url)
        patch.setenv("E2B_SANDBOX_URL", server.url)
        patch.setenv("E2B_API_KEY", KEY)
        patch.setenv("SECRET_OF_MINE", "swordfish")
        yield server


@pytest.fixture
def cloud(server):
    server.reset()
    yield server
    server.reset()


@pytest.fixture(scope="module")
def shared(server):
    """Yield one sandbox for all tests that leave it usable."""
    with open_e2b() as opened:
        yield opened


def open_e2b(**options):
    """Open a sandbox whose cloud sandboxes start fast, as they have nothing to install."""
    return open_sandbox("e2b", **{"workers": 1, "limits": LIMITS, "template": "mine", "libraries": (), **options})


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print(6 * 7)", "ok"),
        ("1 / 0", "error"),
        ("while True: pass", "timeout"),
        ("x = bytearray(2 << 30)", "memory_limit"),
        ("while True: print('x' * 999)", "output_limit"),
    ],
)
def test_programs_end_as_in_the_local_sandbox(shared, code, status):
    run = shared.run(code, limits=Limits(seconds=1, memory_mb=512))
    assert (run.status, run.backend, run.isolation, run.code) == (status, "e2b", shared.isolation, code)


def test_solves_are_reported_and_recorded(shared):
    run = shared.run(
        "from ortools.linear_solver import pywraplp\n"
        "s = pywraplp.Solver.CreateSolver('GLOP'); x = s.NumVar(0, 4, 'x'); s.Maximize(3 * x); s.Solve()",
        record=True,
    )
    assert [(report.solver, report.status, report.objective) for report in run.reports] == [("GLOP", "optimal", 12)]
    assert [json.loads(text)["values"] for text in run.solve_records] == [[4]]


def test_large_files_are_transferred(shared):
    content = os.urandom(5 << 20)
    run = shared.run(
        "open('数', 'wb').write(open('ä (1)', 'rb').read()[::-1])", files={"ä (1)": content}, results=["数"]
    )
    assert run.files == {"数": content[::-1]}


@pytest.mark.parametrize(
    "text",
    [
        "naïve 🦀 \u2028 \x85 \x1b[0m \\ \\n ' \"",
        "\nsandbox-answer 1.0 0 {}\nsandbox-answer 2.0 0 {}\n",
        "%time\n!ls\n?",
        "x" * 60_000,
    ],
)
def test_output_is_returned_unchanged(shared, text):
    assert shared.run(f"print({text!r})").stdout == text + "\n"


def test_code_that_cannot_be_encoded_is_an_error_of_the_program(shared):
    assert shared.run("print('\udc80')").status == "error"
    assert shared.run("print(1)\0").status == "error"


def test_one_cloud_sandbox_serves_many_programs(shared, cloud):
    outputs = [shared.run(f"print({i})").stdout for i in range(20)]
    assert outputs == [f"{i}\n" for i in range(20)]
    assert cloud.count("create") == 0
    assert cloud.count("execute") == 20


def test_there_are_at_most_as_many_cloud_sandboxes_as_workers(cloud):
    with open_e2b(workers=2) as sandbox, ThreadPoolExecutor(6) as pool:
        assert [run.stdout for run in pool.map(sandbox.run, [SLEEP] * 6)] == ["42\n"] * 6
        assert len(cloud.left) == 2
    assert cloud.count("create") == 2


def test_error_for_missing_libraries_has_the_fix(cloud):
    with pytest.raises(SandboxUnavailableError, match="pip could not install no-such-library==9") as caught:
        open_e2b(libraries=["no-such-library==9"])
    assert "template=" in str(caught.value)
    assert not cloud.left


def test_the_network_is_disabled_after_installing_libraries(cloud):
    with open_e2b(template=None, libraries=e2b.LIBRARIES):
        assert cloud.made[-1].asked["templateID"] == "code-interpreter-v1"
        assert cloud.made[-1].asked["allow_internet_access"]
        assert not cloud.made[-1].internet


def test_failing_to_disable_the_network_is_an_error(cloud):
    cloud.fail("network", status=400, body="no such thing")
    with pytest.raises(SandboxUnavailableError, match="did not disable the network"):
        open_e2b(template=None)
    assert not cloud.left


def test_a_custom_template_never_has_a_network(shared, cloud):
    assert cloud.made[0].asked["templateID"] == "mine"
    assert not cloud.made[0].asked["allow_internet_access"]


def test_the_callers_environment_is_not_sent(shared, cloud):
    assert os.environ["SECRET_OF_MINE"] == "swordfish"
    assert "SECRET" not in shared.run("import os; print(os.environ)").stdout
    assert cloud.made[0].asked["envVars"] == {}
    sent = "".join(cloud.code)
    assert "swordfish" not in sent
    assert KEY not in sent


def test_creating_a_cloud_sandbox_is_retried(cloud):
    made = len(cloud.made)
    cloud.fail("create", status=429, headers={"Retry-After": "1"})
    cloud.fail("create", status=429)
    cloud.fail("create", status=502)
    cloud.fail("create", status=503)
    cloud.fail("create", "drop before")
    cloud.fail("create", status=500, body="<html>of a proxy</html>")
    cloud.fail("create", "wait")
    cloud.fail("execute", "wait")
    begin = time.monotonic()
    with open_e2b() as sandbox:
        assert time.monotonic() - begin > 3
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
    assert cloud.count("create") == 7
    assert len(cloud.made) == made + 1
    assert not cloud.left


@pytest.mark.parametrize("fault", [{"status": 429, "body": "20 sandboxes at most"}, {"act": "drop before"}])
def test_error_after_all_retries_has_the_reason(cloud, monkeypatch, fault):
    monkeypatch.setattr(e2b_api, "MAX_ATTEMPTS", 3)
    cloud.fail("create", times=99, **fault)
    with pytest.raises(SandboxUnavailableError, match="429: .* - 20 sandboxes" if "status" in fault else "Error"):
        open_e2b()
    assert cloud.count("create") == 3


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ({"status": 429, "body": "slow down"}, 2),
        ({"status": 502, "body": "bad gateway"}, 2),
        ({"status": 503, "body": "no room"}, 2),
        ({"status": 502, "body": "The sandbox is running but port is not open", "times": 3}, 4),
        ({"act": "drop before"}, 2),
        ({"act": "drop running"}, 2),
        ({"act": "drop during"}, 2),
        ({"act": "drop after"}, 1),
        ({"act": "half a line"}, 2),
        ({"act": "end early"}, 2),
        ({"act": "lose a piece"}, 2),
    ],
    ids=str,
)
def test_a_broken_connection_is_retried_in_the_same_cloud_sandbox(shared, cloud, fault, requests):
    shared.run("pass")
    cloud.reset()
    cloud.fail("execute", **fault)
    assert shared.run(SLEEP).stdout == "42\n"
    assert cloud.count("execute") == requests
    assert cloud.count("create") == 0


@pytest.mark.parametrize("act", ["drop during", "lose a piece"])
def test_an_incomplete_answer_is_never_used(shared, cloud, act):
    cloud.fail("execute", act, times=3)
    text = "0123456789" * 5000
    assert shared.run("print('0123456789' * 5000)").stdout == text + "\n"


@pytest.mark.parametrize(
    "fault", [{"status": 404, "body": "Context not found"}, {"status": 502, "body": "was not found"}]
)
def test_a_missing_cloud_sandbox_is_replaced_without_retries(shared, cloud, fault):
    shared.run("pass")
    cloud.reset()
    cloud.fail("execute", **fault)
    assert shared.run("print(6 * 7)").stdout == "42\n"
    assert cloud.count("create") == 1
    assert wait_until(lambda: len(cloud.left) == 1)


def test_a_cloud_sandbox_that_vanished_is_replaced(shared, cloud):
    shared.run("pass")
    cloud.reset()
    cloud.vanish()
    assert shared.run("print(6 * 7)").stdout == "42\n"
    assert cloud.count("create") == 1


def test_a_cloud_sandbox_lost_during_a_program_is_replaced_and_the_program_retried(shared, cloud):
    shared.run("pass")
    cloud.reset()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(shared.run, SLEEP)
        assert wait_until(lambda: cloud.count("execute") == 1)
        time.sleep(0.2)
        cloud.vanish()
        assert run.result().stdout == "42\n"
    assert cloud.count("create") == 1


def test_a_restarted_kernel_is_replaced(shared, cloud):
    shared.run("pass")
    cloud.reset()
    shared.cloud.loop.run(forget_kernel_worker(shared))
    assert shared.run("print(6 * 7)").stdout == "42\n"
    assert cloud.count("create") == 1


async def forget_kernel_worker(sandbox):
    await sandbox.open_workers[0].cloud_sandbox.run_code("del _kernel_worker")


def test_losing_two_cloud_sandboxes_under_a_program_is_a_sandbox_error(shared, cloud):
    shared.run("pass")
    cloud.reset()
    cloud.fail("execute", status=404, body="gone")
    cloud.fail(
        "execute", status=404, body="gone", after=2
    )  # After the two requests that set up the next cloud sandbox.
    with pytest.raises(SandboxUnavailableError, match=r"e2b .*lost twice.*gone"):
        shared.run("print(6 * 7)")
    assert shared.run("print(6 * 7)").stdout == "42\n"


@pytest.mark.alone
def test_a_silent_connection_ends_at_the_deadline(shared, cloud, monkeypatch):
    monkeypatch.setattr(remote, "GRACE_SECONDS", 0.5)
    shared.run("pass")
    cloud.reset()
    cloud.fail("execute", "silence")
    begin = time.monotonic()
    worker = shared.open_workers[0]
    with pytest.raises(remote.WorkerLostError, match="no answer within 1 seconds"):
        worker.call({"call": "hello"}, 1.0)
    assert 1.0 <= time.monotonic() - begin < 2.0
    cloud.fail("execute", "silence")
    assert shared.run("print(6 * 7)", limits=Limits(seconds=0.5)).stdout == "42\n"
    assert cloud.count("create") == 1
    assert wait_until(lambda: len(cloud.left) == 1)


def cancelled(pool, run, begun):
    """Cancel `run` once `begun` holds. Return the seconds until it ended."""
    cancellation = Cancellation()
    future = pool.submit(run, cancellation)
    assert wait_until(begun)
    begin = time.monotonic()
    cancellation.cancel()
    with pytest.raises(RunCancelledError):
        future.result()
    return time.monotonic() - begin


def test_cancelling_a_program_kills_its_cloud_sandbox_without_a_retry(shared, cloud):
    shared.run("pass")
    made = cloud.made[-1]
    cloud.reset()
    with ThreadPoolExecutor(1) as pool:
        began = lambda: cloud.count("execute") == 1  # noqa: E731
        assert cancelled(pool, lambda c: shared.run("while True: pass", cancellation=c), began) < 0.5
    assert wait_until(lambda: made.number not in cloud.running, 2)
    assert cloud.count("execute") == 1
    assert shared.run("print(6 * 7)", cancellation=Cancellation()).stdout == "42\n"
    assert cloud.count("create") == 1


def test_a_session_survives_a_cancelled_block(shared, cloud):
    with shared.session() as session, ThreadPoolExecutor(1) as pool:
        session.run("x = 1")
        cloud.reset()
        began = lambda: cloud.count("execute") == 1  # noqa: E731
        assert cancelled(pool, lambda c: session.run("x = 2\nwhile True: pass", cancellation=c), began) < 0.5
        after = session.run("print(x)")
        assert (after.stdout, after.replayed, session.blocks) == ("1\n", 1, 2)


def test_cancelling_does_not_wait_for_a_starting_cloud_sandbox(cloud):
    with open_e2b() as sandbox, ThreadPoolExecutor(1) as pool:
        cloud.vanish()
        with pytest.raises(remote.WorkerLostError), sandbox.slots.acquire() as slot:
            sandbox.call(slot, {"call": "hello"})
        sandbox.drop(slot)
        cloud.reset()
        cloud.fail("create", "wait")
        began = lambda: cloud.count("create") == 1  # noqa: E731
        assert cancelled(pool, lambda c: sandbox.run("pass", cancellation=c), began) < 0.5
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
        assert cloud.count("create") == 1


def test_a_persistent_rejection_is_an_error(shared, cloud, monkeypatch):
    monkeypatch.setattr(e2b_api, "MAX_ATTEMPTS", 2)
    shared.run("pass")
    cloud.reset()
    cloud.fail("execute", times=99, status=429, body="slow down")
    with pytest.raises(SandboxUnavailableError, match=r"no answer in 2 attempts.*429 .*slow down"):
        shared.run("print(6 * 7)")
    cloud.reset()
    assert shared.run("print(6 * 7)").stdout == "42\n"


@pytest.mark.alone
def test_the_lifetime_of_a_cloud_sandbox_is_renewed_until_close(cloud, monkeypatch, caplog):
    monkeypatch.setattr(e2b_worker, "LIFETIME_SECONDS", 3)
    with open_e2b() as sandbox:
        made = cloud.made[-1]
        assert made.asked["timeout"] == 3
        assert wait_until(lambda: len(made.renewals) >= 4)
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
        assert cloud.made[-1] is made
        cloud.fail("kill", status=500, body="broken", times=99)
    assert made.number in cloud.running
    assert made.ends - time.monotonic() < 3
    assert "could not be ended (SandboxException: 500: broken); it expires within 3 seconds" in caplog.text


def test_killing_a_cloud_sandbox_is_retried(cloud):
    sandbox = open_e2b()
    cloud.fail("kill", status=503)
    cloud.fail("kill", "drop before")
    sandbox.close()
    assert not cloud.left
    assert cloud.count("kill") == 3


def test_close_ends_all_programs_and_leaves_nothing(cloud):
    threads = threading.active_count()
    sandbox = open_e2b(workers=2)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(sandbox.run, "import time; time.sleep(50.25)", limits=Limits(seconds=60)) for _ in range(3)]
        assert wait_until(lambda: sum("50.25" in code for code in cloud.code) == 2)
        begin = time.monotonic()
        sandbox.close()
        sandbox.close()
        for run in runs:
            with pytest.raises(SandboxUnavailableError, match="closed"):
                run.result(5)
    assert time.monotonic() - begin < 15
    assert not cloud.left
    assert wait_until(lambda: threading.active_count() <= threads)
    with pytest.raises(SandboxUnavailableError, match="closed"):
        sandbox.run("print(1)")


def test_error_without_a_key_has_the_url_for_one(cloud, monkeypatch):
    monkeypatch.setenv("E2B_API_KEY", " ")
    with pytest.raises(SandboxUnavailableError, match="set E2B_API_KEY to a key from https"):
        open_e2b()
    assert cloud.requests == []


@pytest.mark.parametrize("key", ["e2b_ffffffffffffffffffffffffffffffffffffffff", "e2b_two\nlines", "e2b_ключ"])
def test_a_wrong_key_is_an_error_that_never_shows_it(cloud, monkeypatch, key):
    monkeypatch.setattr(e2b_api, "MAX_ATTEMPTS", 2)
    with pytest.raises(SandboxUnavailableError, match="E2B") as caught:
        open_e2b(api_key=key)
    assert "set E2B_API_KEY" in str(caught.value)
    assert key[:7] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_key_is_never_in_messages_or_logs(cloud, caplog, monkeypatch):
    monkeypatch.setattr(e2b_api, "MAX_ATTEMPTS", 2)
    with caplog.at_level(logging.DEBUG):
        cloud.fail("create", status=400, body=f"no such key as {KEY}")
        with pytest.raises(SandboxUnavailableError, match=r"no such key as \*\*\*"):
            open_e2b()
        cloud.fail("execute", "drop before", after=3)
        with open_e2b() as sandbox:
            sandbox.run("print(6 * 7)")
            assert KEY not in repr(sandbox)
    assert len(caplog.text) > 100
    assert KEY not in caplog.text


def test_error_for_an_unreachable_api(cloud, monkeypatch):
    monkeypatch.setattr(e2b_api, "MAX_ATTEMPTS", 2)
    monkeypatch.setenv("E2B_API_URL", "http://127.0.0.1:9")
    with pytest.raises(SandboxUnavailableError, match="E2B did not create a sandbox"):
        open_e2b()


def test_error_for_a_missing_template_names_it(cloud):
    with pytest.raises(SandboxUnavailableError, match=r"template 'no-such-template' not found.*another template="):
        open_e2b(template="no-such-template")


def test_error_for_an_unsuitable_template_has_the_reason(cloud, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("storm_calm/__init__.py", "match = type Old = 1")
    monkeypatch.setattr(e2b_cloud, "_packed", lambda: base64.b64encode(packed.getvalue()).decode())
    with pytest.raises(SandboxUnavailableError, match=r"can't run this package .SyntaxError.*Python 3.11"):
        open_e2b()
    assert not cloud.left


def test_error_for_the_missing_sdk_has_the_install_command(cloud, monkeypatch):
    monkeypatch.setitem(sys.modules, "e2b_code_interpreter", None)
    with pytest.raises(SandboxUnavailableError, match=r"pip install 'storm-calm\[e2b\]'"):
        open_e2b()


def test_a_lower_requested_isolation_is_reported(cloud):
    with open_e2b(isolation="limits", minimum_isolation="limits") as sandbox:
        assert sandbox.isolation == "limits"
        assert "the caller asked for no more" in sandbox.missing[0]
        assert sandbox.run("print(6 * 7)").isolation == "limits"


def test_invalid_arguments_are_errors(cloud):
    with pytest.raises(ValueError, match="libraries is 'ortools'; give a list"):
        open_e2b(libraries="ortools")
    with pytest.raises(ValueError, match="no option 'image'"):
        open_e2b(image="x")
    assert cloud.requests == []


def test_a_session_survives_the_loss_of_its_cloud_sandbox(shared, cloud):
    with shared.session() as session:
        session.run("n = 1")
        assert session.run("n += 1; print(n)").stdout == "2\n"
        assert session.run("n = 9; 1 / 0").status == "error"
        cloud.vanish()
        run = session.run("n += 1; print(n)")
        assert (run.stdout, run.replayed) == ("3\n", 2)
        session.rewind(1)
        assert session.run("print(n)").stdout == "1\n"


@pytest.mark.parametrize(
    ("act", "interrupts", "replayed"),
    [
        ("drop before", True, 0),
        ("drop running", True, 1),
        ("drop running", False, 0),
        ("drop during", True, 0),
        ("lose a piece", True, 0),
    ],
)
def test_a_block_is_never_run_twice(shared, cloud, act, interrupts, replayed):
    """A session is replayed if its block was interrupted. If only the answer was lost, the answer is sent again."""
    with shared.session() as session:
        session.run("n = 1")
        cloud.reset()
        cloud.interrupts = interrupts
        cloud.fail("execute", act)
        run = session.run("import time; time.sleep(0.8); n += 1; print(n)")
        assert (run.stdout, run.replayed) == ("2\n", replayed)
        assert session.run("print(n)").stdout == "2\n"
        assert cloud.count("create") == (1 if replayed else 0)


def test_the_cloud_has_the_same_libraries_as_a_local_installation():
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(e2b.LIBRARIES) <= set(project["project"]["dependencies"])
