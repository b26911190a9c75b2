"""`storm review`: the page until Ctrl-C, results as text and JSON, the exported table, and one-line errors."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.env import write_problems
from storm_calm.serving.review.review_sample import sampled
from storm_calm.serving.review.reviewer import reviewing
from support.fake_reasoner import FakeReasoner, mixed, workshop

pytestmark = pytest.mark.slow

FINE = {"finding": "yes", "trigger": "yes", "hint": "yes", "lightweight": "yes", "leak": "no"}
HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    """Curate problems with four interventions."""
    folder = tmp_path_factory.mktemp("runs")
    write_problems(folder / "problems.jsonl", [workshop(hours) for hours in range(8, 16)])
    config = CurateConfig(problems=str(folder / "problems.jsonl"), minimum_isolation="limits")
    assert curate(config, folder / "first", reasoner=FakeReasoner(mixed)).interventions == 4
    return folder


@pytest.fixture
def run(curated, tmp_path):
    """Return a copy of that curation, beside its problems."""
    shutil.copytree(curated, tmp_path, dirs_exist_ok=True)
    return tmp_path / "first"


@pytest.fixture
def reviewed(run):
    """Return the curation with a review by two people.

    They disagree about the first intervention and agree that the second one leaks.
    """
    items = sampled(run)
    for name, first in (("ana", "yes"), ("ben", "no")):
        with reviewing(run, name, items) as reviewer:
            reviewer.save(0, {"answers": {**FINE, "finding": first}})
            reviewer.save(1, {"answers": {**FINE, "leak": "yes"}, "comment": "the number"})
            reviewer.save(2, {"answers": {**FINE, "hint": "cannot_say"}})
    return run


def test_the_page_is_served_until_ctrl_c_and_resumes_later(run):
    command = [
        sys.executable,
        "-c",
        "from storm_calm.cli.start import main; main()",
        "review",
        str(run),
        "--reviewer",
        "ana",
    ]
    for number in range(2):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=HOUSE) as process:
            assert process.stderr.readline() == f"storm: {number} of 4 interventions are reviewed by ana\n"
            line = process.stderr.readline()
            url = re.fullmatch(
                r"storm: open (http://127\.0\.0\.1:\d+/[\w-]{20,}/) in a browser; stop with Ctrl-C\n", line
            )[1]
            origin = {"origin": url.rsplit("/", 2)[0]}
            with httpx.Client(base_url=url, headers=origin, timeout=20) as client:
                assert "<title>Review</title>" in client.get("").text
                assert client.put(f"items/{number}", json={"answers": FINE}).json()["reviewed"] == number + 1
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130
            assert process.stderr.read() == (
                f"storm: stopped; all ratings are saved. Resume with: storm review {run} --reviewer ana\n"
            )


def test_review_results_fit_60_columns(storm, reviewed):
    result = storm("review", reviewed, "--results")
    assert (result.exit_code, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 60
    shown = " ".join(result.stdout.split())
    assert "3 of 4 interventions are reviewed, of 4 in the run. By reviewer: ana 3, ben 3." in shown
    assert "of yes 95 % split can't say finding right 3 66.7 % 21-94 1 0" in shown
    assert "hint right 2 100 % 34-100 0 2" in shown
    assert "leaks 3 33.3 % 6-79 0 0" in shown
    # finding: 2 of 3 agree, and ana always answers yes; trigger: only yes; leak: all agree, yes and no.
    assert (
        "agreement of finding trigger hint light leaks ana ben 3 0.00 - - - 1.00 67 % 100 % 100 % 100 % 100 %" in shown
    )
    assert "Rejected: 2 of 3" in shown
    assert "1 of 2 reviewers: finding wrong" in shown
    assert "2 of 2 reviewers: leak" in shown


def test_review_results_as_json_are_a_single_object(storm, reviewed):
    result = storm("review", reviewed, "--results", "--json")
    facts = json.loads(result.stdout)
    assert result.stderr == ""
    assert facts["overall"]["finding"]["n"] == 3
    assert set(facts) == {
        *("sample", "drawn_from", "reviewers", "overall", "by_finder", "by_trigger", "agreement", "rejected"),
    }


def test_ratings_are_exported_to_a_new_file(storm, reviewed, tmp_path):
    result = storm("review", reviewed, "--export", "out.csv")
    assert (result.exit_code, result.stdout) == (0, "out.csv: 6 ratings\n")
    before = (tmp_path / "out.csv").read_text()
    assert before.count("the number") == 2
    again = storm("review", reviewed, "--export", "out.csv")
    assert (again.exit_code, again.stderr) == (2, "storm: out.csv: already exists; choose another file\n")
    assert (tmp_path / "out.csv").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("first",), "give one of --reviewer NAME (review), --results (print) or --export FILE (write)"),
        (("first", "--reviewer", "ana", "--results"), "give one of --reviewer NAME"),
        (("first", "--results", "--sample", "9"), "--sample, --seed and --port need --reviewer NAME"),
        (("first", "--reviewer", "ana", "--json"), "--json needs --results"),
        (("first", "--reviewer", "ana/../ben"), "--reviewer: 'ana/../ben' is not a name of letters"),
        (("first", "--reviewer", "ana", "--sample", "0"), "the sample size is 0; give --sample of at least 1"),
        (("first", "--reviewer", "ana", "--port", "99999"), "--port: 99999 is not a number from 0 to 65535"),
        (("first", "--results"), "first: has no review; start one with storm review first --reviewer NAME"),
        (("first", "--export", "a.csv"), "first: has no review"),
        (("first", "--export", "a.txt"), "a.txt: ratings are written as .csv or .jsonl"),
        (("nowhere", "--reviewer", "ana"), "nowhere: no such folder; give a run folder of storm curate"),
        (("problems.jsonl", "--results"), "problems.jsonl: not a folder"),
        ((".", "--reviewer", "ana"), ".: contains no curation, config.toml is missing"),
    ],
)
def test_bad_usage_is_a_one_line_error_and_writes_no_files(storm, run, arguments, message):
    result = storm("review", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1
    assert not (run / "review").exists()


def test_a_second_sample_and_a_used_port_are_errors(storm, run):
    sampled(run, size=3)
    other = storm("review", run, "--reviewer", "ana", "--sample", 4)
    assert other.exit_code == 2
    assert "drawn with --sample 3 --seed 0, and it is the same for all reviewers; leave out --sample 4" in other.stderr
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = storm("review", run, "--reviewer", "ana", "--port", port)
        assert result.stderr == (
            f"storm: cannot listen at 127.0.0.1:{port}: Address already in use; choose another --port\n"
        )


def test_error_without_the_serve_extra_names_it(storm, run, monkeypatch):
    for name in [*sys.modules]:
        if name == "uvicorn" or name.startswith(("uvicorn.", "storm_calm.serving.review.review_server")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = storm("review", run, "--reviewer", "ana")
    assert result.exit_code == 2
    assert "pip install 'storm-calm[serve]'" in result.stderr
