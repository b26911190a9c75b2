"""The table of `storm eval` that papers print: accuracy over seeds, pass@k, majority@k and plans, for each test set."""

from rich.markup import escape
from rich.table import Table

from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.agents.evaluation.plans import Plans
from storm_calm.agents.evaluation.results import Results
from storm_calm.agents.evaluation.seed_table import ALL, MACRO
from storm_calm.cli.shares import gap_percent, percent, span, spread


def shows_table(results: Results) -> bool:
    """Return whether the table has figures that no other table has."""
    return bool(results.table) and (results.seeds > 1 or results.samples > 1 or bool(results.plans))


def replaces_groups(results: Results) -> bool:
    """Return whether the table also has what the table of the groups has: all rules and their intervals."""
    return shows_table(results) and len(results.rules) == 1 and not results.plans


def caption(results: Results, rule: str) -> str:
    """Return what the figures of the table are."""
    words = f"in %, rule {rule}"
    return words if results.seeds == 1 else f"{words}; accuracy is mean ± deviation over {results.seeds} seeds"


def seed_table(results: Results, rule: str, heading: str) -> Table:
    """Return the table for a rule, all figures in percent. heading: what the rows are."""
    # One space between columns, to fit into 60 characters.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(heading, overflow="fold")
    several, intervals = results.samples > 1, replaces_groups(results)
    at_k = [f"pass@{results.samples}", f"majority@{results.samples}"] if several else []
    if results.plans:
        at_k = [name.replace("@", "\n@") for name in at_k]
    ranges = ["95 %"] if intervals else []
    for name in ("count", "accuracy", *ranges, *at_k, *(("feasible", "gap") if results.plans else ())):
        table.add_column(name, justify="right", no_wrap=True, style="dim" if name == "95 %" else "")
    for name, row in results.table[rule].items():
        cells = [str(row.problems), spread(row.accuracy, row.deviation)]
        cells += [span(_interval(results, rule, name))] if intervals else []
        cells += [_share(row.pass_at_k), _share(row.majority_at_k)] if several else []
        cells += _plan_cells(results.plans.get(name)) if results.plans else []
        table.add_row(escape(name), *cells)
    return table


def plan_words(plans: Plans) -> str:
    """Return the figures of the plans as one sentence."""
    if plans.feasible is None or plans.within_tolerance is None:
        return "none scored"
    gaps = f"; gap {gap_percent(plans.mean_gap)} % on average, median {gap_percent(plans.median_gap)} %"
    return (
        f"{plans.checked} of {plans.samples} checked; {percent(plans.feasible.mean)} feasible "
        f"({span(plans.feasible)}), {percent(plans.within_tolerance.mean)} within the tolerance"
        f"{'' if plans.mean_gap is None else gaps}"
    )


def _interval(results: Results, rule: str, name: str) -> Interval:
    if name in (ALL, MACRO):
        return results.rules[rule]["pass@1" if name == ALL else MACRO]
    return results.groups[results.sets][name].rules[rule]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _plan_cells(plans: Plans | None) -> list[str]:
    if plans is None or plans.feasible is None:
        return ["-", "-"]
    return [f"{100 * plans.feasible.mean:.1f}", gap_percent(plans.mean_gap)]
