"""Filters, orders and rows of the page as SQL on the index of a large run. They equal those of `assets/filters.js`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.serving.report.report_entries import FIELDS

Condition = tuple[str, tuple[Any, ...]]
"""An SQL condition and its parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexColumns:
    """What the page shows of a kind of records, as SQL expressions on its index."""

    right: str
    """1, 0, or NULL without a score."""
    outcome: str
    native: str = "NULL"
    sample: str = "NULL"
    triggers: str = "''"
    """Separated by commas."""
    finders: str = "''"
    rejected: str = "''"
    share: str = "0"
    positions: str = "''"
    native_tokens: str = "0"
    grouped: tuple[str, ...]
    """Columns of the index that determine all values above but the numbers; they begin `RecordKind.listed`."""
    one_sample: bool = True
    """Whether each problem has one record."""

    @property
    def row(self) -> tuple[str, ...]:
        """The expressions of a row, which `page_row` reads."""
        return (
            "key", "id", self.sample, "family", "difficulty", "question", self.outcome, self.right, self.native,
            self.triggers, self.finders, self.share, self.rejected, "model_tokens", self.native_tokens, "executions",
            "seconds", "at_seconds", "stop",
        )  # fmt: skip

    @property
    def course(self) -> str:
        return (
            f"CASE WHEN {self.native} IS NULL OR {self.right} IS NULL THEN NULL WHEN {self.right} THEN "
            f"CASE WHEN {self.native} THEN 'at_once' ELSE 'corrected' END "
            f"ELSE CASE WHEN {self.native} THEN 'lost' ELSE 'never' END END"
        )


CURATION = IndexColumns(
    right='"right"',
    outcome="outcome",
    native="native",
    triggers="triggers",
    finders="finders",
    rejected="rejected",
    share="hint_share",
    positions="hint_positions",
    native_tokens="native_tokens",
    grouped=("family", "outcome", '"right"', "native", "stop", "triggers", "finders", "rejected"),
)


def evaluation_columns(rule: str | None, samples: int, seeds: int) -> IndexColumns:
    """Return the columns of an evaluation. rule: one of `env.RULES`. samples: per problem and seed."""
    if rule is not None and not rule.isidentifier():
        raise ValueError(f"rule {rule!r} is not a scoring rule")
    right = (
        f"CASE WHEN right_under IS NULL THEN NULL ELSE instr(',' || right_under || ',', ',{rule or 'sirl'},') > 0 END"
    )
    outcome = (
        f"CASE WHEN reason IS NULL THEN 'unscored' WHEN ({right}) THEN 'correct' "
        "WHEN reason = 'correct' THEN 'wrong_answer' ELSE reason END"
    )
    return IndexColumns(
        right=right,
        outcome=outcome,
        sample=f"repetition * {int(samples)} + sample",
        grouped=("family", "right_under", "reason", "stop"),
        one_sample=samples * seeds == 1,
    )


def page_row(values: Sequence[Any], number: int) -> list[Any]:
    """Return a row of the page, in the order of `FIELDS`, with its number as the block, from the values of an index."""
    (
        key, id, sample, family, difficulty, question, outcome, right, native, triggers, finders, share, rejected,
        tokens, native_tokens, programs, seconds, at, stop,
    ) = values  # fmt: skip
    row = {
        "key": key, "id": id, "sample": sample, "family": family, "difficulty": difficulty, "question": question,
        "outcome": outcome, "right": None if right is None else bool(right),
        "native": None if native is None else bool(native), "backed": None, "triggers": _names(triggers),
        "finders": _names(finders), "share": share, "positions": [], "rejected_hints": _names(rejected), "cost": None,
        "tokens": tokens, "native_tokens": native_tokens, "programs": programs, "seconds": round(seconds, 3), "at": at,
        "stop": stop, "step": None, "group": None, "reward": None, "flaw": None,
    }  # fmt: skip
    return [*(row[name] for name in FIELDS), number, 0]


def _names(text: str) -> list[str]:
    return text.split(",") if text else []


def condition(columns: IndexColumns, filters: Mapping[str, str]) -> Condition:
    """Return the condition of the filters in an address of the page. Unknown names and values match nothing."""
    parts: list[str] = []
    parameters: list[Any] = []

    def add(part: str, *more: Any) -> None:
        parts.append(part)
        parameters.extend(more)

    results = {
        "wrong": f"({columns.right}) = 0",
        "right": f"({columns.right}) = 1",
        "unscored": f"({columns.right}) IS NULL",
        "golden": f"({columns.outcome}) = 'golden'",
    }
    listed = {"trigger": columns.triggers, "finder": columns.finders, "rejected": columns.rejected}
    for name, value in filters.items():
        if not value:
            continue
        if name == "result":
            add(results.get(value, "0"))
        elif name == "outcome":
            add(f"({columns.outcome}) = ?", value)
        elif name == "course":
            add(f"({columns.course}) = ?", value)
        elif name == "stop":
            add("stop = ?", "None" if value == "none" else value)
        elif name == "family":
            add("family = ?", "" if value == "other" else value)
        elif name in listed:
            add(f"instr(',' || {listed[name]} || ',', ?) > 0", f",{value},")
        elif name == "hinted":
            add(f"({columns.triggers} != '') = ?", int(value == "yes"))
        elif name == "q":
            for term in value.lower().split()[:20]:
                add("instr(lower(id || ' ' || family || ' ' || question), ?) > 0", term)
    return " AND ".join(parts), tuple(parameters)


def order_of(columns: IndexColumns, sort: str) -> str:
    """Return the order of a sorting in an address of the page; the default is failures first."""
    right, outcome = columns.right, columns.outcome
    commas = f"length({columns.triggers}) - length(replace({columns.triggers}, ',', ''))"
    orders = {
        "run": "",
        "hints": f"-({commas} + ({columns.triggers} != ''))",
        "share": f"-({columns.share})",
        "tokens": "-model_tokens",
        "seconds": "-seconds",
    }
    last = "3" if columns.native == "NULL" else f"CASE WHEN {outcome} = 'golden' THEN 3 ELSE 2 END"
    rank = f"CASE WHEN ({right}) IS NULL THEN 1 WHEN ({right}) = 0 THEN 0 ELSE {last} END"
    return orders.get(sort, rank)
