"""Problems with files and a checked plan are curated, resumed and stored like any problem."""

import json

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import read_records
from storm_calm.agents.curation.run_curation import curate
from storm_calm.env import checkers, read_episodes, read_problems
from support.bag_workspace import write_bag

pytestmark = pytest.mark.slow


@pytest.fixture
def curated(tmp_path):
    """Return a function that writes the bag's workspace and curates it with its reference program."""

    def run(*, resume=False, out="out", **bag):
        problems = write_bag(tmp_path, **bag)
        config = CurateConfig(problems=str(problems), reasoner=f"replay:{tmp_path / 'references'}")
        return curate(config, tmp_path / out, resume=resume)

    return run


def test_a_checked_plan_is_golden(curated, tmp_path):
    summary = curated()
    assert (summary.golden, summary.native_correct) == (1, 1)
    (episode,) = read_episodes(tmp_path / "out" / "golden.jsonl")
    assert (episode.output_check.feasible, episode.output_check.objective) == (True, 6.0)
    assert json.loads(episode.executions[-1].files["plan.json"]) == {"take": ["radio", "camera"]}


@pytest.mark.parametrize(("capacity", "outcome"), [(5, "infeasible_plan"), (3, "suboptimal_plan")])
def test_a_wrong_plan_is_discarded_with_the_reason(curated, capacity, outcome):
    summary = curated(capacity=capacity)
    assert (summary.golden, summary.discarded) == (0, {outcome: 1})


def test_a_problem_whose_checker_failed_is_repeated_on_resume(curated, tmp_path, monkeypatch):
    def unreadable(*_):
        raise ValueError("its last line is lost")

    with monkeypatch.context() as patched:
        patched.setattr(checkers, "read_result", unreadable)
        assert curated().golden == 0
    (record,) = read_records(tmp_path / "out" / "episodes.jsonl")
    assert (record.outcome, record.failed) == ("checker", True)
    assert curated(resume=True).golden == 1


def test_changed_data_cannot_be_mixed_with_earlier_results(curated, tmp_path):
    curated()
    folder = tmp_path
    write_bag(folder)
    (folder / "items.csv").write_text("item,value_eur,weight_kg\nradio,9,1\n")
    config = CurateConfig(problems=str(folder / "problems.jsonl"), reasoner=f"replay:{folder / 'references'}")
    with pytest.raises(ValueError, match="problems"):
        curate(config, folder / "out", resume=True)


def test_a_run_can_be_resumed_after_the_folder_of_the_problems_moved(curated, tmp_path):
    curated()
    moved = tmp_path / "moved"
    moved.mkdir()
    problems = write_bag(moved)
    config = CurateConfig(problems=str(problems), reasoner=f"replay:{tmp_path / 'references'}")
    assert curate(config, tmp_path / "out", resume=True).golden == 1
    assert read_problems(problems)[0].folder == str(moved)
