"""A nano model says which questions it does not know."""

from itertools import islice

import pytest

from storm_calm.agents.graphs import storm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.nano_scope import OUT_OF_SCOPE, is_family_question, out_of_scope
from storm_calm.env.problems.families import FAMILIES, instances
from support.fake_reasoner import FakeReasoner, direct


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_all_questions_of_the_families_are_known(split):
    drawn = islice(instances(list(FAMILIES.values()), split=split, seed=99), 240)
    assert [one.question for one in drawn if not is_family_question(one.question)] == []


@pytest.mark.parametrize(
    "question",
    [
        "",
        "42",
        "hello, what can you do?",
        "What is 2+2?",
        "And with 10 more hours?",
        "A workshop has 40 hours. A chair takes 2 and earns 5. What is the largest profit?",
        "A bakery bakes rolls and loaves. A roll needs 50 g of flour, a loaf 500 g. There are 20 kg of flour. Rolls "
        "sell at 0.40, loaves at 3.20. At most 200 rolls can be sold. How much can the bakery earn?",
        "Find the shortest tour through 12 cities with the following distances.",
    ],
)
def test_other_questions_are_not(question):
    assert not is_family_question(question)


def test_only_nano_models_decline():
    assert out_of_scope(open_reasoner("nano"), "hello") == OUT_OF_SCOPE
    assert out_of_scope(FakeReasoner(direct), "hello") is None


def test_storm_says_so_instead_of_answering(sandbox):
    parts = Parts(reasoner=open_reasoner("nano"), sandbox=sandbox)
    state = storm.build(lambda: parts).invoke({"messages": [{"role": "user", "content": "hello, what can you do?"}]})
    assert (state["answer"], state["declined"]) == (None, OUT_OF_SCOPE)
    assert state["messages"][-1].content == OUT_OF_SCOPE
