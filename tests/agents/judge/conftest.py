"""A run folder with explanations of a small set."""

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from support.explain_set import Explainer, usual, write_explain_set
from support.shared_sandbox import shared_sandbox

__all__ = ["shared_sandbox"]


@pytest.fixture
def explain_set(tmp_path):
    """Return the folder of a set of three problems."""
    return write_explain_set(tmp_path / "OR-Space")


@pytest.fixture
def explained(explain_set, tmp_path):
    """Return a function that evaluates a role on the set, and returns the run folder."""

    def explained(role=usual, name="run", **settings):
        config = EvalConfig(
            benchmark=("or_space_explain",), data_dir=str(explain_set), minimum_isolation="limits", **settings
        )
        evaluate(config, tmp_path / name, reasoner=Explainer(role))
        return tmp_path / name

    return explained
