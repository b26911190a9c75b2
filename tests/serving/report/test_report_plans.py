"""The report of problems with files and outputs: what was asked for, and what the check of the plan found."""

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.env import workspace
from support.bag_workspace import write_bag
from support.browser_pages import expect

pytestmark = pytest.mark.slow


@pytest.fixture
def planned(tmp_path):
    """Return a function that evaluates a reference program for a bag of this capacity, and returns the run folder."""

    def run(capacity):
        problems = write_bag(tmp_path, capacity=capacity)
        out = tmp_path / "run"
        evaluate(EvalConfig(problems=str(problems), reasoner=f"replay:{tmp_path / 'references'}"), out)
        return out

    return run


def test_the_violations_of_a_plan_are_shown(look, planned):
    page = look(planned(5), "#/episode/bag%2F0")
    expect(page.locator(".question")).to_contain_text("outputsplan.json")
    expect(page.locator(".question")).to_contain_text("items.csv")
    expect(page.locator(".ending")).to_contain_text("infeasible plan")
    expect(page.locator(".outputs")).to_contain_text("The plan is infeasible, objective value 7.")
    expect(page.locator(".outputs li")).to_have_text("the bag holds 5 kg of 4")


def test_the_gap_of_a_plan_is_shown(look, planned):
    page = look(planned(3), "#/episode/bag%2F0")
    expect(page.locator(".outputs")).to_contain_text("The plan is feasible, objective value 5, gap 16.7 %.")


def test_the_report_can_be_written_when_the_files_are_gone(look, planned):
    out = planned(4)
    (out.parent / "items.csv").unlink()
    workspace._read_all.cache_clear()
    page = look(out, "#/episode/bag%2F0")
    expect(page.locator(".question")).to_contain_text("Data files: items.csv")
