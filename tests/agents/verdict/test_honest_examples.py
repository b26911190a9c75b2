"""The problems of the README, the help pages and the examples are solved rightly by nano, with evidence."""

import re
import shlex
from pathlib import Path

import pytest

from storm_calm.agents.interveners.guard import Guard
from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.nano_scope import is_family_question
from storm_calm.agents.verdict import verdict
from storm_calm.cli import main, solve
from storm_calm.env import Problem, SolverEnv, run_episode, score

ROOT = Path(__file__).resolve().parents[3]
CURL = (ROOT / "examples" / "curl.sh").read_text(encoding="utf-8")


def solved_in(help_text):
    """Return the question of the first `storm solve` in a help text."""
    return " ".join(shlex.split(help_text[help_text.index("storm solve") :])[2].split())


DISKS = solved_in(main.HELP)
SHOP = " ".join(re.search(r"^SHOP='(.*?)'", CURL, re.DOTALL | re.MULTILINE)[1].split())
ANSWERS = {DISKS: 3.0, SHOP: 1047.6}
"""The accepted answers: 51 and 24 + 30 and 20 GB on disks of 60 GB; the shop's by the simplex method."""


def test_the_examples_are_about_the_same_problems():
    assert solved_in(solve.EXAMPLES) == DISKS
    places = [ROOT / "docs" / "serving.md", *(ROOT / "examples").glob("*.py"), ROOT / "examples" / "openai_node.mjs"]
    for place in places:
        text = place.read_text(encoding="utf-8")
        if "shelves and stools" in text:
            joined = " ".join(re.sub(r'" \+\n\s*"|"\n\s*"', "", text).split())
            assert SHOP in joined, place


@pytest.mark.parametrize("question", ANSWERS, ids=["help", "examples"])
def test_nano_solves_the_examples_with_evidence(sandbox, question):
    assert is_family_question(question)
    reasoner, problem = open_reasoner("nano"), Problem(id="q", question=question, answers=(ANSWERS[question],))
    wrong = []
    for seed in range(12):
        episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=seed, watch=Guard().intervene)
        found = verdict(episode)
        if score(episode).reward != 1:
            wrong.append(seed)
            assert found.warnings or found.backing != "backed"
        else:
            assert (found.backing, found.warnings) == ("backed", [])
    assert len(wrong) <= 1
