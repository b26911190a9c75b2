"""Write the results of a sweep: results.json with every number, sweep.html, and the tables as sweep.md."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from storm_calm.env.atomic_write import write_json, write_text
from storm_calm.env.format_version import with_version
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES
from storm_calm.rl.reproduce.write_report import render_template
from storm_calm.rl.sweep.sweep_claims import SweepClaim, difference, is_small, judge_claims, points_text
from storm_calm.rl.sweep.sweep_results import PointResult, StudyResult, SweepResults, collect_results

log = logging.getLogger("storm")

PAGE_SECONDS = 300.0
"""Least seconds between two pages of a running sweep."""


class PageWriter:
    """Writes the page of a running sweep now and then, each time it is called after an evaluation."""

    def __init__(self, out: Path) -> None:
        self._out, self._last = out, float("-inf")

    def __call__(self) -> None:
        if monotonic() - self._last < PAGE_SECONDS:
            return
        self._last = monotonic()
        try:
            write_page(self._out)
        except Exception as error:  # Hours of training do not end because of a page, which the end writes again.
            log.warning("%s: the page cannot be written: %r", self._out, error)


def write_page(out: Path) -> dict[str, Any]:
    """Write the three files into the sweep's folder, and return the content of results.json.

    Unfinished sweeps get a page that lists what is missing. Raises ValueError if no model is evaluated yet.
    """
    results = collect_results(out)
    claims = judge_claims(results)
    facts = _facts(results, claims)
    write_json(out / "results.json", facts)
    values = {
        "results": results,
        "claims": claims,
        "studies": [(one, _rows(results, one)) for one in results.studies],
        "plots": _plots(results),
        "small": is_small(results),
        "difficulties": DIFFICULTIES,
        "sizes": asdict(results.request.config),
        "total": len(results.request.models()) * len(results.request.seeds),
        "absent": sum(map(len, results.missing.values())),
    }
    for name in ("sweep.md", "sweep.html"):
        write_text(out / name, render_template(Path(__file__).with_name(f"{name}.j2"), values))
    return facts


def _rows(results: SweepResults, one: StudyResult) -> list[dict[str, Any]]:
    """Return the rows of a study's table: each point with its accuracy and its difference to the reference."""
    rows = []
    for stage, points in one.series.items():
        for point in points:
            model = results.models.get(point.model)
            reference = results.reference(stage)
            change = difference(results, point.model, reference) if point.model != reference else None
            rows.append(
                {
                    "stage": stage,
                    "point": point,
                    "model": model,
                    "change": points_text(change) if change is not None else "",
                    "reference": point.model == reference,
                    "hints": model.measured("hint_share") if model else None,
                    "flawed": model.measured("flawed_share") if model else None,
                }
            )
    return rows


def _facts(results: SweepResults, claims: tuple[SweepClaim, ...]) -> dict[str, Any]:
    request = results.request
    models = {
        name: {
            "stage": model.stage,
            "accuracy": {difficulty: asdict(one) for difficulty, one in model.accuracy.items()},
            "data": {str(seed): asdict(facts) for seed, facts in model.mixtures.items()},
            "runs": {str(seed): folder for seed, folder in model.runs.items()},
            "commands": {str(seed): list(commands) for seed, commands in model.commands.items()},
        }
        for name, model in results.models.items()
    }
    studies = {
        one.study.name: {
            "title": one.study.title,
            "points": [
                {"stage": stage, **_point_facts(results, point, results.reference(stage))}
                for stage, points in one.series.items()
                for point in points
            ],
        }
        for one in results.studies
    }
    return with_version(
        {
            "sizes": asdict(request.config),
            "quick": request.quick,
            "seeds": list(request.seeds),
            "small": is_small(results),
            "studies": studies,
            "models": models,
            "yields": [asdict(one) for one in results.yields],
            "claims": [asdict(claim) for claim in claims],
            "missing": {name: list(seeds) for name, seeds in results.missing.items()},
        }
    )


def _point_facts(results: SweepResults, point: PointResult, reference: str) -> dict[str, Any]:
    changes: Mapping[str, Any] = {
        difficulty: asdict(change)
        for difficulty in DIFFICULTIES
        if point.model != reference and (change := difference(results, point.model, reference, difficulty))
    }
    return {**asdict(point), "reference": reference, "difference": dict(changes)}


def _plots(results: SweepResults) -> dict[str, str]:
    """Return the plot of each study as SVG; none without matplotlib."""
    from storm_calm.rl.sweep.sweep_plots import study_plot

    try:
        import matplotlib.figure  # noqa: F401
    except (ImportError, ValueError) as error:  # ValueError: the environment has wrong settings for it.
        log.warning("the page has no plots: %s", error)
        return {}
    return {one.study.name: study_plot(one, results.models) for one in results.studies}
