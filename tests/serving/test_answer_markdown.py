"""The plan as tables: exactly its cells, whatever the program calls its variables."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from storm_calm.env.plans.plan import Plan, PlanLine
from storm_calm.serving.api.answer_markdown import MAX_ROWS, code, plan_tables

READER = MarkdownIt("commonmark", {"html": True}).enable("table")
ACTIVE = {"image", "link_open", "html_inline", "html_block"}
HOSTILE = st.sampled_from(
    [
        *(
            "![x](http://a/?",
            "[y](http://b)",
            "<img src=x>",
            "<script>",
            "|",
            "`",
            "``",
            "```",
            "\n",
            "\r",
            "\\",
            "\\|",
        ),
        *("http://c.d", "$", "*", "_", "#", "- ", "&lt;", "<!--", "-->", "\u202e", "\x00", " ", "[0]", "[A,1]", "_1_2"),
    ]
)
NAMES = st.lists(HOSTILE | st.text(max_size=4), min_size=1, max_size=8).map("".join)


def plan_of(values):
    lines = tuple(PlanLine(name=name, value=value, integer=None) for name, value in values.items())
    return Plan(objective=None, sense=None, lines=lines)


def read(text):
    """Return the tables of a Markdown text as rows of cells, and the types of all tokens."""
    tables, types = [], set()
    for token in READER.parse(text):
        types |= {token.type, *(child.type for child in token.children or ())}
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables:
            tables[-1][-1].append("".join(child.content for child in token.children))
    return tables, types


@given(st.dictionaries(NAMES, st.sampled_from([1.0, 2.5, -3.0]), min_size=1, max_size=12))
def test_a_table_has_exactly_its_cells_whatever_the_names_are(values):
    tables, types = read("\n\n".join(plan_tables(plan_of(values), pointer="")))
    assert types & ACTIVE == set()
    if len(tables) == 1 and tables[0][0] == ["Variable", "Value"]:
        assert len(tables[0]) == len(values) + 1
    assert all(len(row) == len(table[0]) for table in tables for row in table)


@given(NAMES)
def test_a_name_is_one_piece_of_code(name):
    tokens = READER.parse(f"| {code(name)} | 1 |\n|---|---|\n| {code(name)} | 2 |")
    cells = [token.children for token in tokens if token.type == "inline"]
    assert [[child.type for child in cell] for cell in cells] == [["code_inline"], ["text"]] * 2


def test_only_variables_that_are_not_0_are_listed():
    assert plan_tables(plan_of({"chairs": 40.0, "tables": 0.0, "hours": 2.5}), pointer="") == [
        "| Variable | Value |\n| --- | ---: |\n| `chairs` | 40 |\n| `hours` | 2.5 |",
        "The other variable is 0.",
    ]


@pytest.mark.parametrize("form", ["{}[{},{}]", "{}[{}][{}]", "{}({},{})", "{}_{}_{}", "{}_('{}',_'{}')"])
def test_two_indices_are_rows_and_columns(form):
    values = {form.format("ship", plant, town): float(n) for n, (plant, town) in enumerate(["AX", "AY", "BX", "BY"])}
    tables, _ = read("\n\n".join(plan_tables(plan_of({**values, "open": 1.0}), pointer="")))
    assert tables == [
        [["Variable", "Value"], ["open", "1"]],
        [["ship", "X", "Y"], ["A", "0", "1"], ["B", "2", "3"]],
    ]


def test_names_with_gaps_are_no_matrix():
    values = {"x[A,1]": 1.0, "x[A,2]": 2.0, "x[B,3]": 3.0, "x[C,1]": 4.0}
    tables, _ = read("\n\n".join(plan_tables(plan_of(values), pointer="")))
    assert [row[0] for row in tables[0]] == ["Variable", *values]


def test_a_wide_matrix_is_turned():
    values = {f"x[{row},{column}]": 1.0 for row in "AB" for column in range(20)}
    ((head, *rows),), _ = read("\n\n".join(plan_tables(plan_of(values), pointer="")))
    assert (head, len(rows)) == (["x", "A", "B"], 20)


def test_a_long_plan_is_cut_and_says_where_the_rest_is():
    tables, _ = read("\n\n".join(text := plan_tables(plan_of({f"x{n}": 1.0 for n in range(100)}), pointer="see a")))
    assert len(tables[0]) == MAX_ROWS + 1
    assert text[-1] == "And 70 more; see a."


def test_rows_of_all_tables_are_limited():
    values = {f"x{n}": 1.0 for n in range(25)} | {f"y[{a},{b}]": 1.0 for a in range(9) for b in range(3)}
    text = plan_tables(plan_of(values), pointer="")
    assert sum(line.startswith("|") for line in "\n".join(text).split("\n")) <= MAX_ROWS + 4
    assert text[-1] == "And 27 more."


def test_a_plan_of_zeros_says_so():
    assert plan_tables(plan_of({"x": 0.0, "y": 0.0}), pointer="") == ["All variables are 0."]


def test_an_infeasible_problem_has_its_conflict_and_the_cheapest_change(nano_answer):
    text = nano_answer("A firm ships tons of cement from 2 plants to 3 warehouses. The building is 35 meters tall. "
        "Source 1 can ship at most 49; its costs per unit to destinations 1 to 3 are 25, 27, 8. Source 2 can ship at "
        "most 89; its costs per unit to destinations 1 to 3 are 8, 3, 8. Demand at the destinations is at least 51, 51 "
        "and 52. How cheaply can all demand be met?")  # fmt: skip
    assert text.startswith("The answer is **infeasible**.\n\nThese 5 limits cannot hold together:\n\n- `constraint 1: ")
    assert re.search(r"The least change that helps:\n\n- `.* instead of \d+`", text)
    assert "\n\nEvidence: " in text
    assert "\n\nNot checked: whether the model that was solved is the one that the question describes" in text


@pytest.fixture
def nano_answer(nano):
    import httpx

    def nano_answer(question):
        body = {"model": "storm", "seed": 1, "messages": [{"role": "user", "content": question}]}
        return httpx.post(f"{nano.url}/chat/completions", json=body, timeout=60).json()["choices"][0]["message"][
            "content"
        ]

    return nano_answer
