"""The JSON Schemas in docs/schemas match the files that the code writes."""

import runpy
from pathlib import Path

import pytest

from storm_calm.agents.curation.records import Record, record_to_json
from storm_calm.agents.evaluation.samples import Sample, sample_to_json
from storm_calm.env import Episode, Problem
from storm_calm.env.records import episode_to_json

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
SCHEMAS = MAKE["schemas"]()
EPISODE = Episode(problem=Problem(id="a", question="Q", answers=(1.0,)), stop="infrastructure")


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_up_to_date(name):
    file = FOLDER / f"{name.partition('.')[0]}.json"
    assert file.read_text(encoding="utf-8") == MAKE["text"](SCHEMAS[name]), "run python docs/schemas/make.py"


def test_docs_folder_has_no_other_schemas():
    assert {file.stem for file in FOLDER.glob("*.json")} == {name.partition(".")[0] for name in SCHEMAS}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("curation-golden.jsonl", episode_to_json(EPISODE)),
        (
            "curation-episodes.jsonl",
            record_to_json(Record(seed=1, outcome="infrastructure", finding=None, episode=EPISODE, native=EPISODE)),
        ),
        ("evaluation-samples.jsonl", sample_to_json(Sample(sample=0, seed=1, temperature=0.0, episode=EPISODE))),
    ],
)
def test_written_lines_have_the_fields_of_their_schema(name, line):
    assert line.keys() == SCHEMAS[name]["properties"].keys()
    assert set(SCHEMAS[name]["required"]) <= line.keys()
