"""Plots that compare evaluations: accuracy with its intervals, and findings by trigger. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storm_calm.agents.evaluation.compare_runs import Comparison, EvaluatedRun
from storm_calm.env import TRIGGERS

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
"""The palette of Okabe and Ito, which is safe for colour-blind readers."""
LABELS = {"by_difficulty": "difficulty", "by_benchmark": "test set", "by_family": "family"}
"""Groupings that can be plotted, preferred ones first, and their labels."""
MARKS = ("o", "s", "^", "D", "v", "P", "X")
"""Markers, which distinguish runs in greyscale print too."""

STYLE: dict[str, Any] = {
    "svg.hashsalt": "storm",  # Makes the files reproducible.
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}
"""Settings of matplotlib."""


def draw(comparison: Comparison, out: Path) -> tuple[Path, ...]:
    """Write `accuracy.svg` and `findings.svg` into a folder, and return their paths.

    Raises ImportError without matplotlib, and ValueError if the environment has wrong settings for it.
    """
    import matplotlib
    import matplotlib.figure

    out.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figures = {"accuracy.svg": _accuracy(comparison), "findings.svg": _findings(comparison.runs)}
        for name, figure in figures.items():
            figure.savefig(out / name, metadata={"Date": None}, bbox_inches="tight")
    return tuple(out / name for name in figures)


def _accuracy(comparison: Comparison) -> Any:
    runs, rule = comparison.runs, comparison.rules[0]
    grouping = next((name for name in LABELS if _shared(runs, name)), "")
    names = _shared(runs, grouping)
    slanted = len(names) > 6
    letters = 3 if slanted else max(map(len, [*names, "all"]))
    width = 1.0 + (len(names) + 1) * max(0.3 + 0.25 * len(runs), 0.2 + 0.09 * letters)  # Inches.
    figure, axes = _figure(width=max(4.5, width), height=3.4)
    axes.grid(axis="x", visible=False)
    for number, run in enumerate(runs):
        figures = [run.results[grouping][name][rule] for name in names] + [run.results["rules"][rule]["pass@1"]]
        means = [100 * one["mean"] for one in figures]
        below = [max(0.0, 100 * (one["mean"] - one["low"])) for one in figures]
        above = [max(0.0, 100 * (one["high"] - one["mean"])) for one in figures]
        axes.errorbar(
            [place + _shift(number, len(runs), 0.6) for place in range(len(figures))],
            means,
            yerr=[below, above],
            fmt=MARKS[number % len(MARKS)],
            color=COLOURS[number % len(COLOURS)],
            capsize=3,
            label=run.name,
        )
    labels = [*(name.replace("_", " ") for name in names), "all"]
    axes.set_xticks(range(len(labels)), labels, rotation=45 if slanted else 0, ha="right" if slanted else "center")
    axes.set_xlim(-0.6, len(names) + 0.6)
    axes.set_ylim(-3, 103)
    axes.set_xlabel(LABELS.get(grouping, ""))
    axes.set_ylabel(f"right answers (pass@1, rule {rule}), %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return figure


def _findings(runs: Sequence[EvaluatedRun]) -> Any:
    figure, axes = _figure(width=6.0, height=1.2 + len(TRIGGERS) * (0.2 + 0.16 * len(runs)))
    axes.grid(axis="y", visible=False)
    for number, run in enumerate(runs):
        count = run.results["scored"] + run.results.get("needs_judge", 0)
        axes.barh(
            [place + _shift(number, len(runs), 0.8) for place in range(len(TRIGGERS))],
            [100 * run.results["behaviour"]["findings"][trigger] / count if count else 0 for trigger in TRIGGERS],
            height=0.8 / len(runs),
            color=COLOURS[number % len(COLOURS)],
            label=run.name,
        )
    axes.set_yticks(range(len(TRIGGERS)), [trigger.replace("_", " ") for trigger in TRIGGERS])
    axes.invert_yaxis()  # The paper's order, from the top.
    axes.set_xlabel("share of samples in which the trigger is found, %")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return figure


def _figure(*, width: float, height: float) -> tuple[Any, Any]:
    """Return an empty figure, without a window or global state, and its axes. Sizes are in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def _shared(runs: Sequence[EvaluatedRun], grouping: str) -> list[str]:
    """Return the groups that all runs have."""
    first = runs[0].results.get(grouping, {})
    return [name for name in first if all(name in run.results.get(grouping, {}) for run in runs)]


def _shift(number: int, count: int, width: float) -> float:
    """Return the offset from the centre of item `number` of `count` items that share `width`."""
    return width * ((number + 0.5) / count - 0.5)
