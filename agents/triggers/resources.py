"""Trigger 5: a limit that adds up amounts of another resource.

    stated_resources("A bar needs 90 grams of oil, a candle 150 grams of wax; 7200 grams of oil, 12000 grams of wax.")
    # {90.0: "oil", 150.0: "wax", 7200.0: "oil", 12000.0: "wax"}

`90x + 150y <= 7200` adds grams of wax to grams of oil. Both resources must have two numbers of their own in the
question.
"""

import re
from collections import Counter
from collections.abc import Iterator

from storm_calm.agents.triggers.evidence import Evidence, numbers_in, sentence_start
from storm_calm.agents.triggers.formula_patterns import COMPARISON, FORMULA_END
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

MAX_CHARS = 20_000
"""Characters of a text that are searched."""

AMOUNT = re.compile(
    r"(?<![\d.,])(?P<number>\d[\d,]*+(?:\.\d++)?)\s+[a-z]{1,15}\s+of\s+(?:the\s+)?(?P<resource>[a-z]{2,20})",
    re.IGNORECASE,
)
FORMULA = re.compile(
    rf"(?P<left>[^\n<>≤≥=:;]{{3,120}}?)\s{{0,3}}{COMPARISON}\s{{0,3}}(?P<limit>\d[\d,]*(?:\.\d+)?){FORMULA_END}"
)
FACTOR = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(?:\\cdot|\\times|\*|×|·)?\s?(?=\\?[A-Za-z(])")


def stated_resources(question: str) -> dict[float, str]:
    """Return the resource of each number of the question that has one and occurs once."""
    question = question[:MAX_CHARS]
    count = Counter(value for value, _ in numbers_in(question))
    found = {
        value: match["resource"].lower()
        for match in AMOUNT.finditer(question)
        for value, _ in numbers_in(match["number"].rstrip(","))
    }
    return {value: resource for value, resource in found.items() if count[value] == 1}


def mixed_resource(evidence: Evidence) -> Iterator[Finding]:
    """Find formulas before the first result with a limit of one resource and a coefficient of another one."""
    stated = stated_resources(evidence.question)
    numbers = Counter(stated.values())
    for turn in evidence.turns:
        if not stated or evidence.result_before(turn):
            return
        for formula in FORMULA.finditer(turn.prose[:MAX_CHARS]):
            limit = stated.get(float(formula["limit"].replace(",", "")), "")
            others = {stated.get(float(factor)) for factor in FACTOR.findall(formula["left"])} - {None, limit}
            if numbers[limit] >= 2 and any(numbers[other] >= 2 for other in others if other):
                at = sentence_start(turn.text, formula.start() + len(formula["left"]))
                shown = f"{formula[0].strip()[-80:]} adds {' and '.join(sorted(filter(None, others)))} to {limit}"
                yield finding("mixed_resource", turn, at, shown)
                return
