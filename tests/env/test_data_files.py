"""Data files: what is read for programs, and how the prompt describes it."""

import pytest

from storm_calm.env import data_files
from storm_calm.env.data_files import describe_files, read_data_files


def test_the_paragraph_on_data_files_lists_them_by_name():
    files = {"plants.csv": b"plant,capacity\nA,3\nB,4\n", "data/notes.md": b"# Notes\nAll costs in kEUR.\n"}
    assert describe_files(files) == [
        """\
Data files in the program's working directory:
- data/notes.md: text, 2 lines, 27 bytes
  content:
    # Notes
    All costs in kEUR.
- plants.csv: CSV, 2 rows, 2 columns, 23 bytes
  plant: text, unique
  capacity: whole number 3 to 4, unique, no gaps
  all lines:
    plant,capacity
    A,3
    B,4"""
    ]


def test_without_files_nothing_is_described():
    assert describe_files({}) == []


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
