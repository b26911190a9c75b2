"""JSON Lines files: strict except for an incomplete last line, appended durably, replaced atomically."""

import io
import json

import pytest

from storm_calm.env.atomic_write import atomic_write, is_draft, write_json, write_text
from storm_calm.env.jsonl import append_line, raw_lines, read_jsonl, read_latest, repair, write_lines


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines.jsonl"


def values(path, **options):
    return list(read_jsonl(path, dict, **options))


def test_lines_are_read_with_their_numbers(path):
    write_lines(path, [{"a": 1}, {"b": "é"}])
    append_line(path, {"c": [2]})
    assert values(path) == [(1, {"a": 1}), (2, {"b": "é"}), (3, {"c": [2]})]


def test_blank_lines_and_a_byte_order_mark_are_skipped(path):
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"b": 2}')
    assert values(path) == [(1, {"a": 1}), (4, {"b": 2})]


@pytest.mark.parametrize("incomplete", ['{"b": ', '{"b": "é', "nul", "[[" * 100_000])
def test_an_incomplete_last_line_is_skipped_only_in_a_growing_file(path, incomplete):
    path.write_bytes(b'{"a": 1}\n' + incomplete.encode()[:-1])
    assert values(path, growing=True) == [(1, {"a": 1})]
    with pytest.raises(ValueError, match=r"lines\.jsonl:2: "):
        values(path)


def test_a_last_line_without_a_line_break_counts(path):
    path.write_text('{"a": 1}\n{"b": 2}')
    assert len(values(path, growing=True)) == 2
    append_line(path, {"c": 3})
    assert [number for number, _ in values(path)] == [1, 2, 3]


def test_a_growing_file_may_be_missing(path):
    assert values(path, growing=True) == []
    with pytest.raises(FileNotFoundError):
        values(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1]", "not a thing: not a JSON object but [1]; put one object a line"),
        (b"{", "not a thing: not JSON: Expecting property name enclosed in double quotes at column 2"),
        (b'{"a": "\xe4"}', "not a thing: byte 8 is not UTF-8; save the file as UTF-8"),
        (b'{"b": 1}', 'not a thing: "a" is missing'),
        (b'{"a": ' + b"[" * 100_000, "not a thing: nested too deeply"),
    ],
)
def test_error_for_an_invalid_line_has_file_and_line(path, line, message):
    path.write_bytes(b"\n" + line + b"\n")
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        list(read_jsonl(path, lambda data: data["a"], what="a thing", growing=True))
    assert str(caught.value) == f"{path}:2: {message}"


def test_the_last_line_of_a_key_replaces_the_first(path):
    write_lines(path, [{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"id": 1, "v": 3}])
    assert read_latest(path, dict, key=lambda one: one["id"], what="") == [{"id": 1, "v": 3}, {"id": 2, "v": 2}]


def test_lines_have_byte_offsets_and_numbers():
    data = b'{"a": 1}\n\n{"b": 2}\n{"c"'
    lines = list(raw_lines(io.BytesIO(data)))
    assert [data[line.start : line.end] for line in lines] == [line.raw for line in lines]
    assert [(line.number, line.closed) for line in lines] == [(1, True), (3, True)]
    assert [line.number for line in raw_lines(io.BytesIO(data), start=lines[1].start, number=3)] == [3]


def test_repair_removes_only_an_incomplete_line(path):
    assert repair(path) == 0
    path.write_bytes(b"")
    assert repair(path) == 0
    path.write_bytes(b'{"problem"')
    assert repair(path) == 10
    assert path.read_bytes() == b""


def test_appending_to_a_shared_file_skips_the_repair(path):
    path.write_bytes(b'{"half of another')
    append_line(path, {"a": 1}, shared=True)
    assert path.read_bytes() == b'{"half of another{"a": 1}\n'


def test_a_failed_atomic_write_keeps_the_old_file(path):
    write_text(path, "old")

    def fail():
        with atomic_write(path) as draft:
            assert is_draft(draft)
            draft.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_json_files_are_written_atomically(path):
    write_json(path, {"a": [1]})
    assert json.loads(path.read_text()) == {"a": [1]}
