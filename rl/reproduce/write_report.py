"""Write the report of a reproduction: report.html, report.md for a README, and report.json."""

import base64
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from storm_calm.agents.runs.progress import duration
from storm_calm.env import TRIGGERS
from storm_calm.env.atomic_write import write_json, write_text
from storm_calm.env.serialize import to_json
from storm_calm.rl.reproduce.measured_figures import MODELS, TRAININGS, Figures, collect, known_mean
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES, Accuracy
from storm_calm.rl.reproduce.paper_claims import claims, is_small

log = logging.getLogger("storm")

SECONDS = ("step_seconds", "generation_seconds", "environment_seconds", "update_seconds")
"""The times of a GRPO step in the report."""


def write_report(out: Path) -> dict[str, Any]:
    """Write the three reports into `out`, and return the content of report.json.

    Raises ValueError if no model is evaluated yet.
    """
    figures = collect(out)
    compared, small = claims(figures), is_small(figures)
    facts = {**to_json(figures), "small": small, "claims": [asdict(claim) for claim in compared]}
    del facts["runs"], facts["problems"]
    values = {
        "figures": figures,
        "claims": compared,
        "small": small,
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


def _rendered(template: str, values: dict[str, Any]) -> str:
    return render_template(Path(__file__).with_name(template), values)


def render_template(file: Path, values: dict[str, Any]) -> str:
    """Render a template of a report. Values are escaped in HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(file.parent),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "percent": lambda share: f"{100 * share:.1f}",
        "interval": lambda accuracy: f"{100 * accuracy.low:.0f}-{100 * accuracy.high:.0f}",
        "spread": _spread,
        "duration": duration,
        "words": lambda name: name.replace("_", " "),
    }
    environment.filters.update(filters)
    return environment.get_template(file.name).render(**values)


def _spread(accuracy: Accuracy) -> str:
    """Return the range over seeds; "" if all seeds have the same accuracy."""
    low, high = min(accuracy.by_seed), max(accuracy.by_seed)
    return f"{100 * low:.1f}-{100 * high:.1f}" if low < high else ""


def _plots(figures: Figures) -> dict[str, str]:
    """Return the plots as data URLs; "" for a plot without data, and for all without matplotlib."""
    from storm_calm.rl.reproduce.report_plots import accuracy_plot, curves_plot, flaws_plot

    try:
        import matplotlib.figure  # noqa: F401
    except (ImportError, ValueError) as error:  # ValueError: the environment has wrong settings for it.
        log.warning("the report has no plots: %s", error)
        return dict.fromkeys(("accuracy", "flaws", "curves"), "")
    curves = curves_plot(figures) if any(figures.curves.values()) else ""
    plots = {"accuracy": accuracy_plot(figures), "flaws": flaws_plot(figures), "curves": curves}
    encoded = {name: base64.b64encode(svg.encode()).decode() for name, svg in plots.items()}
    return {name: data and f"data:image/svg+xml;base64,{data}" for name, data in encoded.items()}


def _times(figures: Figures) -> list[dict[str, Any]]:
    """Return the seconds of each finished stage, the mean over seeds, and its ratio to the longest stage."""
    means = {stage: fmean(by_seed.values()) for stage, by_seed in figures.seconds.items() if by_seed}
    longest = max(means.values(), default=0.0) or 1.0
    return [{"stage": stage, "seconds": mean, "part": mean / longest} for stage, mean in means.items()]


def _steps(figures: Figures) -> list[dict[str, Any]]:
    """Return the times of a GRPO step for each training, the mean over steps and seeds."""
    found = []
    for run, label in TRAININGS.items():
        curves = figures.curves.get(run, ())
        values = {name: known_mean(curve.mean(name) for curve in curves) for name in SECONDS}
        if values["step_seconds"] and values["environment_seconds"] is not None:
            share = values["environment_seconds"] / values["step_seconds"]
            found.append({"run": f"GRPO {label}", "share": share, **values})
    return found


def _curation(figures: Figures) -> dict[str, float] | None:
    """Return the totals of all curations, or None."""
    summaries = figures.curation.values()
    if not summaries:
        return None
    totals = {
        name: sum(one[name] for one in summaries) for name in ("problems", "native_correct", "golden", "interventions")
    }
    return {**totals, "hint_share": fmean(one["hint_token_share_mean"] for one in summaries)}


def _doctor(figures: Figures) -> dict[str, Any]:
    """Return how many checks have each state, and the problems and warnings, worst first."""
    states = ("problem", "warning", "not measured", "ok")
    rows = [(seed, one) for seed, verdicts in figures.verdicts.items() for one in verdicts]
    return {
        "counts": {state: sum(one.state == state for _, one in rows) for state in states},
        "rows": sorted((row for row in rows if row[1].state in states[:2]), key=lambda row: states.index(row[1].state)),
    }
