"""Input and result files of a program, and no other files."""

import os
import unicodedata

import pytest

from storm_calm.sandbox import Limits

SECRET = "not for programs"


def test_input_files_are_in_the_programs_folder(sandbox):
    files = {"data.csv": b"a,b\n1,2\n", "deep/er/raw.bin": bytes(range(256)), "ünï": b""}
    code = """
print(open("data.csv").read())
print(open("deep/er/raw.bin", "rb").read() == bytes(range(256)), open("ünï").read() == "")
open("data.csv", "a").write("3,4")
"""
    execution = sandbox.run(code, files=files)
    assert (execution.status, execution.stdout) == ("ok", "a,b\n1,2\n\nTrue True\n")


NAMES = ("data (1).csv", "Größe.csv", "数据.csv", "plan d'été.xlsx", "-x", "😀.csv", "ordner ä/b c.csv", "x" * 255)


def test_input_and_result_files_may_have_any_ordinary_name(sandbox):
    code = f"""
for name in {NAMES!r}:
    open(name).read()
    open(f"{{name[:200]}}.out", "w").write(name)
"""
    results = [f"{name[:200]}.out" for name in NAMES]
    execution = sandbox.run(code, files=dict.fromkeys(NAMES, b"1"), results=results)
    assert (execution.status, execution.stderr) == ("ok", "")
    assert [execution.files[f"{name[:200]}.out"].decode() for name in NAMES] == list(NAMES)


def test_decomposed_names_become_composed(sandbox):
    execution = sandbox.run("print(open('Größe.csv').read())", files={unicodedata.normalize("NFD", "Größe.csv"): b"7"})
    assert execution.stdout == "7\n"


def test_a_session_may_have_files_with_any_ordinary_name(sandbox):
    with sandbox.session() as session:
        execution = session.run(f"print(len([open(name) for name in {NAMES!r}]))", files=dict.fromkeys(NAMES, b""))
        assert execution.stdout == f"{len(NAMES)}\n"


def test_input_files_can_be_imported_and_are_removed_afterwards(sandbox):
    assert sandbox.run("import helper; print(helper.x)", files={"helper.py": b"x = 7"}).stdout == "7\n"
    assert sandbox.run("import helper").status == "error"


def test_result_files_are_returned(sandbox):
    code = """
import os
os.makedirs("out/deep")
open("out/deep/plan.json", "w").write("{}")
open("raw", "wb").write(bytes(range(256)))
open("not asked for", "w").write("x")
"""
    execution = sandbox.run(code, results=["out/deep/plan.json", "raw", "missing", "out", "missing/too"])
    assert execution.files == {"out/deep/plan.json": b"{}", "raw": bytes(range(256))}


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("1 / 0", "error"),
        ("import os; os._exit(3)", "error"),
        ("while True: pass", "timeout"),
        ("while True: print('x' * 9999)", "output_limit"),
    ],
)
def test_result_files_of_a_failed_program_are_returned(sandbox, end, status):
    code = f"open('partial', 'w').write('1,2')\n{end}"
    execution = sandbox.run(code, results=["partial"], limits=Limits(seconds=0.5))
    assert (execution.status, execution.files) == (status, {"partial": b"1,2"})


def test_links_are_not_followed(sandbox, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text(SECRET)
    for folder in (outside, *outside.parents[:3]):
        folder.chmod(0o755)
    code = f"""
import os
os.symlink({str(outside / "secret")!r}, "file")
os.symlink({str(outside)!r}, "folder")
os.symlink("/etc/passwd", "passwd")
os.mkdir("real"); os.symlink({str(outside)!r}, "real/folder")
open("mine", "w").write("x"); os.link("mine", "twice")
os.mkfifo("pipe")
"""
    names = ["file", "folder/secret", "passwd", "real/folder/secret", "twice", "pipe"]
    execution = sandbox.run(code, results=names)
    assert (execution.status, execution.files) == ("ok", {})


def test_result_files_are_limited_in_size(sandbox):
    code = "for name in 'ab': open(name, 'wb').write(bytes(700 << 10))"
    execution = sandbox.run(code, results=["a", "b"], limits=Limits(file_mb=1))
    assert set(execution.files) <= {"a", "b"}
    assert sum(map(len, execution.files.values())) <= 1 << 20


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b", ".", "x" * 2000])
def test_a_path_outside_the_folder_is_an_error(sandbox, name):
    with pytest.raises(ValueError, match="path"):
        sandbox.run("pass", files={name: b""})
    with pytest.raises(ValueError, match="path"):
        sandbox.run("pass", results=[name])


def test_files_must_be_bytes_within_the_size_limit(sandbox):
    with pytest.raises(ValueError, match="'data' is str; give bytes"):
        sandbox.run("pass", files={"data": "text"})
    with pytest.raises(ValueError, match="over the limit of 1 MiB"):
        sandbox.run("pass", files={"data": bytes(2 << 20)}, limits=Limits(file_mb=1))


def test_reading_results_leaks_no_file_descriptors(full):
    full.run("pass", results=["x"])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        full.run("open('x', 'w').write('1')", results=["x", "y"])
    assert len(os.listdir("/proc/self/fd")) == before
