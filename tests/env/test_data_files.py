"""Data files: what is read for programs, and how the prompt describes it."""

import io

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import data_files
from storm_calm.env.data_files import describe_files, read_data_files


@pytest.mark.parametrize(
    ("name", "content", "shape"),
    [
        ("a.csv", b"x,y\n1,2\n3,4\n", "2 rows, columns x, y"),
        ("a.tsv", b"x\ty\n1\t2\n", "1 rows, columns x, y"),
        ("a.json", b'{"costs": [1], "hours": 3}', "JSON object with costs, hours"),
        ("a.json", b"[1, 2, 3]", "JSON list of 3"),
        ("a.json", b"{", "1 bytes"),
        ("a.csv", b"", "0 lines of text"),
        ("notes", b"one\ntwo", "2 lines of text"),
        ("a.csv", b"\xef\xbb\xbfx,y\n1,2\n", "1 rows, columns x, y"),
        ("a.json", b"\xef\xbb\xbf[1]", "JSON list of 1"),
        ("a.xlsx", b"PK\x03\x04\x00\n", "6 bytes"),
        ("a.bin", b"\x00\n", "2 bytes"),
        ("a.csv", b"\xff\xfe,b\n", "0 rows, columns \ufffd\ufffd, b"),
    ],
)
def test_the_prompt_describes_the_content_of_files(name, content, shape):
    assert describe_files({name: content}) == [f"Data files in the program's working directory:\n- {name}: {shape}"]


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.json", "a.tsv", "a.xlsx", "a"]))
def test_any_file_content_can_be_described(content, name):
    assert len(describe_files({name: content})) == 1


def workbook(**sheets):
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
    content = workbook(plants=[["plant", "capacity"], ["A", 3], ["B", 4]], costs=[["from\nto", 7], [1, 2]])
    [text] = describe_files({"data.xlsx": content})
    assert text.endswith('Excel file, sheet "plants" of 2 rows: plant, capacity; sheet "costs" of 1 rows: from to, 7')


def test_an_excel_file_that_unpacks_to_too_much_is_not_opened(monkeypatch):
    monkeypatch.setattr(data_files, "MAX_UNPACKED_BYTES", 100)
    content = workbook(plants=[["plant"]])
    assert describe_files({"a.xlsx": content})[0].endswith(f"- a.xlsx: Excel file of {len(content)} bytes")


def test_files_are_read_by_name(tmp_path):
    (tmp_path / "orders (1).csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "notes.md").write_text("# Notes\n")
    files = read_data_files([tmp_path / "orders (1).csv", tmp_path / "notes.md"])
    assert files == {"orders (1).csv": b"a,b\n1,2\n", "notes.md": b"# Notes\n"}


def test_a_parquet_file_becomes_a_csv_file(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"city": ["Riga"], "demand": [4.5]}), tmp_path / "demand.parquet")
    assert read_data_files([tmp_path / "demand.parquet"]) == {"demand.csv": b'"city","demand"\n"Riga",4.5\n'}
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"broken\.parquet: cannot be read as Parquet"):
        read_data_files([tmp_path / "broken.parquet"])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing.csv", r"missing\.csv: cannot be read \(No such file"),
        ("old.xls", r"old\.xls: \.xls files cannot be read; save it as \.xlsx or \.csv"),
        ("program.py", r"program\.py: \.py is not a data file; give one of \.csv, "),
        ("folder.csv", r"folder\.csv: cannot be read \(Is a directory"),
        ("large.csv", r"large\.csv: has 0 MiB, more than"),
    ],
)
def test_unsuitable_files_are_errors(tmp_path, monkeypatch, name, error):
    monkeypatch.setattr(data_files, "MAX_BYTES", 1 << 13)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "large.csv").write_bytes(bytes(1 << 14))
    with pytest.raises(ValueError, match=error):
        read_data_files([tmp_path / name])


def test_two_files_of_one_name_are_an_error(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_bytes(b"1")
    with pytest.raises(ValueError, match=r"programs have another file 'a\.csv'; rename one"):
        read_data_files([tmp_path / "one" / "a.csv", tmp_path / "two" / "a.csv"])
