"""A run is judged with the published requests; judgments are stored one by one and never repeated."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import work_out
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.judge.config import JudgeConfig
from storm_calm.agents.judge.judged_results import exact_results_of
from storm_calm.agents.judge.judged_sample import read_judged
from storm_calm.agents.judge.run_judge import judge, plan, read_explained
from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.worker_pool import TooManyFailuresError
from storm_calm.env import Episode, ReasonerError
from storm_calm.env.problems.benchmarks import load_benchmarks
from support.explain_set import Explainer, explanation, good, numeric, rubric, usual, vague
from support.fake_intervener_server import TRANSIENT_FAULTS
from support.fake_judge_server import REPLY_KINDS, FakeJudgeServer
from support.fake_reasoner import workshop

pytestmark = pytest.mark.slow

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture
def config(explain_set):
    return JudgeConfig(rubric=str(explain_set), url="http://127.0.0.1:9/v1", workers=2)


def judged_by(server, config, run, **changes):
    return judge(replace(config, url=server.url, **changes), run)


def first(kind):
    """Return a schedule with this kind of reply first, then good replies."""
    return lambda look: kind if look.replies == 0 else None


def test_each_explanation_is_judged_and_scored(config, explained):
    run = explained()
    with FakeJudgeServer() as server:
        results = judged_by(server, config, run, price="1,10")
    assert (results.judge_model, results.replied_by, results.reasoner) == ("judge", ("judge-1",), "nano")
    assert (results.rubrics, results.problems, results.judged, results.empty, results.errors) == (3, 3, 3, 0, 0)
    # Two explanations have all entities and the criterion, the third has nothing.
    scores = {one.id: one.points.score for one in results.scores}
    assert scores == {"or_space_001_explain": 88.5, "or_space_002_explain": 11.0, "or_space_003_explain": 88.5}
    assert results.points["score"].mean == pytest.approx(188 / 3)
    assert results.points["exact_coverage"].mean == pytest.approx(70 / 3)
    assert results.points["hallucination_penalty"].mean == pytest.approx(4 / 3)
    assert results.points["score"].low < 62 < results.points["score"].high
    assert results.shares["entities"].mean == results.shares["criteria"].mean == pytest.approx(2 / 3)
    assert {name: group.problems for name, group in results.by_dimension.items()} == {
        "Comparing plans": 1, "Reading duals": 2,
    }  # fmt: skip
    assert (results.cost.calls, results.cost.input_tokens) == (3, server.input_tokens)
    assert results.cost.price == pytest.approx(server.input_tokens / 1e6 + server.output_tokens * 10 / 1e6)
    written = json.loads((run / "judged.json").read_text())
    jsonschema.validate(written, json.loads((SCHEMAS / "evaluation-judged.json").read_text()))
    assert written["points"]["score"]["mean"] == pytest.approx(188 / 3, abs=1e-6)


def test_the_input_has_the_explanation_its_checklist_and_all_files(config, explained):
    run = explained(role=good)
    with FakeJudgeServer() as server:
        judged_by(server, config, run)
    given = {data["instance_id"]: data for data in (json.loads(one[1]["content"]) for one in server.prompts)}
    data = given["OR_explain_002"]
    assert list(data) == sorted(data)
    assert data["answer"] == explanation(12)
    assert data["checklist"] == rubric(2, 12)["checklist"]
    assert data["question"] == rubric(2, 12)["question"]
    assert data["exact_match_results"][2] == {"criterion_id": "c3", "entity_id": "c3.e1", "entity": "600", "hit": 1}
    assert [one["path"] for one in data["verified_evidence"]] == [
        f"{version}/{name}"
        for version in ("original", "revised")
        for name in ("data/workshop.csv", "docs/business_requirement.md", "logs/solver_output.log")
    ]
    assert data["verified_evidence"][4]["content"].endswith("There are 12 hours.\n")
    assert "expected_short_answer" not in json.dumps(given)


def test_judgments_are_not_repeated_unless_their_request_changes(config, explained, explain_set):
    run = explained(samples=2)
    with FakeJudgeServer() as server:
        before = judged_by(server, config, run)
        assert (before.judged, before.problems, server.answered) == (6, 3, 6)
        assert judged_by(server, config, run) == before
        assert server.answered == 6
        other = judged_by(server, config, run, model="another")
        assert (other.judge_model, server.answered) == ("another", 12)
        assert judged_by(server, config, run) == before
        assert server.answered == 12, "the judgments of the first judge are still there"
        path = explain_set / "evaluation" / "explain_evaluation" / "rubrics.jsonl"
        path.write_text(path.read_text().replace("Has the gain", "Has the whole gain", 1))
        again = judged_by(server, config, run)
        assert (again.judged, server.answered) == (6, 14)
    lines = [json.loads(line) for line in (run / "judgments.jsonl").read_text().splitlines()]
    assert len(lines) == 14
    assert {line["judge_model"] for line in lines} == {"judge", "another"}
    assert len({line["request"] for line in lines if line["judge_model"] == "judge"}) < 8


def test_a_killed_judge_is_resumed_with_the_samples_that_are_left(config, explained):
    run = explained()
    with FakeJudgeServer() as server:
        whole = judged_by(server, config, run)
        lines = (run / "judgments.jsonl").read_text().splitlines(keepends=True)
        (run / "judgments.jsonl").write_text(lines[0] + lines[1][:50])
        (run / "judged.json").unlink()
        resumed = judged_by(server, config, run)
        assert server.answered == 5
    assert replace(resumed, cost=whole.cost) == whole
    assert len(read_judged(run / "judgments.jsonl")) == 3


@pytest.mark.parametrize("kind", [kind for kind, fault in REPLY_KINDS.items() if fault])
def test_an_invalid_reply_is_corrected_in_the_same_conversation(config, explained, kind):
    run = explained(limit=1)
    with FakeJudgeServer(first(kind)) as server:
        results = judged_by(server, config, run)
    assert (results.points["score"].mean, results.corrected, results.cost.calls) == (88.5, 1, 2)
    assert list(server.caused) == [REPLY_KINDS[kind]]
    asked, again = server.prompts
    assert again[: len(asked)] == asked
    assert [message["role"] for message in again[len(asked) :]] == ["assistant", "user"]
    assert again[-1]["content"].startswith("This is not a judgment: ")
    if kind == "half":
        assert "cut at the token limit" in again[-1]["content"]


@pytest.mark.parametrize("kind", [kind for kind, fault in REPLY_KINDS.items() if not fault])
def test_fences_and_thoughts_are_accepted(config, explained, kind):
    with FakeJudgeServer(lambda look: kind) as server:
        results = judged_by(server, config, explained(limit=1))
    assert (results.points["score"].mean, results.corrected) == (88.5, 0)


def test_a_judge_without_a_valid_reply_is_an_error_of_its_sample_only(config, explained):
    run = explained()
    with FakeJudgeServer(lambda look: "prose" if "12 hours" in look.given["question"] else None) as server:
        results = judged_by(server, config, run)
        assert (results.judged, results.errors, results.points["score"].mean) == (2, 1, 88.5)
        assert sum(server.requests.values()) == 5
        server.schedule = lambda look: None
        assert judged_by(server, config, run).judged == 3


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS)
def test_a_transient_failure_is_retried(config, explained, fault):
    with FakeJudgeServer(lambda look: fault) as server:
        results = judged_by(server, config, explained(limit=1))
    assert (results.judged, results.corrected, results.cost.calls) == (1, 0, 1)
    assert sum(server.requests.values()) == 2


def test_a_judge_that_fails_again_and_again_stops_the_run(config, explained):
    run = explained(samples=2)
    with FakeJudgeServer(lambda look: "too long") as server:
        with pytest.raises(
            TooManyFailuresError, match=r"5 problems failed.*the request on or_space_\d+_explain is reject"
        ):
            judged_by(server, config, run)
        assert not (run / "judged.json").exists()
        server.schedule = lambda look: None
        assert judged_by(server, config, run).judged == 6


def test_the_key_is_in_no_file_and_no_message(config, explained, monkeypatch):
    run = explained(limit=1)
    monkeypatch.setenv("STORM_JUDGE_KEY", "sk-very-secret")
    with FakeJudgeServer(wanted_key="sk-very-secret") as server:
        judged_by(server, config, run)
    assert not any("secret" in file.read_text() for file in run.rglob("*") if file.is_file())
    with (
        FakeJudgeServer(wanted_key="another") as server,
        pytest.raises(ReasonerError, match=r"the judge: .* answered 401.*Set STORM_JUDGE_KEY") as error,
    ):
        judged_by(server, config, run)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("refused", [("json_object",), ("temperature",), ("max_tokens",), ("stream_options",)])
def test_parameters_that_an_endpoint_rejects_are_left_out(config, explained, refused):
    with FakeJudgeServer(refuses=refused) as server:
        assert judged_by(server, config, explained(limit=1)).judged == 1


def test_a_trajectory_without_an_explanation_has_0_points_and_no_request(config, explained):
    run = explained(role=lambda *situation: "\\boxed{done}")
    with FakeJudgeServer() as server:
        results = judged_by(server, config, run)
        assert server.answered == 0
    assert (results.judged, results.empty, results.points["score"].mean, results.cost.calls) == (3, 3, 0.0, 0)
    assert results.replied_by == ()


def test_a_boxed_number_is_judged_like_any_text(config, explained):
    with FakeJudgeServer() as server:
        results = judged_by(server, config, explained(role=numeric, limit=1))
        (prompt,) = server.prompts
    assert json.loads(prompt[1]["content"])["answer"] == "The answer is \\boxed{3}."
    assert results.points["score"].mean == 11.0


def test_the_exact_part_needs_no_judge(config, explained):
    found = exact_results_of(read_explained(config, explained()))
    assert (found.problems, found.samples, found.empty) == (3, 3, 0)
    assert found.entities.mean == found.all_found.mean == pytest.approx(2 / 3)


def test_a_plan_has_the_sizes_of_the_requests(config, explained):
    found = plan(replace(config, price="1,2"), explained(role=vague, samples=2))
    assert (found.samples, found.empty, found.other, found.output_tokens) == (6, 0, 0, 24_000)
    assert found.input_tokens > 6 * 300
    assert found.price == pytest.approx(found.input_tokens / 1e6 + 24_000 * 2 / 1e6)


def test_changed_evidence_is_an_error(config, explained, explain_set):
    run = explained(limit=1)
    file = explain_set / "Workspace_OR" / "explain_workspaces" / "instance_1" / "revised" / "data" / "workshop.csv"
    file.write_text("name,value\nmax_hours,99\n")
    with pytest.raises(ValueError, match=r"workshop.csv: has changed since the problem was written"):
        plan(config, run)


def test_another_question_or_a_missing_rubric_is_an_error(config, explained, explain_set):
    run = explained(limit=1)
    path = explain_set / "evaluation" / "explain_evaluation" / "rubrics.jsonl"
    path.write_text(json.dumps(rubric(1, 99)) + "\n")
    with pytest.raises(ValueError, match=r"another question for or_space_001_explain; give the rubrics of the release"):
        plan(config, run)
    path.write_text(json.dumps(rubric(2, 12)) + "\n")
    with pytest.raises(ValueError, match=r"no rubric for or_space_001_explain"):
        plan(config, run)


def test_a_folder_without_samples_is_an_error(config, tmp_path):
    with pytest.raises(ValueError, match=r"no samples.jsonl in it; give the --out of a storm eval"):
        plan(config, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rubric": ""}, "rubric: give the folder of OR-Space"),
        ({"url": "localhost"}, 'url: "localhost" is not a URL'),
        ({"url": "http://me:secret@host/v1"}, "url: has a user name or password; leave it out and set STORM_JUDGE_KEY"),
        ({"price": "free"}, 'price: "free" is not two prices'),
        ({"workers": 0}, "workers: 0 is not a whole number of at least 1"),
    ],
)
def test_invalid_settings_are_errors(settings, message):
    with pytest.raises(OptionError) as error:
        JudgeConfig(**{"rubric": "there", **settings})
    assert str(error.value).startswith(message)
    assert "secret" not in str(error.value)


def test_scored_test_sets_in_the_same_run_need_no_judge(config, explain_set, tmp_path):
    row = {"en_question": workshop(12).question, "en_answer": 36}
    (explain_set / "NL4OPT.jsonl").write_text(json.dumps(row) + "\n")
    sets = EvalConfig(benchmark=("nl4opt", "or_space_explain"), data_dir=str(explain_set), minimum_isolation="limits")
    results = evaluate(sets, tmp_path / "run", reasoner=Explainer(usual))
    assert (results.scored, results.needs_judge, results.rules["paper"]["pass@1"].mean) == (1, 3, 0.0)
    assert [*results.groups["by_benchmark"]] == [*results.by_release, "nl4opt"] == ["nl4opt"]
    assert sum(group.problems for group in results.by_verdict.values()) <= 1
    found = plan(config, tmp_path / "run")
    assert (found.samples, found.other) == (3, 1)


def test_a_failed_sandbox_is_no_explanation_and_no_score(explain_set):
    (problem, *_) = load_benchmarks(["or_space_explain"], explain_set).problems
    failed = Sample(sample=0, seed=1, temperature=0.0, episode=Episode(problem=problem, stop="infrastructure"))
    sets = EvalConfig(benchmark=("or_space_explain",), data_dir=str(explain_set))
    results = work_out(sets, [problem], [failed])
    assert (results.scored, results.needs_judge, results.infrastructure) == (0, 0, 1)
