"""The programs that the sandbox's benchmarks run, and the benchmarks' own judgement."""

import dataclasses

import pytest

from benchmarks.hostile import HOSTILE, Job
from benchmarks.sandbox_soak import Conduct, Rest, drift, jobs, left_behind
from benchmarks.snippets import KINDS, answer, mixed, program, run_fresh
from storm_calm.sandbox import open_sandbox


def test_there_are_24_kinds_and_each_compiles():
    assert len(KINDS) == 24
    for kind in KINDS:
        compile(program(kind, 0), kind, "exec")


def test_a_program_is_the_same_for_the_same_seed_and_another_for_another():
    for kind in KINDS:
        assert program(kind, 3) == program(kind, 3)
        assert program(kind, 3) != program(kind, 4)


def test_a_mix_has_every_kind_before_any_comes_again():
    kinds = [kind for kind, _ in mixed(50)]
    assert set(kinds[:24]) == set(kinds[24:48]) == set(KINDS)
    assert mixed(50) == mixed(50)
    assert len({code for _, code in mixed(48)}) == 48


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'simplex' is none of pywraplp_scip"):
        program("simplex", 0)


def test_only_a_single_answer_counts():
    assert answer("noise\nOBJ 0 5.0\n") == "OBJ 0 5.0"
    assert answer("noise\n") is None
    assert answer("OBJ 1\nOBJ 2\n") is None


def test_a_program_answers_in_a_fresh_python_as_in_the_sandbox():
    code = program("pywraplp_glop", 1)
    fresh = answer(run_fresh(code).stdout)
    assert fresh is not None
    with open_sandbox() as sandbox:
        conduct = Conduct(sandbox)
        assert conduct(Job(name="glop", code=code, answer=fresh)) is None
        assert "instead of 'OBJ wrong'" in str(conduct(Job(name="glop", code=code, answer="OBJ wrong")))
        assert "status error instead of ok" in str(conduct(Job(name="crash", code="1 / 0")))


def test_one_job_of_twenty_is_hostile_and_all_kinds_of_harm_come_up():
    ordinary = [Job(name="fine", code="print('OBJ 1')", answer="OBJ 1")]
    chosen = jobs(20 * len(HOSTILE), ordinary, "word", seed=1)
    assert [job.name for job in chosen].count("fine") == 19 * len(HOSTILE)
    assert {job.name for job in chosen} == {"fine", *(job.name for job in HOSTILE)}


def test_what_is_left_behind_is_named():
    rest = Rest(
        processes=3,
        servers=frozenset({7}),
        descriptors={7: 10},
        mounts={7: 5},
        groups=2,
        files=frozenset(),
        memory_mb=90.0,
    )
    assert left_behind(rest, dataclasses.replace(rest, descriptors={7: 14})) == []  # Another spare is being prepared.
    later = dataclasses.replace(
        rest, processes=4, descriptors={7: 15, 8: 1}, mounts={7: 6}, groups=3, files=frozenset({"/x"})
    )
    assert left_behind(rest, later) == [
        "processes: 3 -> 4",
        "descriptors of process 7: 10 -> 15",
        "mounts of process 7: 5 -> 6",
        "control groups: 2 -> 3",
        "files: ['/x']",
    ]


def test_memory_that_grows_is_told_by_the_last_tenth():
    assert drift([100.0] * 40) == 0
    assert drift([100.0] * 36 + [110.0] * 4) == pytest.approx(0.1)
