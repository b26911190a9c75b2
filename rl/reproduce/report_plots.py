"""Draw the plots of the report as SVG: accuracy, flaws, and the curves of GRPO. Needs matplotlib."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from types import MappingProxyType
from typing import Any

from storm_calm.agents.evaluation.plots import COLOURS, MARKS, STYLE
from storm_calm.env import TRIGGER_CLASS, TRIGGERS
from storm_calm.rl.reproduce.measured_figures import MODELS, TRAININGS, Curve, Figures
from storm_calm.rl.reproduce.paired_differences import DIFFICULTIES

PANELS = {
    "accuracy": ("right answers, %", 100.0),
    "executions": ("programs run, mean of a rollout", 1.0),
    "model_tokens": ("tokens written, mean of a rollout", 1.0),
    "zero_variance_groups": ("groups without variance, %", 100.0),
}
"""The plotted series of a GRPO run: the title, and the factor that values are multiplied by."""

SMOOTH = 5
"""Width in steps of the moving average: the 64 rollouts of a single step are too noisy."""


def accuracy_plot(figures: Figures) -> str:
    """Plot the accuracy of each model by difficulty, with 95 % intervals, and a dot for each of several seeds."""
    with open_figure(width=8.4, height=3.6) as (figure, [axes]):
        axes.grid(axis="x", visible=False)
        count = len(MODELS)
        for name, model in figures.models.items():
            number = list(MODELS).index(name)  # A model keeps its colour if another one is missing.
            for place, difficulty in enumerate(DIFFICULTIES):
                one = model.accuracy.get(difficulty)
                if one is None:
                    continue
                x = place + 0.7 * ((number + 0.5) / count - 0.5)
                axes.errorbar(
                    [x],
                    [100 * one.mean],
                    yerr=[[100 * max(0.0, one.mean - one.low)], [100 * max(0.0, one.high - one.mean)]],
                    fmt=MARKS[number],
                    color=COLOURS[number],
                    capsize=3,
                    label=model.label if difficulty == DIFFICULTIES[0] else None,
                )
                if len(one.by_seed) > 1:
                    dots = [100 * value for value in one.by_seed]
                    axes.plot([x + 0.045] * len(dots), dots, ".", ms=4, color=COLOURS[number], alpha=0.6)
        axes.set_xticks(range(len(DIFFICULTIES)), DIFFICULTIES)
        axes.set_xlim(-0.5, len(DIFFICULTIES) - 0.5)
        axes.set_ylim(-3, 103)
        axes.set_ylabel("right answers, %")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return svg_text(figure)


def flaws_plot(figures: Figures) -> str:
    """Plot the share of trajectories by the trigger of their first finding, one stacked bar per model."""
    with open_figure(width=8.4, height=1.3 + 0.42 * len(figures.models)) as (figure, [axes]):
        axes.grid(axis="y", visible=False)
        reached = [0.0] * len(figures.models)
        # Class 1 in blues, class 2 in warm colours.
        colours = iter(("#08519C", "#3182BD", "#9ECAE1", "#7F2704", "#D94801", "#FD8D3C", "#FDD0A2"))
        for trigger in TRIGGERS:
            widths = [100 * model.first_finding[trigger] for model in figures.models.values()]
            number = "1" if TRIGGER_CLASS[trigger] == "code_utilization_distrust" else "2"
            axes.barh(
                range(len(widths)),
                widths,
                left=reached,
                height=0.65,
                color=next(colours),
                label=f"{number}: {trigger.replace('_', ' ')}",
            )
            reached = [start + width for start, width in zip(reached, widths, strict=True)]
        axes.set_yticks(range(len(reached)), [model.label for model in figures.models.values()])
        axes.invert_yaxis()
        axes.set_xlim(0, max(5.0, 1.05 * max(reached)))
        axes.set_xlabel("held-out trajectories by the trigger of their first finding, %")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), title="class: trigger", alignment="left")
        return svg_text(figure)


def curves_plot(figures: Figures) -> str:
    """Plot GRPO over its steps, with and without SFT: seeds as thin lines, their mean as a thick one."""
    with open_figure(width=9.6, height=6.2, rows=2, columns=2) as (figure, panels):
        for axes, (name, (label, factor)) in zip(panels, PANELS.items(), strict=True):
            for colour, (run, legend) in zip(COLOURS, TRAININGS.items(), strict=False):
                curves = figures.curves.get(run, ())
                for curve in curves:
                    values = [math.nan if value is None else factor * value for value in curve.series[name]]
                    axes.plot(curve.steps, values, color=colour, lw=0.7, alpha=0.45)
                steps, means = _mean(curves, name)
                axes.plot(steps, [factor * value for value in means], color=colour, lw=2.4, label=legend)
            axes.set_title(label, fontsize=10, loc="left")
            axes.set_ylim(bottom=0, top=103 if factor == 100 else None)
            axes.locator_params(axis="x", integer=True)
        for axes in panels[-2:]:
            axes.set_xlabel("step")
        panels[0].legend(loc="lower right")
        return svg_text(figure)


def _mean(curves: Sequence[Curve], name: str) -> tuple[list[int], list[float]]:
    """Return the steps that all runs have, and the moving average over steps and runs."""
    if not curves:
        return [], []
    by_step = [dict(zip(curve.steps, curve.series[name], strict=True)) for curve in curves]
    found: dict[int, float] = {}
    for step in sorted(set.intersection(*(set(one) for one in by_step))):
        values = [value for one in by_step if (value := one[step]) is not None]
        if len(values) == len(curves):
            found[step] = fmean(values)
    steps, half = list(found), SMOOTH // 2
    return steps, [fmean(found[near] for near in steps if abs(near - step) <= half) for step in steps]


@contextmanager
def open_figure(
    *, width: float, height: float, rows: int = 1, columns: int = 1, style: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a figure in our style and its axes, without matplotlib's global state. Sizes in inches.

    style: further settings of matplotlib.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, **style}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, [figure.add_subplot(rows, columns, number + 1) for number in range(rows * columns)]


def svg_text(figure: Any) -> str:
    """Return a figure as SVG, the same for the same figure."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return file.getvalue()
