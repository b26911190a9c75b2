"""Programs of the sandbox benchmarks, and the checks of the soak test."""

import dataclasses

import pytest

from benchmarks.hostile import HOSTILE, Job
from benchmarks.sandbox_soak import Checker, IdleState, drift, jobs, left_behind
from benchmarks.snippets import KINDS, answer, mixed, program, run_fresh
from storm_calm.sandbox import open_sandbox

FINE = Job(name="fine", code="print('OBJ 1')", answer="OBJ 1")


def test_there_are_24_kinds_and_each_compiles():
    assert len(KINDS) == 24
    for kind in KINDS:
        compile(program(kind, 0), kind, "exec")


def test_a_program_depends_on_the_seed_only():
    for kind in KINDS:
        assert program(kind, 3) == program(kind, 3)
        assert program(kind, 3) != program(kind, 4)


def test_a_mix_has_all_kinds_before_any_is_repeated():
    kinds = [kind for kind, _ in mixed(50)]
    assert set(kinds[:24]) == set(kinds[24:48]) == set(KINDS)
    assert mixed(50) == mixed(50)
    assert len({code for _, code in mixed(48)}) == 48


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"'simplex'.* pywraplp_scip"):
        program("simplex", 0)


def test_only_a_single_answer_counts():
    assert answer("noise\nOBJ 0 5.0\n") == "OBJ 0 5.0"
    assert answer("noise\n") is None
    assert answer("OBJ 1\nOBJ 2\n") is None


def test_a_program_has_the_same_answer_in_a_fresh_process_and_in_the_sandbox():
    code = program("pywraplp_glop", 1)
    fresh = answer(run_fresh(code).stdout)
    assert fresh is not None
    with open_sandbox() as sandbox:
        checker = Checker(sandbox)
        assert checker(Job(name="glop", code=code, answer=fresh)) is None
        assert "expected 'OBJ wrong'" in str(checker(Job(name="glop", code=code, answer="OBJ wrong")))
        assert "status error, expected ok" in str(checker(Job(name="crash", code="1 / 0")))


def test_one_job_in_twenty_is_hostile_and_all_hostile_programs_occur():
    chosen = jobs(20 * len(HOSTILE), [FINE], "token", seed=1)
    assert [job.name for job in chosen].count("fine") == 19 * len(HOSTILE)
    assert {job.name for job in chosen} == {"fine", *(job.name for job in HOSTILE)}


def test_forged_messages_use_the_nonce_of_the_report_channel():
    forging = [job for job in HOSTILE if "def send" in job.code]
    with open_sandbox() as sandbox:
        executions = {job.name: sandbox.run(job.code, limits=job.limits) for job in forging}
    assert {name: execution.exit_code for name, execution in executions.items()} == {
        "a forged end": 3,
        "forged messages": 0,
    }
    assert all(execution.stderr == "" for execution in executions.values())


def test_files_of_hostile_programs_have_the_token_in_their_name():
    chosen = {job.name: job for job in jobs(20 * len(HOSTILE), [FINE], "0123abcd", seed=1)}
    assert "/0123abcd" in chosen["files in shared folders"].code


def test_each_leaked_resource_is_reported():
    before = IdleState(
        processes=3,
        servers=frozenset({7}),
        descriptors={7: 10},
        mounts={7: 5},
        groups=2,
        files=frozenset(),
        memory_mb=90.0,
    )
    assert left_behind(before, dataclasses.replace(before, descriptors={7: 14})) == []  # One more spare child.
    after = dataclasses.replace(
        before, processes=4, descriptors={7: 15, 8: 1}, mounts={7: 6}, groups=3, files=frozenset({"/x"})
    )
    assert left_behind(before, after) == [
        "processes: 3 -> 4",
        "descriptors of process 7: 10 -> 15",
        "mounts of process 7: 5 -> 6",
        "control groups: 2 -> 3",
        "files: ['/x']",
    ]


def test_memory_growth_is_measured_on_the_last_tenth():
    assert drift([100.0] * 40) == 0
    assert drift([100.0] * 36 + [110.0] * 4) == pytest.approx(0.1)
