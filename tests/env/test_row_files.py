"""Rows of data files in every published format are read the same, and errors name the file and the row."""

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm_calm.env import read_problems
from storm_calm.env.problems.benchmarks import load_benchmarks
from storm_calm.env.row_fields import answer_of, field_names, question_of
from storm_calm.env.row_files import read_rows

ROWS = [{"en_question": "How many chairs?\nEach has 4 legs.", "en_answer": 12.5, "id": 3}, {"Question": "B?", "id": 4}]
CSV = """problem_class,question,answer
"['Mix', 'LP']","How many ""chairs"", in all?

Each has 4 legs.",12.5
x,B?,
"""


def rows_of(path):
    """Return the place of each row without the folder, and the row."""
    return [(str(place).removeprefix(f"{path.parent}/"), row) for place, row in read_rows(path, dict)]


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("indent", [None, 4])
def test_an_array_is_read_whatever_its_suffix_and_layout(tmp_path, suffix, indent):
    path = written(tmp_path, f"a.{suffix}", json.dumps(ROWS, indent=indent))
    assert rows_of(path) == [(f"a.{suffix}: item 1", ROWS[0]), (f"a.{suffix}: item 2", ROWS[1])]


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_lines_are_read_whatever_their_suffix(tmp_path, suffix):
    path = written(tmp_path, f"a.{suffix}", "\n".join(map(json.dumps, ROWS)))
    assert rows_of(path) == [(f"a.{suffix}:1", ROWS[0]), (f"a.{suffix}:2", ROWS[1])]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("key", ["data", "train", "problems"])
def test_an_object_may_hold_the_array(tmp_path, key, indent):
    path = written(tmp_path, "a.json", json.dumps({"version": 2, "tags": ["a"], key: ROWS}, indent=indent))
    assert [row for _, row in rows_of(path)] == ROWS


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_may_hold_the_rows_by_id(tmp_path, indent):
    by_id = {"p1": {"question": "A?", "answer": 1}, "p2": {"question": "B?", "answer": 2, "id": 7}}
    path = written(tmp_path, "a.json", json.dumps(by_id, indent=indent))
    assert [row["id"] for _, row in rows_of(path)] == ["p1", 7]


def test_an_object_may_hold_columns_as_pandas_writes_them(tmp_path):
    columns = {"question": {"0": "A?", "1": "B?"}, "answer": {"0": 1, "1": None}}
    path = written(tmp_path, "a.json", json.dumps(columns))
    assert [row for _, row in rows_of(path)] == [{"question": "A?", "answer": 1}, {"question": "B?", "answer": None}]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_row_with_lists_is_a_row(tmp_path, indent):
    row = {"question": "A?", "answer": 1, "files": [{"name": "a.csv"}], "messages": [{"role": "user", "content": "A?"}]}
    path = written(tmp_path, "a.json", json.dumps(row, indent=indent))
    assert [found for _, found in rows_of(path)] == [row]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_byte_order_marks_and_line_breaks_make_no_difference(tmp_path, encoding, line_break, name):
    row = {"question": "Größe?", "answer": "5"}
    text = "question,answer\nGröße?,5\n" if name == "a.csv" else json.dumps(row, ensure_ascii=False) + "\n"
    if name == "a.json":
        text = json.dumps([row], ensure_ascii=False, indent=1)
    data = text.replace("\n", line_break).encode(encoding)
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    assert [found for _, found in rows_of(written(tmp_path, name, mark + data))] == [row]


def test_csv_cells_may_have_line_breaks_quotes_and_delimiters(tmp_path):
    first, second = rows_of(written(tmp_path, "a.csv", CSV))
    assert first[0] == "a.csv:2"
    assert first[1]["question"] == 'How many "chairs", in all?\n\nEach has 4 legs.'
    assert second == ("a.csv:5", {"problem_class": "x", "question": "B?", "answer": None})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "question\tanswer\nA, B?\t5\n"),
        ("a.csv", "question;answer\nA, B?;5\n"),
        ("a.CSV", ' question , "answer"\n\n"A, B?",5\n,\n'),
    ],
)
def test_delimiters_spaces_in_the_header_and_blank_rows_are_handled(tmp_path, name, text):
    assert [row["question"] for _, row in rows_of(written(tmp_path, name, text))] == ["A, B?"]


def test_a_cell_may_be_long(tmp_path):
    ((_, row),) = rows_of(written(tmp_path, "a.csv", f"question,answer\n{'x' * 300_000},5\n"))
    assert len(row["question"]) == 300_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[\n  {"question": "A?"},\n  5\n]', "a.json: item 2: not a JSON object but 5; give an object"),
        ("a.json", '[\n  {"question": "A?"\n  {}\n]', "a.json:3: not JSON: Expecting ',' delimiter at column 3"),
        ("a.json", '{\n "question": "A?"\n}\n{\n "question": "B?"\n}', "a.json:4: another JSON value begins here; put"),
        ("a.json", '{"question": \n{"question": "A?"}\n', "a.json:1: not JSON: Expecting value"),
        (
            "a.json",
            '{"train": [{"question": 1}], "test": [{"question": 1}]}',
            'several lists of rows: "train", "test";',
        ),
        ("a.json", "[" * 100_000, "a.json: not JSON that can be read: nested too deeply"),
        ("a.json", "hello", "a.json:1: not JSON"),
        ("a.csv", "question,answer\nA, and B,5\n", "a.csv:2: 3 cells, more than the 2 of the header; quote cells"),
        ("a.csv", 'question,answer\n"A,5\nB,6\n', "a.csv:2: not CSV: unexpected end of data; quote cells"),
        (
            "a.csv",
            "question,answer\nA,5\nGröße,6\n".encode("latin-1"),
            "a.csv:3: byte 3 is not UTF-8; save the file as",
        ),
        ("a.json", '[\n{"question": "Größe"}]'.encode("latin-1"), "a.json:2: byte 17 is not UTF-8; save the file as"),
        ("a.csv", "question,answer\nA,5\n".encode("utf-16-le"), "a.csv: has a NUL byte, so it is not text in UTF-8"),
        ("a.csv", b"\xff\xfea", "a.csv: not UTF-16 in spite of its byte order mark; save the file as UTF-8"),
        ("a.parquet", b"PAR1", r"a.parquet: .parquet files cannot be read; write it as JSON Lines with pandas: read_p"),
        ("a.jsonl.gz", b"\x1f\x8b", "a.jsonl.gz: .gz files cannot be read; decompress it with gunzip"),
    ],
)
def test_error_has_the_place_and_the_fix(tmp_path, name, content, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        rows_of(written(tmp_path, name, content))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


TEXTS = st.text(alphabet=string.ascii_letters + " ,;\t\"'{}[]\n\\éß数😀", min_size=1, max_size=30).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.integers()), min_size=1, max_size=5), st.sampled_from(["lines", "array", "by id"]))
def test_any_row_is_the_same_in_each_json_layout(tmp_path_factory, rows, layout):
    rows = [{"id": str(number), "question": text, "answer": value} for number, (text, value) in enumerate(rows)]
    content = {
        "lines": "\n".join(map(json.dumps, rows)),
        "array": json.dumps(rows, indent=1, ensure_ascii=False),
        "by id": json.dumps({row["id"]: row for row in rows}),
    }[layout]
    path = written(tmp_path_factory.mktemp("rows"), "a.json", content)
    assert [row for _, row in rows_of(path)] == rows


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | TEXTS.map(str.encode), st.sampled_from(["a.json", "a.csv", "a.tsv", "a.jsonl"]))
def test_any_content_is_read_or_an_error_that_names_the_file(tmp_path_factory, content, name):
    path = written(tmp_path_factory.mktemp("rows"), name, content)
    try:
        rows_of(path)
    except ValueError as error:
        message = str(error)
    else:
        message = str(path)
    assert message.startswith(str(path))


@pytest.mark.parametrize(
    ("row", "question", "answer"),
    [
        ({"en_question": "A?", "en_answer": "5"}, "A?", "5"),
        ({"Question": "A?", "Answer": "5"}, "A?", "5"),
        ({"problem": "A?", "ground_truth": 5}, "A?", 5),
        ({"ch_question": "A?", "label": 5}, "A?", 5),
        ({"Problem Description": "A?", "Optimal Value": 5}, "A?", 5),
        ({"question": "", "prompt": "A?", "answer": None, "en-answer": 5}, "A?", 5),
        ({"prompt": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "A?"}],
          "reward_model": {"style": "rule", "ground_truth": "5"}}, "A?", "5"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "A?"}]}], "answers": [5]}, "A?", [5]),
        ({"question": "A?", "answer": None}, "A?", None),
    ],
)  # fmt: skip
def test_question_and_answer_have_many_published_names(row, question, answer):
    fields = field_names(row)
    assert (question_of(fields), answer_of(fields)) == (question, answer)


@pytest.mark.parametrize(
    "row",
    [
        {"text": "A?"},
        {"question": ["A?", "B?"]},
        {"messages": [{"role": "user", "content": "A?"}, {"role": "user", "content": "B?"}]},
        {"messages": [{"role": "user", "content": 5}]},
    ],
)
def test_a_row_without_one_question_is_an_error(row):
    with pytest.raises(ValueError, match=r'no question: .*; give a text as "en_question",'):
        question_of(field_names(row))


def test_a_test_set_may_be_an_array_or_a_table(tmp_path):
    written(tmp_path, "OptMATH_Bench.json", json.dumps([{"en_question": "A?", "en_answer": 25.0, "id": 0}], indent=4))
    written(tmp_path, "cleaned_classified_industryor.csv", "\ufeff" + CSV)
    loaded = load_benchmarks(["optmath", "industryor"], tmp_path)
    assert [(problem.id, problem.answers) for problem in loaded.problems] == [
        ("optmath-0", (25.0,)),
        ("industryor-1", (12.5,)),
    ]
    assert loaded.unread == (f"{tmp_path}/cleaned_classified_industryor.csv:5",)


def test_a_test_set_in_another_format_is_an_error_that_says_how_to_convert_it(tmp_path):
    written(tmp_path, "optmath.parquet", b"PAR1")
    with pytest.raises(ValueError, match=r"optmath\.parquet: \.parquet files cannot be read; write it as JSON Lines"):
        load_benchmarks(["optmath"], tmp_path)


def test_a_problem_file_may_be_an_array_or_a_table(tmp_path):
    array = written(tmp_path, "a.json", json.dumps([{"id": 1, "en_question": "A?", "en_answer": "No Best Solution"}]))
    assert [(p.id, p.question, p.answers) for p in read_problems(array)] == [("1", "A?", ("infeasible",))]
    table = written(tmp_path, "a.csv", 'id,question,answer,answers,rule\r\nx,A?,"1,234",,sirl\r\ny,B?,,"[5, 7]",\r\n')
    assert [(p.id, p.answers, p.rule) for p in read_problems(table)] == [
        ("x", (1234.0,), "sirl"),
        ("y", (5.0, 7.0), "paper"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"id": 1, "question": "A?", "answer": 1}, {"id": 1, "question": "A?", "answer": 1}],
         "a.json: item 2: \"id\" '1' is already used in item 1"),
        ([{"id": 1, "question": "A?", "en_answer": "many"}],
         'a.json: item 1: "en_answer" "many" cannot be read; give a number, "infeasible" or "unbounded"'),
        ([{"en_question": "A?", "answer": 1}], 'a.json: item 1: "id" is missing; give a text'),
    ],
)  # fmt: skip
def test_error_in_an_array_names_the_item(tmp_path, content, message):
    path = written(tmp_path, "a.json", json.dumps(content))
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_problems(path)
    assert str(caught.value) == f"{tmp_path}/{message}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1f\x8b\x08\x00rest", "is a .gz file in spite of its name; decompress it with gunzip"),
        (b"PK\x03\x04rest", "is a .zip file in spite of its name"),
        (b"PAR1rest", "is a .parquet file in spite of its name"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "is a pointer of Git LFS"),
    ],
)
def test_other_formats_are_recognized_by_their_content(tmp_path, content, words):
    with pytest.raises(ValueError, match=words):
        rows_of(written(tmp_path, "a.jsonl", content))


def test_two_columns_with_one_name_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r'a.csv:1: two columns are named "answer"; rename one'):
        rows_of(written(tmp_path, "a.csv", "question,answer,answer\nA?,5,6\n"))


def test_chinese_column_names_are_read(tmp_path):
    ((_, row),) = rows_of(written(tmp_path, "a.csv", "\ufeff问题,答案\n最大利润？,5\n"))
    fields = field_names(row)
    assert (question_of(fields), answer_of(fields)) == ("最大利润？", "5")
