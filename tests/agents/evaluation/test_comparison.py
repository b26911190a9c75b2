"""Runs are compared on shared problems, and the plots show the same figures as the table."""

import json
from dataclasses import replace

import pytest

from storm_calm.agents.evaluation.compare_runs import compare
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.plots import draw
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.env import write_problems
from support.fake_reasoner import FakeReasoner, direct, mixed, workshop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that share six of eight problems: one mixed, one always right."""
    folder = tmp_path_factory.mktemp("runs")
    for name, hours, role in (("base", range(10, 18), mixed), ("tuned", range(12, 20), direct)):
        problems = [replace(workshop(one), difficulty=("easy", "complex")[one % 2]) for one in hours]
        write_problems(folder / f"{name}.jsonl", problems)
        config = EvalConfig(problems=str(folder / f"{name}.jsonl"), rule=("paper", "orlm"), minimum_isolation="limits")
        evaluate(config, folder / name, reasoner=FakeReasoner(role))
    return folder


def test_the_difference_is_over_shared_problems(runs):
    found = compare([runs / "base", runs / "tuned"])
    assert ([run.name for run in found.runs], found.rules) == (["base", "tuned"], ("paper", "orlm"))
    (difference,) = found.differences
    assert difference.problems == 6
    gain = difference.rules["paper"]
    assert gain.mean == pytest.approx(4 / 6), "base is right in two of the six, tuned in all"
    assert 0 < gain.low < gain.mean < gain.high <= 1
    back = compare([runs / "tuned", runs / "base"]).differences[0].rules["paper"]
    assert (back.mean, back.low, back.high) == pytest.approx((-gain.mean, -gain.high, -gain.low), abs=1e-9)


def test_problems_with_different_answers_are_not_shared(runs, tmp_path):
    problems = [replace(workshop(hours), answers=(1.0,) if hours == 10 else (3.0 * hours,)) for hours in (10, 11)]
    write_problems(tmp_path / "corrected.jsonl", [replace(problem, difficulty="easy") for problem in problems])
    config = EvalConfig(problems=str(tmp_path / "corrected.jsonl"), minimum_isolation="limits")
    evaluate(config, tmp_path / "corrected", reasoner=FakeReasoner(direct))
    found = compare([runs / "base", tmp_path / "corrected"])
    assert (found.rules, found.differences[0].problems) == (("paper",), 1)


def test_error_for_incomparable_runs_has_the_reason(runs, tmp_path):
    with pytest.raises(ValueError, match="give at least two different runs"):
        compare([runs / "base", runs / "base"])
    with pytest.raises(ValueError, match=r"nowhere: no results\.json in it; give the --out of a storm eval"):
        compare([runs / "base", tmp_path / "nowhere"])
    write_problems(tmp_path / "others.jsonl", [workshop(50)])
    config = EvalConfig(problems=str(tmp_path / "others.jsonl"), rule=("sirl",), minimum_isolation="limits")
    evaluate(config, tmp_path / "others", reasoner=FakeReasoner(direct))
    with pytest.raises(ValueError, match=r"share no scoring rule \(base: paper, orlm; others: sirl\); score one anew"):
        compare([runs / "base", tmp_path / "others"])
    evaluate(replace(config, rule=("paper",)), tmp_path / "others", resume=True)
    with pytest.raises(ValueError, match="base and others share no problem"):
        compare([runs / "base", tmp_path / "others"])
    (tmp_path / "others" / "results.json").write_text("[]")
    with pytest.raises(ValueError, match=r"results\.json: not the results of an evaluation"):
        compare([runs / "base", tmp_path / "others"])


def test_runs_with_the_same_name_are_labelled_by_path(runs, tmp_path):
    problems = [workshop(hours) for hours in range(10, 12)]
    write_problems(tmp_path / "p.jsonl", problems)
    config = EvalConfig(problems=str(tmp_path / "p.jsonl"), minimum_isolation="limits")
    for place in ("a", "b"):
        evaluate(config, tmp_path / place / "eval", reasoner=FakeReasoner(mixed))
    found = compare([tmp_path / "a" / "eval", tmp_path / "b" / "eval"])
    assert [run.name for run in found.runs] == [str(tmp_path / place / "eval") for place in ("a", "b")]
    same = found.differences[0].rules["paper"]
    assert same.low < same.mean == 0 < same.high


def test_plots_have_all_labels_and_are_reproducible(runs, tmp_path):
    pytest.importorskip("matplotlib")
    found = compare([runs / "base", runs / "tuned"])
    pictures = draw(found, tmp_path / "one")
    again = draw(found, tmp_path / "two")
    assert [picture.name for picture in pictures] == ["accuracy.svg", "findings.svg"]
    assert [picture.read_bytes() for picture in pictures] == [picture.read_bytes() for picture in again]
    accuracy, findings = (picture.read_text() for picture in pictures)
    for words in ("base", "tuned", "easy", "complex", "right answers (pass@1, rule paper), %", "difficulty"):
        assert f"<!-- {words} -->" in accuracy
    for words in ("base", "tuned", "manual computation", "implementation drift"):
        assert f"<!-- {words} -->" in findings


def test_an_unfinished_run_can_be_compared(runs, tmp_path):
    lines = (runs / "base" / "samples.jsonl").read_bytes()
    (tmp_path / "going").mkdir()
    (tmp_path / "going" / "samples.jsonl").write_bytes(lines[: len(lines) - 100])
    (tmp_path / "going" / "results.json").write_text((runs / "base" / "results.json").read_text())
    assert compare([runs / "base", tmp_path / "going"]).differences[0].problems == 7
    assert (tmp_path / "going" / "samples.jsonl").stat().st_size == len(lines) - 100, "nothing is written"
    assert json.loads((tmp_path / "going" / "results.json").read_text())["problems"] == 8
