"""Test sets in all their spellings are read, unreadable labels are counted, and no label is guessed."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Problem
from storm_calm.env.problems.benchmarks import BENCHMARKS, benchmark_of, load_benchmarks
from storm_calm.env.problems.benchmarks.benchmark_rows import read_label
from storm_calm.env.problems.benchmarks.load_benchmark import read_hub_rows


def write(folder, name, *rows):
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")


def row(answer, question="How many chairs?", **more):
    return {"en_question": question, "en_answer": answer, **more}


@pytest.mark.parametrize(
    ("label", "answers"),
    [
        ("1160.0", (1160.0,)),
        (0.0, (0.0,)),
        ("0", (0.0,)),
        ("1,234.5", (1234.5,)),
        ("$1,200 per day", (1200.0,)),
        ("No Best Solution", ("infeasible",)),
        ("-9999", ("infeasible",)),
        (-99999, ("infeasible",)),
        ("-9998", (-9998.0,)),
        ("unbounded", ("unbounded",)),
        ([5, "7"], (5.0, 7.0)),
        ("[5, 7, 5.0]", (5.0, 7.0)),
        ("['5', '7.5']", (5.0, 7.5)),
    ],
)
def test_labels_are_parsed_in_published_formats(label, answers):
    assert read_label(label) == answers


@pytest.mark.parametrize(
    "label", [None, "", "many", "3 or 4", True, float("nan"), [], [5, "many"], {"value": 5}, "[5", "[x]"]
)
def test_an_unreadable_label_is_not_guessed(label):
    assert read_label(label) == ()


@given(st.one_of(st.text(), st.floats(), st.lists(st.text()), st.none(), st.integers()))
def test_any_label_is_parsed_without_error(label):
    assert all(isinstance(answer, float) or answer in ("infeasible", "unbounded") for answer in read_label(label))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nl4opt", "NL4OPT_with_optimal_solution.json"),
        ("mamo_easy", "MAMO_EasyLP_fixed.jsonl"),
        ("mamo_complex", "mamo-complex.jsonl"),
        ("industryor", "IndustryOR_fixedV2.json"),
        ("optmath", "OptMATH_Bench_166.jsonl"),
    ],
)
def test_files_are_found_by_their_published_names(tmp_path, name, file):
    for other in ("README.md", "other.jsonl", "mamo.txt"):
        write(tmp_path, other, row(1))
    write(tmp_path, file, row(5))
    (problem,) = load_benchmarks([name], tmp_path).problems
    assert (problem.answers, benchmark_of(problem)) == ((5.0,), name)
    assert problem.source == f"{name}: {file}"


def test_all_published_field_names_are_accepted(tmp_path):
    write(
        tmp_path,
        "nl4opt.jsonl",
        {"en_question": "A?", "en_answer": "1"},
        {"Question": "B?", "Answer": 2},
        {"question": "C?", "answer": 3.0, "id": 17},
        {"question": "D?", "answers": [4, 5], "id": "nl4opt-test-9"},
    )
    problems = load_benchmarks(["nl4opt"], tmp_path).problems
    assert [(problem.question, problem.answers) for problem in problems] == [
        ("A?", (1.0,)), ("B?", (2.0,)), ("C?", (3.0,)), ("D?", (4.0, 5.0)),
    ]  # fmt: skip
    assert [problem.id for problem in problems] == ["nl4opt-1", "nl4opt-2", "nl4opt-17", "nl4opt-test-9"]


def test_the_source_records_the_origin_of_a_label(tmp_path):
    write(
        tmp_path,
        "industryor.jsonl",
        row("5", source="somebody/SIRL:IndustryOR.json"),
        row("6", is_checked=True, original_answer="7"),
        row("6", is_checked=False, original_answer="6.0"),
    )
    sources = [problem.source for problem in load_benchmarks(["industryor"], tmp_path).problems]
    assert sources == [
        "industryor: industryor.jsonl; label of somebody/SIRL:IndustryOR.json",
        'industryor: industryor.jsonl; corrected, was "7"; checked',
        "industryor: industryor.jsonl; not checked",
    ]


def test_rows_with_unreadable_labels_are_skipped_and_listed(tmp_path):
    write(tmp_path, "optmath.jsonl", row(5), row("see the table"), "", row(None), row(0))
    loaded = load_benchmarks(["optmath"], tmp_path)
    assert [problem.answers for problem in loaded.problems] == [(5.0,), (0.0,)]
    assert loaded.unread == (f"{tmp_path}/optmath.jsonl:2", f"{tmp_path}/optmath.jsonl:4")


def test_the_limit_applies_to_each_benchmark(tmp_path):
    for name in ("nl4opt", "optmath"):
        write(tmp_path, f"{name}.jsonl", *(row(number) for number in range(5)))
    loaded = load_benchmarks(["optmath", "nl4opt"], tmp_path, limit=2)
    assert [problem.id for problem in loaded.problems] == ["optmath-1", "optmath-2", "nl4opt-1", "nl4opt-2"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1), '{"en_question": '], r"nl4opt\.jsonl:2: not JSON"),
        ([row(1), "[1]"], r"nl4opt\.jsonl:2: not a JSON object but \[1\]; put one object a line"),
        ([{"en_answer": 1}], r"nl4opt\.jsonl:1: no question: null; give a text as \"en_question\""),
        ([{"question": "Q?", "value": 1}], r"nl4opt\.jsonl:1: no answer; give it as \"en_answer\""),
        ([row(1, id=3), row(2, id=3)], r"nl4opt\.jsonl:2: \"id\" 'nl4opt-3' is already used in .*nl4opt\.jsonl:1"),
        ([row("?")], r"no problems in nl4opt"),
    ],
)
def test_error_for_an_invalid_file_has_the_line(tmp_path, rows, message):
    write(tmp_path, "nl4opt.jsonl", *rows)
    with pytest.raises(ValueError, match=message):
        load_benchmarks(["nl4opt"], tmp_path)


def test_a_missing_or_ambiguous_file_is_an_error(tmp_path):
    write(tmp_path, "other.jsonl", row(1))
    with pytest.raises(ValueError, match=r"no file for nl4opt, such as nl4opt\.jsonl; it has other\.jsonl"):
        load_benchmarks(["nl4opt"], tmp_path)
    for name in ("NL4OPT.jsonl", "nl4opt_fixed.json"):
        write(tmp_path, name, row(1))
    with pytest.raises(ValueError, match=r"several files for nl4opt: NL4OPT\.jsonl, nl4opt_fixed\.json;"):
        load_benchmarks(["nl4opt"], tmp_path)


def test_error_for_an_unknown_benchmark_lists_the_known_ones():
    with pytest.raises(ValueError, match='unknown benchmark "nl4"; known: nl4opt, mamo_easy'):
        load_benchmarks(["nl4"])


def test_rows_of_the_hub_are_read_like_rows_of_a_file(tmp_path):
    datasets = pytest.importorskip("datasets")
    write(tmp_path, "rows.jsonl", row("No Best Solution", id=1), row("?", id=2), row("1,000", id=3))
    rows = datasets.load_dataset(
        "json", data_files=str(tmp_path / "rows.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    found = list(read_hub_rows(rows, BENCHMARKS["mamo_easy"], "CardinalOperations/MAMO easy_lp"))
    assert [place for place, _ in found] == [f"CardinalOperations/MAMO easy_lp:{number}" for number in (1, 2, 3)]
    assert [problem and problem.answers for _, problem in found] == [("infeasible",), None, (1000.0,)]
    assert found[0][1].source == "mamo_easy: CardinalOperations/MAMO easy_lp"
    with pytest.raises(ValueError, match="easy_lp:1: no question"):
        list(read_hub_rows([{"text": "x"}], BENCHMARKS["mamo_easy"], "CardinalOperations/MAMO easy_lp"))


def test_error_without_datasets_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ValueError, match=r"nl4opt from the Hub needs the package datasets: pip install 'storm-calm\[hub"
    ):
        load_benchmarks(["nl4opt"])
    with pytest.raises(ValueError, match="optmath is not on the Hub"):
        load_benchmarks(["optmath"])


def test_other_problems_belong_to_no_benchmark():
    for source in ("", "generated", "mine: nl4opt", "nl4opt"):
        assert benchmark_of(Problem(id="p", question="Q?", answers=(1.0,), source=source)) == ""
