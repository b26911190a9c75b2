"""Hints of rules for models that were not trained on nano's."""

from storm_calm.agents.interveners import RulesIntervener
from storm_calm.agents.interveners.guard import Guard
from storm_calm.agents.interveners.plain_hints import PLAIN_HINTS, TRIGGER_HINTS
from storm_calm.env import Episode, Intervention, Problem, Span, Transcript

PROMPT = "Write one program in a block that opens with ```python.\nA box holds 12 kg. At most 30 kg. Maximize.\n"


def inspected(*interventions):
    text = "So \\( x + y \\leq 77 \\).\n"
    spans = (Span(source="prompt", text=PROMPT), Span(source="model", text=text))
    problem = Problem(id="p", question="A box holds 12 kg. At most 30 kg. Maximize.", answers=(1.0,))
    transcript = Transcript(spans=spans)
    return RulesIntervener().inspect(
        Episode(problem=problem, transcript=transcript, interventions=interventions, stop=None), lambda hint: None
    )


def test_a_hint_that_did_not_help_is_not_repeated():
    first = inspected()
    assert first.hint == PLAIN_HINTS["invented_limit"]
    before = Intervention(finding=first.finding, hint=first.hint, cut=len(PROMPT), removed="x")
    second = inspected(before)
    assert second.finding.rule == "invented_limit"
    assert second.hint == TRIGGER_HINTS["missing_constraint"]


def test_a_limit_that_was_left_out_is_quoted_unless_it_has_the_answer():
    question = "A box holds 12 kg. At most 30 boxes are there. Maximize the weight."
    code = "```python\nfrom pulp import *\nm = LpProblem('m', LpMaximize)\nx = LpVariable('x')\nm += 12 * x\n"
    spans = (Span(source="prompt", text=PROMPT), Span(source="model", text=f"{code}m.solve()\nprint(x.value())\n```\n"))
    for answer, quoted in ((360.0, True), (30.0, False)):
        problem = Problem(id="p", question=question, answers=(answer,))
        episode = Episode(problem=problem, transcript=Transcript(spans=spans), stop=None)
        seen = Guard(intervener=RulesIntervener()).inspect(episode)
        assert seen.finding.rule == "missing_constraint"
        assert ('I have not used this limit yet: "At most 30 boxes are there". ' in seen.hint) is quoted
        assert (seen.hint == TRIGGER_HINTS["missing_constraint"]) is not quoted
