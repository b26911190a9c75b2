"""Runs made into figures, and figures into tables.

figures = summed(runs)           # medians over the runs; counts are added up
print("\\n".join(lines(figures)))
"""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.serving.loads import Figures, percentile

Run = dict[str, Any]
"""One run: `answers` and `programs` and `leaving`, by load and server, see `__main__.run`."""

ADDED = ("first_ms", "first_p95_ms")
"""Figures that are told as what a server adds to the direct way."""
DIRECT = "direct"
"""The client without a server between it and the upstream."""
COUNTED = ("left", "left_writing", "left_running", "ended_by_leaving", "requests_after", "programs_after")
"""Figures that are added up over runs."""


def answers(runs: Sequence[dict[str, Figures]]) -> dict[str, Figures]:
    """One load of whole answers, by server: medians, with what is added to the direct way of the same run."""
    merged = {}
    for name in runs[0]:
        rows = [run[name] for run in runs]
        row = medians(rows)
        for figure in ADDED:
            row[f"added_{figure}"] = statistics.median(run[name][figure] - run[DIRECT][figure] for run in runs)
        speeds = [(run[name]["tokens_per_second"], run[DIRECT]["tokens_per_second"]) for run in runs]
        row["share"] = statistics.median(speed / direct for speed, direct in speeds)
        merged[name] = row
    return merged


def leaving(runs: Sequence[Figures]) -> Figures:
    """One load with clients that leave: counts of all the runs, and the lags of all their clients, None without any."""
    lags = [lag for run in runs for lag in run["lag_ms"]]
    counts = {figure: sum(run[figure] for run in runs) for figure in COUNTED}
    middle, late = (percentile(lags, 0.5), percentile(lags, 0.95)) if lags else (None, None)
    return {**counts, "lag_ms": middle, "lag_p95_ms": late, "wrong": _added(runs)}


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure, with all that was wrong."""
    figures = [figure for figure in runs[0] if figure != "wrong"]
    return {**{figure: statistics.median(run[figure] for run in runs) for figure in figures}, "wrong": _added(runs)}


def summed(runs: Sequence[Run]) -> Run:
    """All of the runs; faults are looked at in the first one alone."""
    first = runs[0]
    return {
        "answers": {load: answers([run["answers"][load] for run in runs]) for load in first["answers"]},
        "programs": medians([run["programs"] for run in runs]),
        "leaving": {
            name: {load: leaving([run["leaving"][name][load] for run in runs]) for load in rows}
            for name, rows in first["leaving"].items()
        },
        "faults": first["faults"],
    }


def lines(figures: Run) -> Iterator[str]:
    """The tables."""
    for part in (_answer_lines, _program_lines, _leaving_lines, _fault_lines):
        yield from part(figures)
        yield ""


def _answer_lines(figures: Run) -> Iterator[str]:
    yield _row("", "first ms", "p95", "added ms", "p95", "tokens/s", "share", "CPU s/1k", "MB", "MB all")
    for load, rows in figures["answers"].items():
        for name, row in rows.items():
            cells = [f"{row[figure]:.1f}" for figure in (*ADDED, *(f"added_{figure}" for figure in ADDED))]
            cells += [f"{row['tokens_per_second']:,.0f}", f"{row['share']:.2f}"]
            if name != DIRECT:
                cells.append(f"{row['processor_seconds_per_1000']:.3f}")
                cells += [f"{row['highest_mb']:.0f}", f"{row['family_mb']:.0f}"]
            yield _row(f"{load}, {name}", *cells)


def _program_lines(figures: Run) -> Iterator[str]:
    row = figures["programs"]
    yield _row("answers with a program", "seconds", "ideal", "added ms", "p95", "own ms")
    cells = [f"{row['seconds']:.3f}", f"{row['ideal_seconds']:.3f}", f"{row['added_ms']:.1f}"]
    yield _row("storm serve", *cells, f"{row['added_p95_ms']:.1f}", f"{row['program_ms']:.1f}")


def _leaving_lines(figures: Run) -> Iterator[str]:
    yield _row("clients that leave", "left", "in text", "in code", "ended", "after ms", "p95", "requests", "programs")
    for name, rows in figures["leaving"].items():
        for load, row in rows.items():
            cells = [row["left"], row["left_writing"], row["left_running"], row["ended_by_leaving"]]
            cells += ["-" if row[lag] is None else f"{row[lag]:.1f}" for lag in ("lag_ms", "lag_p95_ms")]
            yield _row(f"{name}, {load}", *cells, row["requests_after"], row["programs_after"])


def _fault_lines(figures: Run) -> Iterator[str]:
    yield "an upstream that fails"
    for name, told in figures["faults"].items():
        for mode, outcome in told.items():
            yield f"    {name + ', ' + mode:24} {outcome}"


def wrongs(figures: Run) -> list[str]:
    """Every kind of answer that was not as it should be, with the load and the server."""
    places = {f"{load}, {name}": row for load, rows in figures["answers"].items() for name, row in rows.items()}
    places["answers with a program"] = figures["programs"]
    places |= {f"{name}, {load}": row for name, rows in figures["leaving"].items() for load, row in rows.items()}
    return [f"{place}: {count} times {what}" for place, row in places.items() for what, count in row["wrong"].items()]


def _row(name: str, *cells: object) -> str:
    return f"{name:31}" + "".join(f"{cell!s:>10}" for cell in cells)


def _added(runs: Sequence[Figures]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run["wrong"])
    return dict(total)
