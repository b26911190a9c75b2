"""A browser for the report, and runs to report on: a real curation, a real evaluation, and generated ones."""

import copy
import json

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.serving.report import open_run, write_report
from support.browser_pages import browser, expect, page

__all__ = ["browser", "page"]


@pytest.fixture(scope="session")
def curated(tmp_path_factory):
    """Return the folder of a curation by the nano model, with some hints."""
    folder = tmp_path_factory.mktemp("curated") / "first"
    curate(CurateConfig(families=("all",), limit=14, seed=5), folder)
    return folder


@pytest.fixture(scope="session")
def summary(curated):
    """Return its summary."""
    return json.loads((curated / "summary.json").read_text())


@pytest.fixture(scope="session")
def records(curated):
    """Return its records, as in the file."""
    return [json.loads(line) for line in (curated / "episodes.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def hinted(records):
    """Return the records of trajectories with one remaining hint and a solver report."""
    return [
        record
        for record in records
        if len(record["episode"]["interventions"]) == 1 and record["episode"]["executions"][-1]["reports"]
    ]


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """Return the folder of an evaluation of the nano model."""
    folder = tmp_path_factory.mktemp("evaluated") / "figures"
    evaluate(EvalConfig(families=("easy",), limit=6, samples=2, seed=7, reasoner="nano-base"), folder)
    return folder


@pytest.fixture
def made(tmp_path, curated):
    """Return a function that writes the folder of a curation with these records."""

    def made(records, name="made"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.toml").write_text((curated / "config.toml").read_text())
        lines = (json.dumps(record, ensure_ascii=True) + "\n" for record in records)
        (folder / "episodes.jsonl").write_text("".join(lines))
        return folder

    return made


@pytest.fixture
def many(records):
    """Return a function that returns this many records: copies of the real ones under other ids."""

    def many(count):
        for number in range(count):
            record = copy.deepcopy(records[number % len(records)])
            record["id"] = f"made-{number:04}"
            for side in ("episode", "native"):
                record[side]["problem"]["id"] = record["id"]
            yield record

    return many


@pytest.fixture
def look(page, tmp_path):
    """Return a function that opens the report of a folder from disk at a URL fragment. It returns the rendered page."""

    def look(folder, place=""):
        report = write_report(open_run(folder), tmp_path / "report.html")
        # Otherwise a second call changes only the URL, while the first page is still displayed.
        page.goto("about:blank")
        page.goto(f"file://{report.path}{place}")
        expect(page.locator("body[data-ready]")).to_be_visible()
        return page

    return look
