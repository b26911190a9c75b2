"""One generation is scored under the labels of several releases, on the questions that they share."""

import json
from dataclasses import replace

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import results_to_json
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.env import write_problems
from support.fake_reasoner import FakeReasoner, direct, workshop

pytestmark = pytest.mark.slow


def write(path, *rows):
    path.write_text("".join(json.dumps({"question": text, "answer": label}) + "\n" for text, label in rows))


def question(hours):
    return workshop(hours).question


@pytest.fixture
def config(tmp_path):
    """Four questions with right labels; OptiMind's file has two of them, with one other label, and a new question."""
    data = tmp_path / "data"
    data.mkdir()
    write(data / "industryor.jsonl", *((question(hours), 3 * hours) for hours in range(10, 14)))
    rows = [(f"  {question(10)}", "30.0"), (question(11).replace(".", " .\n"), "[34, 35]"), (question(50), 150)]
    write(data / "optimind_industryor.jsonl", *rows)
    return EvalConfig(benchmark=("industryor",), data_dir=str(data), minimum_isolation="limits")


def results_in(out):
    return json.loads((out / "results.json").read_text())


def test_releases_are_scored_from_one_generation(config, tmp_path):
    config = replace(config, release=("original", "optimind"), rule=("paper", "orlm"))
    results = results_to_json(evaluate(config, tmp_path / "out", reasoner=FakeReasoner(direct)))
    assert (results["problems"], results["scored"]) == (4, 4)
    scores = results["by_release"]["industryor"]
    assert list(scores) == ["original", "optimind"]
    counts = ("matched", "unmatched_problems", "unmatched_rows", "differing_labels", "problems")
    assert [scores["original"][name] for name in counts] == [4, 0, 0, 0, 4]
    assert [scores["optimind"][name] for name in counts] == [2, 2, 1, 1, 2]
    assert scores["original"]["paper"] == scores["original"]["first"]["paper"] == results["rules"]["paper"]["pass@1"]
    assert (scores["optimind"]["paper"]["mean"], scores["optimind"]["first"]["paper"]["mean"]) == (0.5, 1.0)
    assert scores["optimind"]["orlm"]["mean"] == 1.0
    files = [(one["release"], one["file"], one["published"], one["problems"]) for one in results["releases"]]
    assert files == [("original", "industryor.jsonl", False, 4), ("optimind", "optimind_industryor.jsonl", False, 3)]
    assert [scores[one["release"]]["sha256"] for one in results["releases"]] == [
        one["sha256"] for one in results["releases"]
    ]
    assert results_in(tmp_path / "out") == results


def test_the_release_may_change_on_resume(config, tmp_path):
    evaluate(config, tmp_path / "out", reasoner=FakeReasoner(direct))
    before = results_in(tmp_path / "out")
    assert "by_release" not in before
    assert [one["release"] for one in before["releases"]] == ["original"]
    kept = (tmp_path / "out" / "samples.jsonl").read_bytes()
    both = replace(config, release=("original", "optimind"))
    results = evaluate(both, tmp_path / "out", resume=True)
    assert results.by_release["industryor"]["optimind"].matched == 2
    assert results.rules["paper"]["pass@1"].mean == before["rules"]["paper"]["pass@1"]["mean"]
    assert (tmp_path / "out" / "samples.jsonl").read_bytes() == kept
    with pytest.raises(ValueError, match="other questions than those of the release optimind; give their"):
        evaluate(replace(config, release=("optimind",)), tmp_path / "out", resume=True)


def test_a_run_from_before_releases_is_resumed(config, tmp_path):
    evaluate(config, tmp_path / "out", reasoner=FakeReasoner(direct))
    file = tmp_path / "out" / "config.toml"
    old = "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("release ="))
    file.write_text(old)
    results = evaluate(replace(config, release=("original", "optimind")), tmp_path / "out", resume=True)
    assert list(results.by_release["industryor"]) == ["original", "optimind"]


def test_a_single_release_can_be_chosen(config, tmp_path):
    results = evaluate(replace(config, release=("optimind",)), tmp_path / "out", reasoner=FakeReasoner(direct))
    assert (results.problems, results.by_release) == (3, {})
    assert [(one.release, one.published) for one in results.releases] == [("optimind", False)]


def test_results_of_other_problems_have_no_releases(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(10)])
    config = EvalConfig(problems=str(tmp_path / "problems.jsonl"), minimum_isolation="limits")
    results = results_to_json(evaluate(config, tmp_path / "out", reasoner=FakeReasoner(direct)))
    assert not {"releases", "by_release"} & results.keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"families": ("all",), "release": ("sirl",)}, "release: needs --benchmark"),
        ({"benchmark": ("nl4opt",), "release": ("v2",)}, 'release: "v2" is unknown. Known: original, optimind, sirl'),
    ],
)
def test_an_invalid_release_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        EvalConfig(**settings)
