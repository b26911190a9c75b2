"""Draw the plot of a study as SVG for the page, in its text colour. Needs matplotlib."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from storm_calm.agents.evaluation.plots import COLOURS, MARKS
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES
from storm_calm.rl.reproduce.report_plots import open_figure, svg_text
from storm_calm.rl.sweep.sweep_results import ModelResult, PointResult, StudyResult

TEXT, LINE = "#010203", "#040506"
"""Placeholders for the colours of text and lines, which depend on the reader's light or dark mode."""
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "grid.color": LINE,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def study_plot(result: StudyResult, models: Mapping[str, ModelResult]) -> str:
    """Plot accuracy against the varied quantity, with 95 % intervals: a panel for each training, a line by difficulty.

    Return SVG for inclusion in a page with the CSS variable --line; "" if no point is evaluated.
    """
    series = {stage: [one for one in points if one.evaluated] for stage, points in result.series.items()}
    series = {stage: points for stage, points in series.items() if points}
    if not series:
        return ""
    with open_figure(width=1.6 + 4.6 * len(series), height=3.3, columns=len(series), style=STYLE) as (figure, panels):
        for axes, (stage, points) in zip(panels, series.items(), strict=True):
            _panel(axes, result, points, models)
            axes.set_title(f"after {stage}", fontsize=10, loc="left")
        lowest = min(axes.dataLim.ymin for axes in panels)
        for axes in panels:
            axes.set_ylim(max(0.0, 10 * math.floor(lowest / 10)), 102)
        panels[0].set_ylabel("right answers, %")
        panels[-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        text = svg_text(figure)
    picture = text[text.index("<svg") :].replace(TEXT, "currentColor").replace(LINE, "var(--line)")
    return picture.replace("<svg ", f'<svg role="img" aria-label="{result.study.title}, accuracy by difficulty" ', 1)


def _panel(axes: Any, result: StudyResult, points: Sequence[PointResult], models: Mapping[str, ModelResult]) -> None:
    study = result.study
    ordered = sorted(points, key=lambda point: point.x)
    named = not study.measured and not study.log
    places = [float(number) for number in range(len(ordered))] if named else [point.x for point in ordered]
    width = (max(places) - min(places)) if not study.log else 0.0
    for number, difficulty in enumerate(DIFFICULTIES):
        if any(difficulty not in models[point.model].accuracy for point in ordered):
            continue
        found = [models[point.model].accuracy[difficulty] for point in ordered]
        means = [100 * one.mean for one in found]
        below = [100 * max(0.0, one.mean - one.low) for one in found]
        above = [100 * max(0.0, one.high - one.mean) for one in found]
        # The intervals of the three lines are side by side.
        shift = number - 1
        xs = [place * (1 + 0.03 * shift) if study.log else place + 0.012 * width * shift for place in places]
        if named:
            xs = [place + 0.13 * shift for place in places]
        axes.errorbar(
            xs,
            means,
            yerr=[below, above],
            fmt=MARKS[number] if named else f"{MARKS[number]}-",
            color=COLOURS[number],
            lw=2.0 if difficulty == "all" else 1.2,
            ms=5,
            capsize=2.5,
            elinewidth=1.0,
            label=difficulty,
        )
    if "base" in models:
        base = 100 * models["base"].accuracy["all"].mean
        axes.axhline(base, color=TEXT, lw=1.0, ls=":", label="base model, all")
    if study.log:
        axes.set_xscale("log")
    if study.log or named:
        axes.set_xticks(places, [point.label for point in ordered])
        axes.minorticks_off()
    axes.set_xlabel(study.axis)
