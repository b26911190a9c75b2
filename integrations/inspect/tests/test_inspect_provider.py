"""The sandbox provider passes Inspect's own checks of providers, except those that need other users."""

import pytest
from inspect_ai.util import OutputLimitExceededError, SandboxUserUnsupportedError
from inspect_ai.util._sandbox.registry import registry_find_sandboxenv
from inspect_ai.util._sandbox.self_check import *  # noqa: F403

from storm_inspect import StormSandboxEnvironment

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

IMPOSSIBLE = {
    "test_exec_as_user": "there is one user, who cannot add others",
    "test_exec_permission_error": "there is no /etc/passwd, so it is not found",
}
"""The checks that STORM's sandbox cannot pass, by name."""


@pytest.fixture
async def sandbox_env(request):
    if request.node.originalname in IMPOSSIBLE:
        request.applymarker(pytest.mark.xfail(reason=IMPOSSIBLE[request.node.originalname], strict=True))
    environments = await StormSandboxEnvironment.sample_init("check", None, {})
    yield environments["default"]
    await StormSandboxEnvironment.sample_cleanup("check", None, environments, interrupted=False)


def test_the_provider_is_found_by_its_name():
    assert registry_find_sandboxenv("storm") is StormSandboxEnvironment


async def test_files_and_folders_remain_between_commands(sandbox_env):
    await sandbox_env.exec(["sh", "-c", "mkdir a && cd a && echo one > b.txt && mkfifo pipe"])
    result = await sandbox_env.exec(["sh", "-c", "echo two >> a/b.txt; cat a/b.txt; ls a"])
    assert result.stdout == "one\ntwo\nb.txt\npipe\n"


async def test_the_folder_has_the_files_of_the_sample_only(sandbox_env):
    await sandbox_env.write_file("data.csv", "x\n")
    await sandbox_env.exec(["true"])
    assert (await sandbox_env.exec(["ls", "-A"])).stdout == ".storm\ndata.csv\n"


async def test_a_failed_or_timed_out_command_keeps_its_files(sandbox_env):
    assert (await sandbox_env.exec(["sh", "-c", "echo kept > failed; exit 3"])).returncode == 3
    with pytest.raises(TimeoutError):
        await sandbox_env.exec(["sh", "-c", "echo kept > late; sleep 30"], timeout=1)
    assert (await sandbox_env.exec(["cat", "failed", "late"])).stdout == "kept\nkept\n"


async def test_samples_do_not_see_each_other(sandbox_env):
    await sandbox_env.write_file("secret", "1")
    others = await StormSandboxEnvironment.sample_init("other", None, {})
    try:
        assert "secret" not in (await others["default"].exec(["ls", "-a"])).stdout
    finally:
        await StormSandboxEnvironment.sample_cleanup("other", None, others, interrupted=True)


async def test_python_with_the_solver_libraries_and_no_network(sandbox_env):
    code = (
        "import pulp, socket\nm = pulp.LpProblem('m', pulp.LpMaximize)\nx = pulp.LpVariable('x', 0, 7)\nm += 3 * x\n"
        "m.solve(pulp.PULP_CBC_CMD(msg=False))\nprint(pulp.value(m.objective))\n"
        "try: socket.create_connection(('1.1.1.1', 80), timeout=5)\nexcept OSError: print('no network')"
    )
    result = await sandbox_env.exec(["python3", "-c", code])
    assert (result.stdout, result.success) == ("21.0\nno network\n", True)


async def test_a_missing_command_is_a_failed_result(sandbox_env):
    result = await sandbox_env.exec(["no-such-command"])
    assert (result.returncode, result.stderr) == (127, "no-such-command: command not found")


async def test_another_user_is_refused(sandbox_env):
    with pytest.raises(SandboxUserUnsupportedError, match="only one user"):
        await sandbox_env.exec(["id"], user="root")


async def test_too_much_output_is_an_error_with_its_beginning(sandbox_env):
    with pytest.raises(OutputLimitExceededError) as caught:
        await sandbox_env.exec(["sh", "-c", "yes xxx | head -c 11000000"])
    assert caught.value.truncated_output.startswith("xxx")


async def test_a_command_that_needs_too_much_memory_is_a_failed_result(sandbox_env):
    result = await sandbox_env.exec(["python3", "-c", "x = [bytearray(100 << 20) for _ in range(40)]"])
    assert not result.success
    assert "emory" in result.stderr
    assert (await sandbox_env.exec(["echo", "works"])).stdout == "works\n"


async def test_a_command_that_forges_reports_harms_only_itself(sandbox_env):
    await sandbox_env.exec(["sh", "-c", "rm -r .storm; echo '{\"exit_code\": 9}' > /proc/$PPID/fd/1; exit 0"])
    assert (await sandbox_env.exec(["echo", "works"])).stdout == "works\n"
