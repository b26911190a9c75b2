"""The table of `storm eval` with the accuracy under the labels of several releases of a test set."""

from collections.abc import Iterator, Mapping

from rich.markup import escape
from rich.table import Table

from storm_calm.agents.evaluation.by_release import ReleaseScore
from storm_calm.cli.shares import percent, span


def release_table(benchmark: str, scores: Mapping[str, ReleaseScore]) -> Table:
    """Return the table of a test set. With one rule it also has intervals and the first release's accuracy."""
    # One space between columns, to fit into 60 characters.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(f"labels of {escape(benchmark)}", overflow="fold")
    first, *others = scores
    rules = list(scores[first].rules)
    one = len(rules) == 1
    for name in ("matched", "differ", *rules, *(("95 %", first) if one else ())):
        table.add_column(name, justify="right", no_wrap=True, style="dim" if name in ("95 %", first) else "")
    for name, score in scores.items():
        cells = [percent(score.rules[rule].mean) if rule in score.rules else "-" for rule in rules]
        if one and score.rules:
            cells += [span(score.rules[rules[0]]), percent(score.first[rules[0]].mean) if name in others else ""]
        table.add_row(escape(name), str(score.matched), str(score.differing_labels), *cells)
    return table


def unmatched(scores: Mapping[str, ReleaseScore]) -> Iterator[str]:
    """Yield a sentence for each release that does not have the same questions as the first."""
    first, *others = scores
    for name in others:
        score = scores[name]
        if score.unmatched_problems or score.unmatched_rows:
            yield (
                f"{name}: no label for {score.unmatched_problems} of the questions; "
                f"{score.unmatched_rows} questions are not in {first}"
            )
