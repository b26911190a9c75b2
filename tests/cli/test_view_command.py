"""`storm view`, as somebody types it."""

import shutil
import signal
import subprocess
import sys

import httpx
import pytest

STORM = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a curation."""
    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate

    folder = tmp_path_factory.mktemp("runs") / "first"
    curate(CurateConfig(families=("knapsack",), limit=2, seed=5), folder)
    return folder


def test_a_run_becomes_a_page_in_its_folder_and_is_told_where_and_how_large(storm, made):
    for _ in range(2):
        told = storm("view", made)
        assert told.exit_code == 0
        report = made / "report.html"
        assert told.stdout.startswith(f"{report}: 2 problems, {report.stat().st_size / 1000:.0f} kB; open it")
        assert "not finished" not in told.stdout


def test_a_page_may_go_elsewhere_and_takes_the_place_of_no_other_file(storm, made, tmp_path):
    assert storm("view", made, "--out", "page.html").exit_code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    (tmp_path / "notes.html").write_text("mine")
    told = storm("view", made, "--out", "notes.html")
    assert (told.exit_code, told.stderr) == (
        2,
        "storm: notes.html: exists and is not a report of storm view; choose another --out\n",
    )
    assert (tmp_path / "notes.html").read_text() == "mine"


def test_a_run_that_is_not_finished_is_told_so(storm, made, tmp_path):
    shutil.copytree(made, tmp_path / "going")
    (tmp_path / "going" / "summary.json").unlink()
    told = storm("view", "going")
    assert told.exit_code == 0
    assert "The run is not finished" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nix"], "nix: no such folder; give the --out of"),
        (["."], "neither episodes.jsonl nor samples.jsonl"),
        (["{run}", "--port", "8000"], "--port needs --serve"),
        (["{run}", "--serve", "--out", "x.html"], "--serve writes no file"),
        (["{run}", "--out", "."], "is a folder"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_what_to_give(storm, made, arguments, words):
    told = storm("view", *(one.format(run=made) for one in arguments))
    assert told.exit_code == 2
    assert told.stderr.count("\n") == 1
    assert words in told.stderr


def test_help_says_what_it_is_for_and_ends_with_two_examples(storm):
    told = storm("view", "--help").stdout
    assert "Show a run folder as a web page" in " ".join(told.split())
    assert told.rstrip().endswith("storm view runs/first --serve")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_server_tells_its_address_and_ends_without_a_word(made, ending):
    command = [*STORM, "view", str(made), "--serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        assert line.startswith(f"storm: {made} at http://127.0.0.1:")
        address = line.split(" at ")[1].partition(",")[0]
        assert "<title>first</title>" in httpx.get(address).text
        assert len(httpx.get(f"{address}rows?have=0").json()["rows"]) == 2
        process.send_signal(ending)
        out, error = process.communicate(timeout=20)
    assert (out, error) == ("", "")
    assert process.returncode == (0 if ending == signal.SIGINT else -signal.SIGTERM)
