"""`storm benchmarks` lists releases, and `storm eval --release` shows them side by side."""

import json

import pytest

from storm_calm.env.problems.benchmarks import RELEASES
from support.fake_reasoner import workshop


def write(path, *rows):
    path.write_text("".join(json.dumps({"question": text, "answer": label}) + "\n" for text, label in rows))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "industryor.jsonl", *((workshop(hours).question, 3 * hours) for hours in range(10, 14)))
    write(folder / "optimind_industryor.jsonl", (workshop(12).question, 36), (workshop(13).question, 1))
    return folder


def test_the_registry_is_listed(storm):
    lines = storm("benchmarks").stdout.splitlines()
    assert lines[0].split() == ["test", "set", "release", "file", "problems", "licence", "source"]
    (line,) = [line for line in lines if "optimind_cleaned_classified_industryor.csv" in line]
    assert line.split()[:2] == ["industryor", "optimind"]
    assert line.split()[3:] == ["99", "MIT", "github.com/microsoft/OptiGuide"]
    listed = json.loads(storm("benchmarks", "--json").stdout)
    assert len(listed) == len(RELEASES)
    assert {"benchmark", "name", "sha256", "hub", "split", "licence"} <= listed[0].keys()


def test_the_files_in_a_folder_are_listed(storm, data):
    shown = storm("benchmarks", "data").stdout
    assert "industryor  original  no            industryor.jsonl" in shown
    assert "industryor  optimind  no            optimind_industryor.jsonl" in shown
    assert '"no": the SHA-256 is not that of a published file' in shown
    (first, _) = json.loads(storm("benchmarks", "data", "--json").stdout)
    assert (first["benchmark"], first["release"], first["path"]) == ("industryor", "original", "data/industryor.jsonl")
    (data / "empty").mkdir()
    assert storm("benchmarks", "data/empty").stdout.startswith("data/empty: no file of a test set")
    missing = storm("benchmarks", "nowhere")
    assert (missing.exit_code, missing.stderr) == (2, "storm: nowhere: No such file or directory\n")


@pytest.mark.slow
def test_releases_are_shown_side_by_side(storm, endpoint, data):
    settings = ("--benchmark", "industryor", "--data-dir", "data", "--release", "original,optimind")
    plan = storm("eval", *settings, "--dry-run").stdout
    assert "industryor: release optimind, optimind_industryor.jsonl (not a known published file)" in plan
    planned = json.loads(storm("eval", *settings, "--dry-run", "--json").stdout)["releases"]
    assert [one["release"] for one in planned] == ["original", "optimind"]
    run = ("--reasoner", endpoint.url, "--minimum-isolation", "limits", "--display", "none", "--out", "out")
    result = storm("eval", *settings, *run)
    assert result.exit_code == 0
    assert max(len(line.rstrip()) for line in result.stdout.splitlines()) <= 60
    shown = " ".join(result.stdout.split())
    assert "labels of industryor matched differ paper 95 % original" in shown
    assert "original 4 0 25.0 %" in shown
    assert "optimind 2 1 50.0 % 9-91 50.0 %" in shown
    assert "optimind: no label for 2 of the questions; 0 questions are not in original" in shown
    again = storm("eval", "--out", "out", "--resume", "--rule", "paper,orlm", "--display", "none")
    assert "labels of industryor matched differ paper orlm" in " ".join(again.stdout.split())
    alone = storm("eval", "--out", "out", "--resume", "--release", "original", "--display", "none")
    assert "labels of" not in alone.stdout
