"""The figures of the overview of a large run, counted in its index. They equal those of `assets/figures.js`."""

from collections import Counter
from typing import Any

from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.serving.report.index_query import IndexColumns

SHARE_BINS = 30
"""Bins of one percent of the hint share; the last one has all larger shares."""


def index_figures(store: RecordStore, columns: IndexColumns) -> dict[str, Any]:
    """Return the figures. Memory depends on the number of different outcomes, families and triggers."""
    found: dict[str, Any] = {
        "count": 0, "native": 0, "right": 0, "scored": 0, "hints": 0, "hinted": 0, "tokens": 0, "native_tokens": 0,
        "programs": 0, "seconds": 0.0, "wall": 0.0, "cost": [0] * 6, "backed": None,
    }  # fmt: skip
    counts: dict[str, Counter[Any]] = {
        name: Counter()
        for name in ("outcomes", "courses", "stops", "triggers", "finders", "rejected", "trigger", "finder", "reason")
    }
    results: Counter[str] = Counter()
    families: dict[str, dict[str, Any]] = {}
    keys = ("family", columns.outcome, columns.right, columns.native, columns.course, "stop", columns.triggers,
            columns.finders, columns.rejected)  # fmt: skip
    sums = ("count(*)", "sum(model_tokens)", f"sum({columns.native_tokens})", "sum(executions)",
            "sum(round(seconds, 3))", "max(at_seconds)")  # fmt: skip
    # These columns determine the keys, and are in the order of an index: no sorting.
    group = ", ".join(columns.grouped)
    for family, outcome, right, native, course, stop, triggers, finders, rejected, count, *rest in store.rows(
        (*keys, *sums), group=group, order=""
    ):
        named, finding, reasons = (text.split(",") if text else [] for text in (triggers, finders, rejected))
        tokens, native_tokens, programs, seconds, wall = (value or 0 for value in rest)
        found["count"] += count
        found["native"] += count * bool(native)
        found["right"] += count * bool(right)
        found["scored"] += count * (right is not None)
        found["hints"] += count * len(named)
        found["hinted"] += count * bool(named)
        for name, value in (("tokens", tokens), ("native_tokens", native_tokens), ("programs", programs)):
            found[name] += value
        found["seconds"] += seconds
        found["wall"] = max(found["wall"], wall)
        counts["outcomes"][outcome] += count
        counts["stops"]["none" if stop == "None" else stop] += count
        if course:
            counts["courses"][course] += count
        result = "unscored" if right is None else "right" if right else "wrong"
        results[result] += count
        results["golden"] += count * (outcome == "golden")
        for every, single, names in (
            ("triggers", "trigger", named), ("finders", "finder", finding), ("rejected", "reason", reasons)
        ):  # fmt: skip
            for name in names:
                counts[every][name] += count
            for name in set(names):
                counts[single][name] += count
        one = families.setdefault(
            family or "other", {"count": 0, "native": 0, "right": 0, "golden": 0, "triggers": Counter()}
        )
        one["count"] += count
        one["native"] += count * bool(native)
        one["right"] += count * bool(right)
        one["golden"] += count * (outcome == "golden")
        for name in named:
            one["triggers"][name] += count
    curation = columns.native != "NULL"
    pairs = {name: [[value, count] for value, count in counter.most_common()] for name, counter in counts.items()}
    return {
        **found,
        "seconds": round(found["seconds"], 3),
        "outcomes": pairs["outcomes"],
        "results": {name: results[name] for name in ("wrong", "unscored", "right", "golden")},
        "courses": pairs["courses"],
        "stops": pairs["stops"],
        "families": [
            {"family": family, **one, "triggers": [[name, count] for name, count in one["triggers"].most_common()]}
            for family, one in sorted(families.items())
        ],
        "triggers": pairs["triggers"] if curation else None,
        "finders": pairs["finders"],
        "rejected": pairs["rejected"],
        "having": {"trigger": pairs["trigger"], "finder": pairs["finder"], "rejected": pairs["reason"]},
        "golden": _golden(store, columns) if curation else None,
        "positions": _positions(store, columns) if curation else None,
        **({} if curation else _one_sample(found) if columns.one_sample else _by_problem(store, columns)),
    }


def _golden(store: RecordStore, columns: IndexColumns) -> dict[str, Any]:
    shares = [0] * SHARE_BINS
    total, most, count, without = 0.0, 0.0, 0, 0
    # A bin for share 0 of its own: -1.
    place = (
        f"CASE WHEN {columns.share} = 0 THEN -1 ELSE min({SHARE_BINS - 1}, CAST({columns.share} / 0.01 AS INTEGER)) END"
    )
    for bin_, number, sum_, largest in store.rows(
        (place, "count(*)", f"sum({columns.share})", f"max({columns.share})"), where="outcome = 'golden'", group="1",
        order="",
    ):  # fmt: skip
        count, total, most = count + number, total + sum_, max(most, largest)
        if bin_ < 0:
            without = number
        else:
            shares[bin_] = number
    mean = total / count if count else 0.0
    return {"count": count, "share_mean": mean, "share_max": most, "without_hints": without, "shares": shares}


def _positions(store: RecordStore, columns: IndexColumns) -> dict[str, Any]:
    bins, total, count = [0] * 10, 0.0, 0
    for text, number in store.rows(
        (columns.positions, "count(*)"), where=f"{columns.positions} != ''", group="1", order=""
    ):
        for position in map(float, text.split(",")):
            bins[min(9, int(position * 10))] += number
            total, count = total + number * position, count + number
    return {"count": count, "mean": total / count if count else 0.0, "bins": bins}


def _one_sample(found: dict[str, Any]) -> dict[str, Any]:
    right, count = found["right"], found["count"]
    parts = [[number, part] for number, part in ((0, count - right), (1, right)) if part]
    return {"problems": count, "right_per_problem": parts, "samples": min(1, count)}


def _by_problem(store: RecordStore, columns: IndexColumns) -> dict[str, Any]:
    """Count the problems by how many of their samples are right."""
    right: Counter[int] = Counter()
    most = 0
    for number, samples in store.rows((f"sum(coalesce({columns.right}, 0))", "count(*)"), group="id", order=""):
        right[number] += 1
        most = max(most, samples)
    return {
        "problems": right.total(),
        "right_per_problem": [[number, count] for number, count in sorted(right.items())],
        "samples": most,
    }
