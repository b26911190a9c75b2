"""File names in any script are normalized; names that leave the folder or cannot be shown are errors."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.sandbox import Limits, Program
from storm_calm.sandbox.file_names import check_distinct, normalized_path


@pytest.mark.parametrize(
    "name",
    [
        "data (1).csv",
        "Größe.csv",
        "数据.csv",
        "données d'été.xlsx",
        "-x.csv",
        "a, b; c & d = 50%.json",
        "10:30.csv",
        "👩‍🔬 costs.csv",
        "نمونه‌ها.csv",
        ".hidden",
        "dir/ä b/c.csv",
        "x" * 255,
        "数" * 85,
    ],
)
def test_ordinary_names_are_unchanged(name):
    assert normalized_path(name) == name


@pytest.mark.parametrize(
    ("path", "normalized"),
    [("Gro\u0308\u00dfe.csv", "Größe.csv"), ("./a//b/./c", "a/b/c"), ("\u212b.csv", "Å.csv")],
)
def test_equal_names_have_one_form(path, normalized):
    assert normalized_path(path) == normalized


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", "must name a file"),
        (".", "must name a file"),
        ("a/", "must name a file"),
        ("a/ /b", "must name a file"),
        ("/etc/passwd", "is not inside the program's folder; give a relative one"),
        ("C:\\data.csv", "is not inside the program's folder; give a relative one"),
        ("c:/data.csv", "is not inside the program's folder; give a relative one"),
        ("../x", "is not inside the program's folder; give a relative one without '..'"),
        ("a/../../x", "is not inside the program's folder; give a relative one without '..'"),
        ("a\\b.csv", "has a backslash; separate folders with /"),
        ("a\0b", "has a control character or line break; rename the file"),
        ("a\nb", "has a control character or line break; rename the file"),
        ("a\u2028b", "has a control character or line break; rename the file"),
        ("\u202efdp.csv", "has a control character or line break; rename the file"),
        ("\udcff.csv", "is not valid Unicode; rename the file in UTF-8"),
        ("x" * 256, "has a name of 256 bytes in UTF-8; give at most 255"),
        ("数" * 86, "has a name of 258 bytes in UTF-8; give at most 255"),
        ("/".join(["x" * 200] * 6), "has 1205 bytes in UTF-8; give at most 1024"),
        (5, "is int; give text"),
    ],
)
def test_error_for_an_invalid_path_names_the_fault_and_the_fix(path, fault):
    with pytest.raises(ValueError, match="path") as caught:
        normalized_path(path)
    assert str(caught.value).endswith(fault) or f" {fault};" in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=80) | st.text(alphabet="./\\ aäC:\u0308\u202e\0", max_size=20))
def test_any_accepted_path_is_inside_the_folder_and_stable(path):
    try:
        normalized = normalized_path(path)
    except ValueError:
        normalized = "x"
    assert normalized_path(normalized) == normalized == unicodedata.normalize("NFC", normalized)
    assert normalized.isprintable() or not any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in normalized)
    parts = normalized.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert max(len(part.encode()) for part in parts) <= 255


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["Größe.csv", unicodedata.normalize("NFD", "Größe.csv")], "path 'Größe.csv' is given twice; rename one"),
        (["a", "./a"], "path 'a' is given twice; rename one of the files"),
        (["a/b", "a"], "path 'a' is a file and the folder of 'a/b'; rename one of them"),
        (["a/b/c/d", "x", "a/b"], "path 'a/b' is a file and the folder of 'a/b/c/d'; rename one of them"),
    ],
)
def test_two_files_cannot_have_one_path(names, fault):
    with pytest.raises(ValueError, match="rename one") as caught:
        Program(code="pass", limits=Limits(), files=dict.fromkeys(names, b""))
    assert fault in str(caught.value)


def test_names_that_differ_in_case_are_different_files():
    check_distinct(["C.csv", "c.csv"])


def test_a_file_cannot_have_the_name_of_the_program():
    with pytest.raises(ValueError, match=r"main\.py is the name of the program itself; rename the file"):
        Program(code="pass", limits=Limits(), files={"main.py": b""})


def test_a_program_survives_serialization_with_its_names():
    program = Program(code="pass", limits=Limits(), files={"数据 (1).csv": b"1", "Gro\u0308\u00dfe": b"2"})
    assert Program.from_dict(program.to_dict()) == program
    assert list(program.files) == ["数据 (1).csv", "Größe"]
