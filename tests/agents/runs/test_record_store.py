"""A run's records, plain or in compressed parts: what was appended is read back in order, after any crash."""

import contextlib
import gzip
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storm_calm.agents.runs import record_files, record_store
from storm_calm.agents.runs.record_kind import RecordKind
from storm_calm.agents.runs.record_store import RecordStore

NUMBERS = RecordKind(
    name="numbers",
    what="a number of this test",
    columns={"value": "INTEGER", "text": "TEXT"},
    row=lambda data: (data["id"], {"value": data["value"], "text": data.get("text", "")}),
)
FORMS = {"plain": 0, "parts": 10_000_000}


@pytest.fixture(params=FORMS)
def expected(request, monkeypatch):
    """The number of expected records that gives each form, with small parts."""
    monkeypatch.setattr(record_files, "PART_RECORDS", 3)
    return FORMS[request.param]


def record(number, value=0):
    return {"id": f"p{number}", "value": value, "text": "é\n" * number}


def write(folder, records, expected, *, order=None):
    with RecordStore.open(folder, NUMBERS, write=True, expected=expected) as store:
        for one in records:
            store.append(one)
        if order is not None:
            store.set_order(order)
            store.finish()


def read(folder):
    with RecordStore.open(folder, NUMBERS) as store:
        return list(store.records())


def lines_of(folder):
    """Return the lines as other programs read them."""
    opened = {".gz": gzip.open, ".jsonl": open}
    return [line for file in NUMBERS.files(folder) for line in opened[file.suffix](file, "rb")]


def test_a_run_is_plain_up_to_the_limit_and_in_parts_above_it(tmp_path):
    for name, count in (("small", record_store.PARTS_FROM), ("large", record_store.PARTS_FROM + 1)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, [record(1)], count)
    assert [file.name for file in NUMBERS.files(tmp_path / "small")] == ["numbers.jsonl"]
    assert [file.name for file in NUMBERS.files(tmp_path / "large")] == ["part-00000.jsonl.gz"]


def test_an_existing_run_keeps_its_form(tmp_path, expected):
    write(tmp_path, [record(1)], expected)
    write(tmp_path, [record(2)], 0 if expected else 10_000_000)
    assert read(tmp_path) == [record(1), record(2)]
    assert (tmp_path / "numbers").exists() == bool(expected)


def test_records_are_read_by_key_condition_order_and_page(tmp_path, expected):
    write(tmp_path, [record(number, value=number % 3) for number in range(10)], expected)
    with RecordStore.open(tmp_path, NUMBERS) as store:
        assert (len(store), store.count("value = ?", (1,))) == (10, 3)
        assert store.get("p4") == json.loads(store.raw("p4")) == record(4, 1)
        assert store.get("p10") is None
        assert [key in store for key in ("p9", "p10")] == [True, False]
        assert [one["id"] for one in store.records(where="value = ?", parameters=(2,))] == ["p2", "p5", "p8"]
        page = store.records(order="value DESC, position DESC", limit=2, offset=1)
        assert [one["id"] for one in page] == ["p5", "p2"]
        assert list(store.rows(("value", "count(*)"), group="value", order="value")) == [(0, 4), (1, 3), (2, 3)]
        assert list(store.keys()) == [f"p{number}" for number in range(10)]


def test_a_record_that_is_stored_again_replaces_the_first_at_its_place(tmp_path, expected):
    write(tmp_path, [record(1), record(2), record(1, value=5)], expected)
    assert read(tmp_path) == [record(1, value=5), record(2)]
    assert len(lines_of(tmp_path)) == 3
    write(tmp_path, [], expected, order=["p1", "p2"])
    assert [json.loads(line) for line in lines_of(tmp_path)] == [record(1, value=5), record(2)]


def test_a_finished_run_has_its_files_in_the_order_of_its_jobs_in_either_form(tmp_path, expected):
    done = [7, 2, 0, 1, 3, 4, 8, 6, 5, 9]
    write(tmp_path, map(record, done), expected, order=[f"p{number}" for number in range(12)])
    assert [json.loads(line) for line in lines_of(tmp_path)] == [record(number) for number in range(10)]
    (tmp_path / "numbers/index.sqlite").unlink(missing_ok=True)
    assert read(tmp_path) == [record(number) for number in range(10)]


def test_finishing_a_finished_run_writes_nothing(tmp_path, expected):
    order = [f"p{number}" for number in range(8)]
    write(tmp_path, map(record, range(8)), expected, order=order)
    before = {file: file.stat() for file in NUMBERS.files(tmp_path)}
    write(tmp_path, [], expected, order=order)
    assert {file: file.stat() for file in NUMBERS.files(tmp_path)} == before


def test_only_parts_from_the_first_out_of_order_are_rewritten(tmp_path, monkeypatch):
    monkeypatch.setattr(record_files, "PART_RECORDS", 3)
    write(tmp_path, map(record, [0, 1, 2, 4, 3, 5, 6]), 10_000_000, order=[f"p{number}" for number in range(7)])
    assert [file.name for file in NUMBERS.files(tmp_path)] == [f"part-0000{number}.jsonl.gz" for number in (0, 3, 4)]


def test_records_of_other_keys_are_left_out_of_a_finished_run(tmp_path, expected):
    write(tmp_path, map(record, range(5)), expected, order=["p3", "p1"])
    assert read(tmp_path) == [record(3), record(1)]
    assert len(lines_of(tmp_path)) == 2


def test_a_finished_run_takes_more_records(tmp_path, expected):
    write(tmp_path, map(record, [3, 1, 0, 2]), expected, order=[f"p{number}" for number in range(4)])
    write(tmp_path, map(record, [5, 4]), expected, order=[f"p{number}" for number in range(6)])
    assert read(tmp_path) == [record(number) for number in range(6)]


def test_a_reader_sees_what_a_writer_appends_and_rewrites(tmp_path, expected):
    with RecordStore.open(tmp_path, NUMBERS, write=True, expected=expected) as writer:
        for number in (2, 0, 1, 3):
            writer.append(record(number))
        with RecordStore.open(tmp_path, NUMBERS) as reader:
            assert len(reader) == 4
            writer.append(record(4))
            reader.refresh()
            assert [one["id"] for one in reader.records()] == ["p2", "p0", "p1", "p3", "p4"]
            begun = reader.records()
            assert next(begun) == record(2)
            writer.set_order(f"p{number}" for number in range(5))
            writer.finish()
            assert {one["id"] for one in begun} == {"p0", "p1", "p3", "p4"}
            reader.refresh()
            assert list(reader.records()) == [record(number) for number in range(5)]


def test_an_index_that_is_missing_damaged_or_of_other_columns_is_written_anew(tmp_path):
    write(tmp_path, map(record, range(5)), 10_000_000)
    index = tmp_path / "numbers/index.sqlite"
    for damage in (index.unlink, lambda: index.write_bytes(b"no database"), lambda: _other_columns(index)):
        damage()
        assert read(tmp_path) == [record(number) for number in range(5)]
        assert index.stat().st_size > 1000


def _other_columns(index):
    index.unlink()
    with sqlite3.connect(index) as connection:
        connection.execute("CREATE TABLE records (key TEXT)")


def test_a_reader_without_permission_to_write_needs_no_index(tmp_path):
    write(tmp_path, map(record, range(5)), 10_000_000)
    (tmp_path / "numbers/index.sqlite").unlink()
    # A lock that another process has keeps this one from writing an index, as missing permission does.
    lock = f"import fcntl; file = open({str(tmp_path / '.lock')!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX)"
    code = f"{lock}; print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert read(tmp_path) == [record(number) for number in range(5)]
        assert not (tmp_path / "numbers/index.sqlite").exists()
        other.communicate(b"\n")


def test_a_line_that_is_no_record_names_file_and_line(tmp_path, expected):
    write(tmp_path, map(record, range(5)), expected)
    file = NUMBERS.files(tmp_path)[-1]
    bad = b'{"id": "p9"}\n'
    file.write_bytes(file.read_bytes() + (gzip.compress(bad) if expected else bad))
    with pytest.raises(
        ValueError, match=rf'{file}:{3 if expected else 6}: not a number of this test: "value" is missing'
    ):
        read(tmp_path)


def test_damage_inside_a_part_is_an_error_and_nothing_is_cut(tmp_path, monkeypatch):
    write(tmp_path, map(record, range(5)), 10_000_000)
    [file] = NUMBERS.files(tmp_path)
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 4] = b"\xff\xff\xff\xff"
    file.write_bytes(damaged)
    (tmp_path / "numbers/index.sqlite").unlink()
    with pytest.raises(ValueError, match=r"part-00000.jsonl.gz: not gzip at byte \d+ .*restore the file from a copy"):
        write(tmp_path, [record(6)], 10_000_000)
    assert file.read_bytes() == damaged


def test_both_forms_in_one_folder_are_an_error(tmp_path):
    write(tmp_path, [record(1)], 10_000_000)
    (tmp_path / "numbers.jsonl").write_text("")
    with pytest.raises(ValueError, match="both have records of one run; move one of them away"):
        read(tmp_path)


def test_records_without_a_file_are_an_empty_store(tmp_path):
    assert read(tmp_path) == []
    assert not NUMBERS.exists(tmp_path)
    assert not list(tmp_path.iterdir())


def test_text_with_half_a_surrogate_pair_is_indexed(tmp_path):
    (tmp_path / "numbers.jsonl").write_text('{"id": "p1", "value": 1, "text": "\\ud800"}\n')
    assert read(tmp_path) == [{"id": "p1", "value": 1, "text": "\ud800"}]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 7)),
        st.tuples(st.just("kill"), st.floats(0, 1)),
        st.tuples(st.just("zeros"), st.integers(1, 4096)),
        st.tuples(st.just("open"), st.booleans()),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("finish"), st.permutations(range(8))),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_was_synced_is_read_back_after_any_appends_kills_and_rewrites(tmp_path_factory, expected, steps):
    """`kept` models a store: the lines on disk in order, of which the last of each key counts."""
    folder = tmp_path_factory.mktemp("run")
    kept: list[dict] = []
    positions: dict[str, int] = {}

    def open_store():
        return RecordStore.open(folder, NUMBERS, write=True, expected=expected)

    def whole():
        latest = {one["id"]: one for one in kept}
        first = list(dict.fromkeys(one["id"] for one in kept))
        return [latest[key] for key in sorted(first, key=lambda key: (positions.get(key, 100), first.index(key)))]

    store = open_store()
    for value, (step, what) in enumerate(steps):
        if step == "append":
            store.append(record(what, value))
            kept.append(record(what, value))
        elif step == "finish":
            store.set_order(f"p{number}" for number in what)
            store.finish()
            kept = sorted({one["id"]: one for one in kept}.values(), key=lambda one: what.index(int(one["id"][1:])))
        elif step == "read":
            assert sorted(one["id"] for one in read(folder)) == sorted({one["id"] for one in kept})
        else:
            store.close()
            files = NUMBERS.files(folder)
            if step == "kill" and kept:
                # The last line is torn at any byte.
                last = lines_of(folder)[-1:]
                size = len(gzip_member(last[0])) if expected else len(last[0])
                torn = int(what * size)
                os.truncate(files[-1], files[-1].stat().st_size - size + torn)
                if torn < size - (0 if expected else 1):
                    kept.pop()
            elif step == "zeros" and expected and files:
                with files[-1].open("ab") as file:
                    file.write(bytes(max(8, what)))
            elif step == "open" and what:
                (folder / "numbers/index.sqlite").unlink(missing_ok=True)
            store = open_store()
    assert list(store.records()) == whole()
    store.close()
    assert read(folder) == whole()


def gzip_member(line):
    return record_files._member(line)


def test_an_unfinished_rewrite_loses_and_doubles_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(record_files, "PART_RECORDS", 3)
    order = [f"p{number}" for number in range(10)]
    delete = record_files.Parts.delete
    for crash_at in range(4):
        folder = tmp_path / str(crash_at)
        folder.mkdir()
        left = [crash_at]

        def crash(self, part, left=left):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            delete(self, part)

        monkeypatch.setattr(record_files.Parts, "delete", crash)
        with contextlib.suppress(KeyboardInterrupt):
            write(folder, map(record, [9, 2, 0, 1, 3, 4, 8, 6, 5, 7, 2]), 10_000_000, order=order)
        monkeypatch.setattr(record_files.Parts, "delete", delete)
        assert read(folder) == [record(number) for number in range(10)]
        write(folder, [], 10_000_000, order=order)
        assert [json.loads(line) for line in lines_of(folder)] == [record(number) for number in range(10)]


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_writer_leaves_all_synced_records(tmp_path, form):
    code = (
        "import sys; from pathlib import Path; from test_record_store import NUMBERS, record\n"
        "from storm_calm.agents.runs.record_store import RecordStore\n"
        f"store = RecordStore.open(Path({str(tmp_path)!r}), NUMBERS, write=True, expected={FORMS[form]})\n"
        "for number in range(1000000):\n    store.append(record(number % 50, number)); print(number, flush=True)\n"
    )
    here = Path(__file__).parent
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=here) as writer:
        for line in writer.stdout:
            seen = int(line)
            if seen == 120:
                writer.kill()
    found = {one["id"]: one["value"] for one in read(tmp_path)}
    for number in range(seen - 49, seen + 1):
        assert found[f"p{number % 50}"] >= number
    assert len(found) == 50
