"""The pipe for reports: what is kept of a program's output, in whatever pieces it arrives."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.sandbox import Limits
from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import ReportBuffer

NONCE = "0123456789abcdef"
KEPT = 500  # from the beginning, and as many from the end


def line(number, nonce=NONCE, **more):
    report = SolverReport(library="l", solver="s", status="optimal", constraints=number)
    return nonce.encode() + json.dumps(report.to_dict() | more).encode() + b"\n"


def read(output, size=1 << 16):
    buffer = ReportBuffer(NONCE)
    for start in range(0, len(output), size):
        buffer.add(output[start : start + size])
    return buffer


def numbers(buffer):
    reports, dropped = buffer.reports()
    return [report.constraints for report in reports], dropped


def test_lines_without_the_nonce_and_invalid_reports_are_left_out():
    bad = line(1, nonce="") + b"".join(
        NONCE.encode() + end for end in (b"{\n", b"[]\n", b'{"status": "great"}\n', b"\xff\n\n")
    )
    assert numbers(read(bad + line(2) + bad + line(3) + b"\n")) == ([2, 3], 0)


@pytest.mark.parametrize("many", [0, 1, 999, 1000, 1001, 5000, 40_000])
def test_the_first_and_the_last_reports_are_kept_and_the_others_are_counted(many):
    kept, dropped = numbers(read(b"".join(map(line, range(many)))))
    expected = range(many)
    if many > 2 * KEPT:
        expected = [*range(KEPT), *range(many - KEPT, many)]
    assert (kept, dropped) == (list(expected), many - len(kept))


@pytest.mark.parametrize("length", [1, 5_000, 600_000])
def test_the_last_report_is_kept_after_junk_of_any_length(length):
    kept, dropped = numbers(read(line(1) + 5 * (b"x" * length + b"\n") + line(2)))
    assert (kept, dropped) == ([1, 2], 0)


def test_memory_is_bounded_whatever_a_program_writes():
    for piece in (b"x" * 65536, b"\n" * 65536, NONCE.encode() * 4096, line(1) * 200):
        buffer = ReportBuffer(NONCE)
        for _ in range(100):
            buffer.add(piece)
            assert len(buffer.head) + len(buffer.tail) <= 3 << 19
        assert len(buffer.reports()[0]) <= 2 * KEPT


@given(st.lists(st.sampled_from([line(1), line(2), b"junk\n", b"", NONCE.encode(), b"{", b"\n"])), st.integers(1, 80))
def test_the_pieces_that_arrive_make_no_difference(parts, size):
    output = b"".join(parts)
    assert numbers(read(output, size)) == numbers(read(output))


@given(st.binary(max_size=300), st.integers(1, 80))
def test_any_output_is_read_without_an_error(output, size):
    buffer = read(output, size)
    assert buffer.reports() == ((), 0)
    assert buffer.claimed_exit() is None


@pytest.mark.parametrize(("end", "code"), [("0", 0), ("255", 255), ("256", None), ("-1", None), ("1 ", None)])
@pytest.mark.parametrize("many", [0, 1, 3000])
def test_an_exit_is_claimed_by_the_last_line_and_is_no_report(end, code, many):
    output = b"".join(map(line, range(many))) + f"{NONCE}exit {end}\n".encode()
    buffer = read(output, 100)
    assert buffer.claimed_exit() == code
    assert numbers(buffer)[0][-1:] == ([many - 1] if many else [])
    assert read(output + b"\n").claimed_exit() is None


@pytest.mark.slow
def test_the_last_of_many_solves_is_reported(full):
    pytest.importorskip("ortools")
    code = """
from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver("GLOP")
x = s.NumVar(0, 1, "x")
s.Maximize(x)
for i in range(5000):
    x.SetBounds(0, i)
    s.Solve()
"""
    execution = full.run(code, limits=Limits(seconds=60))
    assert execution.status == "ok"
    assert (len(execution.reports), execution.dropped_reports) == (1000, 4000)
    assert [execution.reports[place].objective for place in (0, 499, 500, -1)] == [0, 499, 4500, 4999]


@pytest.mark.slow
def test_a_flood_of_reports_ends_with_the_program(full):
    code = """
import os, time
end = time.monotonic() + 1
while time.monotonic() < end: os.write(3, b"0123456789abcdef{}\\n" * 3000)
"""
    execution = full.run(code)
    assert (execution.status, execution.reports, execution.dropped_reports) == ("ok", (), 0)
