"""The report of a reproduction: report.html for reading, report.md for a README, report.json for programs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from storm_calm.env import TRIGGERS
from storm_calm.env.atomic_write import write_json, write_text
from storm_calm.rl.reproduce.measured_figures import MODELS, TRAININGS, Figures, collect, figures_to_json, known_mean
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES, Accuracy
from storm_calm.rl.reproduce.paper_claims import claims, is_small

SECONDS = ("step_seconds", "generation_seconds", "environment_seconds", "update_seconds")
"""What is told of the time of a GRPO step."""


def write_report(out: Path) -> dict[str, Any]:
    """Write the three reports into `out`, of all that is done there; the content of report.json.

    Raises ValueError where no model is evaluated yet.
    """
    figures = collect(out)
    compared = claims(figures)
    facts = {
        **figures_to_json(figures),
        "small": is_small(figures),
        "claims": json.loads(json.dumps([_plain(c) for c in compared])),
    }
    values = {
        "figures": figures,
        "claims": compared,
        "small": is_small(figures),
        "difficulties": DIFFICULTIES,
        "triggers": TRIGGERS,
        "missing": [label for name, label in MODELS.items() if name not in figures.models],
        "times": _times(figures),
        "total_seconds": sum(sum(by_seed.values()) for by_seed in figures.seconds.values()),
        "steps": _steps(figures),
        "curation": _curation(figures),
        "doctor": _doctor(figures),
        "plots": _plots(figures),
    }
    write_json(out / "report.json", facts)
    for name in ("report.md", "report.html"):
        write_text(out / name, _rendered(f"{name}.j2", values))
    return facts


def _plain(claim: Any) -> dict[str, str]:
    return {name: getattr(claim, name) for name in ("name", "paper", "measured", "verdict", "reason")}


def _rendered(template: str, values: dict[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": lambda share: f"{100 * share:.1f}",
        "interval": _interval,
        "spread": _spread,
        "clock": clock,
        "words": lambda name: name.replace("_", " "),
    }
    environment.filters.update(filters)
    return environment.get_template(template).render(**values)


def clock(seconds: float) -> str:
    """A duration in words, as in "1 h 04 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _interval(one: Accuracy) -> str:
    return f"{100 * one.low:.0f}-{100 * one.high:.0f}"


def _spread(one: Accuracy) -> str:
    """The least and the most of the seeds; "" for one seed, or where they are the same."""
    least, most = min(one.by_seed), max(one.by_seed)
    return f"{100 * least:.1f}-{100 * most:.1f}" if least < most else ""


def _plots(figures: Figures) -> dict[str, str]:
    """The plots as data URLs; "" for one that there is nothing for."""
    from storm_calm.rl.reproduce.report_plots import accuracy_plot, curves_plot, flaws_plot

    curves = curves_plot(figures) if any(figures.curves.values()) else ""
    drawn = {"accuracy": accuracy_plot(figures), "flaws": flaws_plot(figures), "curves": curves}
    return {name: svg and _address(svg) for name, svg in drawn.items()}


def _address(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _times(figures: Figures) -> list[dict[str, Any]]:
    """Seconds of each finished stage, the mean over seeds, and how long it is beside the longest."""
    means = {stage: fmean(by_seed.values()) for stage, by_seed in figures.seconds.items() if by_seed}
    most = max(means.values(), default=0.0) or 1.0
    return [{"stage": stage, "seconds": mean, "part": mean / most} for stage, mean in means.items()]


def _steps(figures: Figures) -> list[dict[str, Any]]:
    """Where the time of a GRPO step goes, the mean over steps and seeds."""
    found = []
    for run, words in TRAININGS.items():
        curves = figures.curves.get(run, ())
        values = {name: known_mean(curve.mean(name) for curve in curves) for name in SECONDS}
        if values["step_seconds"] and values["environment_seconds"] is not None:
            share = values["environment_seconds"] / values["step_seconds"]
            found.append({"run": f"GRPO {words}", "share": share, "count": len(curves[0].steps), **values})
    return found


def _curation(figures: Figures) -> dict[str, float] | None:
    """The curations together."""
    if not figures.curation:
        return None
    summaries = list(figures.curation.values())
    return {
        **{
            name: sum(one[name] for one in summaries)
            for name in ("problems", "native_correct", "golden", "interventions")
        },
        "hint_share": fmean(one["hint_token_share_mean"] for one in summaries),
    }


def _doctor(figures: Figures) -> dict[str, Any]:
    """What the doctor says: how often each state, and what is not well, worst first."""
    states = ("problem", "warning", "not measured", "ok")
    rows = [(seed, one) for seed, verdicts in figures.verdicts.items() for one in verdicts]
    return {
        "counts": {state: sum(one.state == state for _, one in rows) for state in states},
        "rows": sorted((row for row in rows if row[1].state in states[:2]), key=lambda row: states.index(row[1].state)),
    }
