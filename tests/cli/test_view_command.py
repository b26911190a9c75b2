"""`storm view`: a page in a file, or a server."""

import shutil
import signal
import subprocess
import sys

import httpx
import pytest

STORM = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a curation."""
    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate

    folder = tmp_path_factory.mktemp("runs") / "first"
    curate(CurateConfig(families=("knapsack",), limit=2, seed=5), folder)
    return folder


def test_view_writes_a_page_and_prints_its_path_and_size(storm, made):
    for _ in range(2):
        result = storm("view", made)
        assert result.exit_code == 0
        report = made / "report.html"
        assert result.stdout.startswith(f"{report}: 2 problems, {report.stat().st_size / 1000:.0f} kB; open it")
        assert "not finished" not in result.stdout
    assert result.stdout.endswith("open it in a browser. It replaces the earlier report\n")


def test_out_never_overwrites_a_file_that_is_not_a_page(storm, made, tmp_path):
    assert storm("view", made, "--out", "page.html").exit_code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    (tmp_path / "notes.html").write_text("mine")
    result = storm("view", made, "--out", "notes.html")
    assert (result.exit_code, result.stderr) == (
        2,
        "storm: notes.html: exists and is not a report of storm view; choose another --out\n",
    )
    assert (tmp_path / "notes.html").read_text() == "mine"


def test_view_reports_an_unfinished_run(storm, made, tmp_path):
    shutil.copytree(made, tmp_path / "going")
    (tmp_path / "going" / "summary.json").unlink()
    result = storm("view", "going")
    assert result.exit_code == 0
    assert "The run is not finished" in result.stdout


def test_two_runs_are_compared_in_one_page(storm, made, tmp_path):
    shutil.copytree(made, tmp_path / "second")
    result = storm("view", made, "--compare", "second", "--out", "page.html")
    assert result.exit_code == 0
    assert result.stdout.startswith("page.html: 2 problems")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nix"], "nix: no such folder; give the --out of"),
        (["."], "contains none of episodes.jsonl, samples.jsonl, nor config.yaml of a GRPO run"),
        (["{run}", "--port", "8000"], "--port needs --serve"),
        (["{run}", "--serve", "--out", "x.html"], "--serve writes no file"),
        (["{run}", "--out", "."], "is a folder"),
        (["{run}", "--compare", "{run}"], "is compared with itself; give another run"),
        (["{run}", "--compare", "nix"], "nix: no such folder"),
        (["{run}", "--compare", "{run}", "--serve"], "--serve shows one run"),
    ],
)
def test_bad_arguments_are_one_line_errors(storm, made, arguments, words):
    result = storm("view", *(one.format(run=made) for one in arguments))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_help_states_the_purpose_and_ends_with_an_example(storm):
    result = storm("view", "--help").stdout
    assert "Show a run folder as a web page" in " ".join(result.split())
    assert result.rstrip().endswith("storm view runs/base --compare runs/tuned")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_server_prints_its_url_and_stops_silently(made, ending):
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
