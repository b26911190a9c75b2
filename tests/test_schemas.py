"""The JSON Schemas in docs/schemas, and the page made from them, match the files that the code writes."""

import runpy
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from storm_calm.agents.curation.records import Record, record_to_json
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import GROUPINGS, results_to_json, work_out
from storm_calm.agents.evaluation.samples import Sample, sample_to_json
from storm_calm.agents.interveners import Cost
from storm_calm.agents.judge.judged_sample import JudgedSample, judged_to_json
from storm_calm.agents.judge.judgment import MAXIMA, Decision, JudgedScore
from storm_calm.agents.runs.rollout_record import Rollout, RolloutRecord, rollout_to_json
from storm_calm.env import RULES, Episode, Problem, Score, Span, Transcript
from storm_calm.env.output_check import OutputCheck
from storm_calm.env.problem import Checker, Output
from storm_calm.env.problems.stress.stress_groups import GROUPS, SOURCE
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


def test_the_page_of_file_formats_is_up_to_date():
    assert MAKE["PAGE"].read_text(encoding="utf-8") == MAKE["page"](), "run python docs/schemas/make.py"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("curation-golden.jsonl", episode_to_json(EPISODE)),
        (
            "curation-episodes.jsonl",
            record_to_json(Record(seed=1, outcome="infrastructure", finding=None, episode=EPISODE, native=EPISODE)),
        ),
        (
            "training-rollouts.jsonl",
            rollout_to_json(
                RolloutRecord(
                    step=1,
                    group="a",
                    session=0,
                    score=Score(reward=1.0, answer=None, reason="correct", rule="paper"),
                    reward={"correct": 1.0, "total": 1.0},
                    rollout=Rollout(prompt_ids=[1], response_ids=[2], mask=[1], logprobs=[-0.5]),
                    episode=EPISODE,
                )
            ),
        ),
        ("evaluation-samples.jsonl", sample_to_json(Sample(sample=0, seed=1, temperature=0.0, episode=EPISODE))),
        (
            "evaluation-judgments.jsonl",
            judged_to_json(
                JudgedSample(
                    **dict.fromkeys(MAXIMA, JudgedScore(score=1.5, reason="")),
                    llm_boolean_judgments=(Decision(criterion_id="c1", hit=1, reason=""),),
                    **dict.fromkeys(("instance_id", "id", "judge_model", "judge_prompt_sha256", "request"), "a"),
                    **dict.fromkeys(("repetition", "sample", "replies"), 1),
                    replied_by="",
                    cost=Cost(),
                )
            ),
        ),
    ],
)
def test_written_lines_have_the_fields_of_their_schema(name, line):
    assert line.keys() == SCHEMAS[name]["properties"].keys()
    jsonschema.validate(line, SCHEMAS[name])


def test_results_have_the_fields_of_their_schema():
    group = next(iter(GROUPS))
    problem = replace(
        EPISODE.problem,
        family="kind",
        difficulty="easy",
        source=f"{SOURCE}: {group}",
        outputs=(Output(path="-"),),
        checker=Checker(function="family"),
    )
    transcript = Transcript(spans=(Span(source="prompt", text="Q"), Span(source="model", text="\\boxed{1}")))
    check = OutputCheck(feasible=True, objective=1.0)
    episode = replace(EPISODE, problem=problem, transcript=transcript, stop="answer", output_check=check)
    samples = [Sample(sample=number, seed=1, temperature=0.0, episode=episode) for number in range(2)]
    config = EvalConfig(families=("all",), samples=2, rule=tuple(RULES))
    schema = SCHEMAS["evaluation-results.json"]

    for used in ([], samples):
        results = results_to_json(work_out(config, [problem], used))
        jsonschema.validate(results, schema)
        assert list(results) == [name for name in schema["properties"] if name in results]
    assert results.keys() >= schema["properties"].keys() - {"by_benchmark", "by_variant", "releases", "by_release"}
    optional = {*GROUPINGS, "releases", "by_release", "by_report", "plans"}
    assert optional == schema["properties"].keys() - set(schema["required"])
    assert results["by_report"]["all"]["without_report"].keys() == schema["$defs"]["GroupData"]["properties"].keys()
