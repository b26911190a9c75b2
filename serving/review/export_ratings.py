"""Export ratings as CSV or JSONL: one row per reviewer and intervention."""

import csv
import io
from pathlib import Path
from typing import Any

from storm_calm.env.atomic_write import write_text
from storm_calm.env.jsonl import write_lines
from storm_calm.serving.review.ratings import QUESTIONS
from storm_calm.serving.review.read_review import Review

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of text that a spreadsheet would evaluate."""


def rows(review: Review) -> list[dict[str, Any]]:
    rejected = review.rejected
    return [
        {
            "item": item.id,
            "problem": item.problem.id,
            "family": item.problem.family,
            "index": item.index,
            "trigger": item.intervention.finding.trigger,
            "finder": item.intervention.finding.finder,
            "rule": item.intervention.finding.rule,
            "evidence": item.intervention.finding.evidence,
            "why": item.intervention.finding.why,
            "removed": item.intervention.removed,
            "hint": item.intervention.hint,
            "reviewer": name,
            **{f"{question}_answer": ratings[item.id].answers[question] for question in QUESTIONS},
            "right_trigger": ratings[item.id].right_trigger,
            "comment": ratings[item.id].comment,
            "at": ratings[item.id].at,
            "rejected": item.id in rejected,
        }
        for item in review.items
        for name, ratings in review.reviewers.items()
        if item.id in ratings
    ]


def check_file(file: Path) -> None:
    """Raise ValueError unless `file` is a new .csv or .jsonl file."""
    if file.suffix not in (".csv", ".jsonl"):
        raise ValueError(f"{file}: ratings are written as .csv or .jsonl; choose such a name")
    if file.exists():
        raise ValueError(f"{file}: already exists; choose another file")


def write(review: Review, file: Path) -> int:
    """Write the rows atomically and return their number. Raises ValueError as `check_file` does."""
    check_file(file)
    found = rows(review)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".jsonl":
        write_lines(file, found)
        return len(found)
    # `read_review` guarantees at least one rating, so there is a first row.
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in found)
    write_text(file, table.getvalue())
    return len(found)


def _cell(value: Any) -> Any:
    """Return a value for a spreadsheet, with an apostrophe before text that would be a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
