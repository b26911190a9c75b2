"""Descriptions of data files: complete, bounded, harmless, and what pandas reads."""

import codecs
import io
import json
import re
import zipfile

import openpyxl
import pandas
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storm_calm.env.file_profiles import description, workbook
from storm_calm.env.file_profiles.description import MAX_CHARACTERS, describe
from storm_calm.env.file_profiles.json_shape import shape

SUFFIXES = (".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".md", ".txt", ".dat", "")


def lines_of(content, name="a.csv", **files):
    """Return the lines of a description without indentation; the first is that of the file, without its name."""
    content = content.encode() if isinstance(content, str) else content
    first, *rest = describe({name: content, **files}).split("\n")
    return [first.removeprefix(f"- {name}: "), *(line.strip() for line in rest)]


def column(content, name="x", **files):
    """Return the description of a column."""
    return next(line for line in lines_of(content, **files) if line.startswith(f"{name}: ")).removeprefix(f"{name}: ")


def csv_of(name, values):
    return "\n".join([f"row,{name}", *(f"r{index},{value}" for index, value in enumerate(values))])


@pytest.mark.parametrize(
    ("values", "described"),
    [
        (range(30), "whole number 0 to 29, unique, no gaps"),
        ([5, 1, 9] * 10, "whole number, only 1, 5, 9"),
        ([7] * 20, "whole number, always 7"),
        ([0.5 * index for index in range(20)], "number 0 to 9.5"),
        ([*range(19), ""], "whole number 0 to 18, 1 missing"),
        ([*range(17), "N/A", "N/A", ""], "whole number 0 to 16, 3 missing (written N/A)"),
        ([*range(19), "unlimited"], "mixed, unique, numbers 0 to 18 and texts unlimited"),
        (["inf", *range(19)], "number 0 to inf"),
        (["A", "B"] * 10, "text, 2 distinct: A, B"),
        (["A"] * 20, "text, always A"),
        ([f"P{index}" for index in range(20)], "text, unique such as P0, P1, P2"),
        ([f"P{index % 9}" for index in range(20)], "text, 9 distinct such as P0, P1, P2"),
        (["true", "false"] * 10, "true/false, 2 distinct: true, false"),
        ([f"2024-01-{day:02}" for day in range(1, 21)], "date 2024-01-01 to 2024-01-20, unique"),
        (["31.12.2024", "1.6.2023"] * 10, "date, 2 distinct: 31.12.2024, 1.6.2023"),
        (["06:30", "07:00"] * 10, "time, 2 distinct: 06:30, 07:00"),
        ([f"{index:03}" for index in range(20)], "whole number 0 to 19, unique, no gaps, some have leading zeros"),
        ([""] * 20, "empty"),
        (['"1,200"', '"12,345,678.5"', "3", "4"] * 7, "number 3 to 1.23457e+07"),
        (["1e400", "2"] * 10, "number, only 2, 1e400"),
        (["9" * 5000, "2"] * 10, f"whole number, only 2, {'9' * 60}..."),
    ],
)
def test_a_column_has_type_range_missing_and_distinct_values(values, described):
    assert column(csv_of("x", values)).startswith(described)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("cost ($/t)", "$/t"),
        ("load [kg]", "kg"),
        ("load_kg", "kg"),
        ("Working_Hours", "Hours"),
        ("price_thousand_yuan_per_ton", "thousand yuan per ton"),
        ("manhattan_lb", ""),
        ("kg", ""),
    ],
)
def test_a_unit_in_the_name_of_a_column_is_shown(name, unit):
    assert column(csv_of(name, range(20)), name) == (
        f"whole number 0 to 19, {f'in {unit}, ' if unit else ''}unique, no gaps"
    )


READINGS = [
    ("a,b\n1,2\n3,4\n", ""),
    ("a;b\n1,5;2\n3,5;4\n", "sep=';', decimal=','"),
    ("a\tb\n1\t2\n3\t4\n", "sep='\\t'"),
    ("a|b\n1|2\n3|4\n", "sep='|'"),
    ("a, b\nx, 2\ny, 4\n", "skipinitialspace=True"),
    ("1,2\n3,4\n", "header=None"),
    ("c1,x1,1.5\nc1,x2,2.5\n", "header=None"),
    ("C0017,C0206\nC0018,C0310\n", "header=None"),
    ("plant,1,2,3\nA,4,5,6\nB,7,8,9\n", ""),
    (",x,y\nA,4,5\nB,7,8\n", ""),
    ("Report of 2024\n\na,b\n1,2\n3,4\n", "skiprows=1"),
    ("a,b\n1,2,\n3,4,\n", "index_col=False"),
    ("a,b\n1,2\n3\n", ""),
    ("a,a,\n1,2,3\n4,5,6\n", ""),
    ('a,b\n"x\ny",2\nz,4\n', ""),
    ('a,b\n"1,200",2\n3,4\n', "thousands=','"),
    ("a,b\r\n1,2\r\n\r\n3,4", ""),
    ("a b\n1 2\n3  4\n", "sep=r'\\s+'"),
    ("item,weight\n,kg\nA,5\nB,6\n", ""),
    ("name\nNew York\nRiga\n", ""),
]


@pytest.mark.parametrize(("text", "arguments"), READINGS)
def test_pandas_reads_the_described_columns_with_the_described_arguments(text, arguments):
    first, *rest = lines_of(text)
    assert first.partition("; read with ")[2] == arguments
    table = eval(f"pandas.read_csv(io.StringIO(text), {arguments})", {"pandas": pandas, "io": io, "text": text})
    rows, columns = map(int, re.match(r"CSV, (\d+) rows?, (\d+) columns?", first).groups())
    assert table.shape == (rows, columns)
    names = [f"column {name}" if "header=None" in arguments else str(name) for name in table.columns]
    assert [line.partition(": ")[0] for line in rest[:columns]] == [name.partition(": ")[0] for name in names]
    for name, line in zip(table.columns, rest, strict=False):
        assert (": whole number" in line or ": number" in line) == pandas.api.types.is_numeric_dtype(table[name])


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("stadt,x\nKöln,1\n".encode(), ""),
        (codecs.BOM_UTF8 + "stadt,x\nKöln,1\n".encode(), "encoding='utf-8-sig'"),
        ("stadt,x\nKöln,1\n".encode("utf-16"), "encoding='utf-16'"),
        ("stadt,x\nKöln,1\n".encode("latin-1"), "encoding='latin-1'"),
        ("stadt,x\nKöln €,1\n".encode("cp1252"), "encoding='cp1252'"),
    ],
)
def test_encodings_other_than_utf_8_are_stated(content, encoding):
    first, *rest = lines_of(content)
    assert first.partition("; read with ")[2] == encoding
    assert any("Köln" in line for line in rest)
    arguments = {"encoding": encoding.split("'")[1]} if encoding else {}
    assert pandas.read_csv(io.BytesIO(content), **arguments)["stadt"][0].startswith("Köln")


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        ("", "CSV, empty"),
        ("a,b\n", "CSV, 0 rows, 2 columns, 4 bytes"),
        ("a,\0b\n", "not text but binary data, 5 bytes"),
        ("a,b\n1,2\n3,4,5\n1,2\n6\n" * 5, "rows of 1 to 3 cells, so pandas.read_csv fails; read with csv.reader"),
        ('a,b\n"' + "x" * 200_000, "csv.reader cannot read it"),
        ("a,b\n" + "1,2\n" * 30 + "1,2,3\n", "rows with more cells than columns: 1 (pandas needs on_bad_lines='skip')"),
        ("x,y\na,1,2\nb,3,4\n", "pandas makes the first column the index, since the header has one name less"),
    ],
)
def test_what_is_not_an_ordinary_table_is_stated(content, summary):
    assert summary in lines_of(content)[0]


def test_small_tables_are_shown_whole_and_large_ones_by_their_first_rows():
    small, large = (csv_of("x", range(count)) for count in (10, 1000))
    assert lines_of(small)[-11:] == small.split("\n")
    assert lines_of(large)[-4:] == large.split("\n")[:4]


def test_the_columns_of_a_matrix_are_one_line():
    cities = [f"city {chr(65 + index)}" for index in range(12)]
    rows = [[abs(i - j) for j in range(12)] for i in range(12)]
    text = "\n".join(
        [
            ",".join(["from", *cities]),
            *(f"{city}," + ",".join(map(str, row)) for city, row in zip(cities, rows, strict=True)),
        ]
    )
    assert lines_of(text)[1:3] == [
        "from: text, unique",
        "city A ... city L (12 columns): whole number 0 to 11, square, symmetric, zero diagonal, "
        "column names: the values of from",
    ]
    unnamed = "\n".join(",".join(map(str, row)) for row in rows)
    assert (
        lines_of(unnamed)[1]
        == "column 0 ... column 11 (12 columns): whole number 0 to 11, square, symmetric, zero diagonal"
    )
    days = (
        "shift,"
        + ",".join(f"day_{day}" for day in range(1, 8))
        + "\n"
        + "\n".join(f"s{row},1,0,1,0,1,0,1" for row in range(9))
    )
    assert lines_of(days)[2] == "day_1 ... day_7 (7 columns): whole number, only 0, 1"


def test_of_wide_tables_twenty_columns_are_described():
    names = [f"{chr(97 + index % 26)}{'xyz'[index % 3]}{index // 3}" for index in range(500)]
    text = ",".join(names) + "\n" + ",".join("x" if index < 30 else "1" for index in range(500))
    lines = lines_of(text)
    assert lines[20].startswith(f"{names[19]}: ")
    assert lines[21] == f"and 480 more columns: {names[20]} ... {names[-1]}"


def test_a_column_with_the_values_of_a_key_refers_to_it():
    orders = "order,depot,customer_id,quantity\n" + "\n".join(
        f"{n},D{n % 3},{n % 7 + 1},{n % 5 + 1}" for n in range(30)
    )
    files = {
        "depots.csv": "id,name\n" + "\n".join(f"D{n},x{n}" for n in range(5)),
        "customers.csv": "id\n" + "\n".join(map(str, range(1, 8))),
    }
    lines = describe({"orders.csv": orders.encode(), **{name: text.encode() for name, text in files.items()}}).split(
        "\n"
    )
    assert "  depot: text, 3 distinct: D0, D1, D2, values of depots.csv id" in lines
    assert "  customer_id: whole number 1 to 7, the values of customers.csv id" in lines
    assert "  quantity: whole number 1 to 5" in lines


def test_columns_that_identify_a_row_together_are_stated():
    text = "source,target,cost\n" + "\n".join(f"{i},{j},5" for i in range(9) for j in range(9))
    assert "unique together: source, target" in lines_of(text)


def test_json_is_described_by_the_shape_of_its_values():
    data = {
        "days": 5,
        "demand": {f"c{n}": n * 3 for n in range(12)},
        "cost": [[n * m for n in range(7)] for m in range(5)],
        "plants": [{"name": f"p{n}", "open": True, "lines": [1.5] * n} for n in range(1, 9)],
        "limits": {
            "budget": 1000,
            "hours": [8] * 40,
            "names": ["early morning shift", "evening shift", "night shift", "weekend"],
        },
    }
    assert lines_of(json.dumps(data), "a.json")[1:] == [
        "days: 5",
        "demand: object with 12 keys (c0, c1, c2, c3, c4, c5, ...), values: whole numbers 0 to 33",
        "cost: matrix 5 x 7 of whole numbers 0 to 24",
        "plants: list of 8 objects with keys name (text, 8 distinct such as p1, p2, p3, p4, p5, p6), "
        "open (true/false), lines (list of 1 to 8 numbers, always 1.5)",
        "limits: object",
        "budget: 1000",
        "hours: list of 40 whole numbers, always 8",
        "names: list of 4 texts: early morning shift, evening shift, night shift, weekend",
    ]
    assert lines_of('{"a": [1, 2]}', "a.json") == ["JSON, object with 1 key, 13 bytes", 'content: {"a": [1, 2]}']


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_records_are_a_table(name):
    records = [{"id": n, "city": "AB"[n % 2], "code": str(n), "x": None if n else 1.5} for n in range(30)]
    text = json.dumps(records) if name == "a.json" else "\n".join(map(json.dumps, records))
    assert lines_of(text, name)[1:5] == [
        "id: whole number 0 to 29, unique, no gaps",
        "city: text, 2 distinct: A, B",
        "code: whole number 0 to 29, unique, no gaps, as JSON text",
        "x: number, always 1.5, 29 missing",
    ]
    assert json.dumps(records[1]) in lines_of(text, name)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("{", "invalid JSON, 1 line, 1 byte"),
        ("[" * 100_000, "invalid JSON, 1 line, 100 kB"),
        ("NaN", "JSON, NaN, 3 bytes"),
        ("[" * 600 + "NaN" + "]" * 600, "JSON, "),
        ('{"a":' * 900 + "1" + "}" * 900, "JSON, object with 1 key, 5.4 kB"),
        ('{"a": 1}\n{"a": 2}\n', "JSON, JSON Lines rather than JSON: 2 lines with an object each, 1 field, 18 bytes"),
        ("[1e999, NaN, " + "9" * 400 + "]", "JSON, "),
        ("[]", "JSON, [], 2 bytes"),
    ],
)
def test_invalid_and_unusual_json_is_described(text, summary):
    assert lines_of(text, "a.json")[0].startswith(summary)


def test_values_of_different_types_have_no_common_shape():
    assert shape([1, "a", None]) == "values of different types (text, whole number) or null"


def excel(**sheets):
    """Return an Excel file with sheets of the given rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_the_sheets_of_an_excel_file_are_described():
    plants = [["Capacity plan"], [], ["plant", "capacity (t)"], ["Riga", 3], ["Oslo", 4.5]]
    routes = [["from", "to", "cost"], *([one, f"c{n}", n] for one in ("Riga", "Oslo") for n in range(10))]
    content = excel(plants=plants, routes=routes, empty=[])
    lines = lines_of(content, "a.xlsx")
    assert lines[0].startswith("Excel, 3 sheets: plants, routes, empty, ")
    assert lines[1:4] == [
        "- sheet plants: 2 rows, 2 columns; read with header=2",
        "plant: text, unique",
        "capacity (t): number 3 to 4.5, in t",
    ]
    assert "from: text, 2 distinct: Riga, Oslo, the values of a.xlsx sheet plants plant" in lines
    assert lines[-1] == "- sheet empty: empty"
    assert list(pandas.read_excel(io.BytesIO(content), "plants", header=2).columns) == ["plant", "capacity (t)"]


def test_broken_and_unpacking_excel_files_are_not_opened(monkeypatch):
    assert lines_of(b"PK\x03\x04\x00\n", "a.xlsx") == ["Excel, 6 bytes, not examined (too large or damaged)"]
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(64 << 20))
    assert "not examined" in lines_of(bomb.getvalue(), "a.xlsx")[0]
    monkeypatch.setattr(workbook, "MAX_UNPACKED_BYTES", 100)
    assert "not examined" in lines_of(excel(a=[["limited"]]), "a.xlsx")[0]


def test_text_is_shown_whole_if_it_is_short():
    assert lines_of("# Rules\n\nUse `x`.\n```python\n~~~~\n", "a.md") == [
        "text, 5 lines, 33 bytes",
        "content:",
        "# Rules",
        "",
        "Use 'x'.",
        "'''python",
        "~~",
    ]
    assert lines_of("All costs.\n" * 500, "a.md") == ["text, 500 lines, 5.5 kB", "first lines:", *["All costs."] * 8]


def test_tables_in_text_files_are_found():
    assert lines_of(" 3 10\n 60 5\n 100 4\n", "a.dat")[0].endswith(
        "3 rows, 2 columns, 19 bytes; read with sep=r'\\s+', header=None"
    )
    assert lines_of("5 10 20\n1 2\n3 4 5 6\n", "a.dat")[0] == "text, 3 lines, 20 bytes"


@pytest.mark.parametrize("name", ["x" * 500, "a`b```", "a\nb", "~~~", " x ", "\u202ex", "`" * 100])
def test_names_are_on_one_line_and_without_fences(name):
    text = f"{json.dumps(name)[1:-1]}"
    for content, file in [
        (json.dumps({name: {name: name}, "long": "y" * 1000}), "a.json"),
        (json.dumps([{name: name}] * 3), "b.json"),
        (f'"{name}",k\n"{name}",1\n"{name}",2\n', "c.csv"),
        (text, f"{name}.md"),
    ]:
        lines = describe({file: content.encode()}).split("\n")
        assert not any("`" in line or "~~~" in line for line in lines)
        assert all(line.isprintable() for line in lines)
        assert all(re.match(r"- |  ", line) for line in lines if line)
    book = excel(a=[[name.replace("\n", " "), "x"], [name, 1]])
    assert not re.search("[`\u202e]|~~~", describe({"a.xlsx": book}))


def test_a_name_that_is_not_plain_is_shown_as_the_string_that_opens_it():
    first = describe({"a`b.csv": b"x\n1\n"}).split(": ")[0]
    assert eval(first.removeprefix("- ")) == "a`b.csv"


def table(rows, seed=0):
    return (
        "id,name,cost ($/t),day\n" + "".join(f"{n},item {seed} {n},{n / 7:.3f},2024-01-01\n" for n in range(rows))
    ).encode()


def test_many_files_get_less_detail_each():
    few, some, many = (describe({f"f{n:03}.csv": table(40, n) for n in range(count)}) for count in (5, 60, 500))
    assert all(len(text) <= MAX_CHARACTERS for text in (few, some, many))
    assert few.count("first lines:") == 5
    assert "Left out" not in few
    assert "first lines:" not in some
    assert all(f"- f{n:03}.csv: CSV, 40 rows, 4 columns" in some for n in range(60))
    assert some.count("columns: id, name, cost ($/t), day") + some.count("cost ($/t): number") == 60
    assert re.search(r"Left out to keep this short: .*first rows of \d+ files", some)
    assert "\n- and 400 more files (400 .csv): f100.csv ... f499.csv\n" in many


def test_many_json_files_keep_their_keys():
    data = json.dumps({"demand": [[1, 2, 3]] * 90, "note": "x" * 500, **{f"key {n}": "y" * 90 for n in range(5)}})
    text = describe({f"f{n:03}.json": data.encode() for n in range(60)})
    assert text.count("  keys: demand, note, key 0, key 1, key 2, key 3, key 4") == 60 - text.count("  demand: matrix")
    assert "\nLeft out to keep this short: " in text


def test_descriptions_do_not_depend_on_order_and_are_kept(monkeypatch):
    files = {f"f{n}.csv": table(40, n) for n in range(20)}
    text = describe(files)
    assert describe(dict(reversed(files.items()))) == text
    monkeypatch.setattr(description, "profile_file", None)
    assert describe(files) == text


def test_of_large_files_the_first_part_is_measured(monkeypatch):
    monkeypatch.setattr(description, "MAX_ALL_BYTES", 10_000)
    first = lines_of(table(2_000))[0]
    assert re.match(r"CSV, about 2001 rows \(the first \d{3} were measured\), 4 columns", first)


SMALL_CELLS = st.sampled_from(["", "1", "2.5", "x", "-", "NA", "1,5", '"', "2024-01-01", "`", "é", "\n", "true", "a b"])
TABLES = st.tuples(
    st.lists(st.lists(SMALL_CELLS, max_size=6), max_size=8), st.sampled_from([",", ";", "\t", "|", " ", ", "])
).map(lambda drawn: "\n".join(drawn[1].join(row) for row in drawn[0]).encode())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=300) | TABLES | JSON, st.sampled_from(SUFFIXES))
@example(b"\xff\xfe\x00", ".csv")
@example(b"\xff\xfea", ".json")
@example(b"a,b\r1,2\r", ".csv")
def test_any_content_is_described_within_bounds_and_without_fences(content, suffix):
    text = describe({f"a{suffix}": content})
    assert text.startswith(f"- a{suffix}: ")
    assert len(text) <= MAX_CHARACTERS
    assert "`" not in text
    assert "~~~" not in text
    assert all(line.replace("\t", " ").isprintable() and line == line.rstrip() for line in text.split("\n"))
    assert all(line.startswith("  ") for line in text.split("\n")[1:] if line)


@given(st.dictionaries(st.text(min_size=1, max_size=300), TABLES | JSON, max_size=30))
def test_any_set_of_files_is_described_within_bounds(files):
    text = describe({f"{name}{SUFFIXES[len(name) % 9]}": content for name, content in files.items()})
    assert len(text) <= MAX_CHARACTERS
    assert sum(line.startswith("- ") for line in text.split("\n")) <= max(1, len(files))


def test_a_table_of_parameters_says_how_to_get_a_value_by_its_name():
    table = b"Name,Value,Unit\ncost,30,EUR\ncapacity,2,t\n"
    access = "df.set_index('Name')['Value']"
    assert access in describe({"parameters.csv": table})
    assert pandas.read_csv(io.BytesIO(table)).set_index("Name")["Value"]["capacity"] == 2
    assert access not in describe({"orders.csv": table.replace(b"Value", b"Amount")})
