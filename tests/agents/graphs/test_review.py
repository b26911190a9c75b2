"""A person replaces the intervener: the trajectory pauses, shows its text, and continues according to the form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from storm_calm.agents.graphs import calm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.graphs.human_review import Form, FormError, read
from storm_calm.agents.interveners.leak_check import MAX_HINT_CHARS
from storm_calm.env import TRIGGERS, Episode
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Limits, Sandbox, SandboxUnavailableError
from support.fake_reasoner import FakeReasoner, by_hand, direct, overruling, silent, stubborn, workshop

CONTINUE = {"decision": "continue"}
DOUBT = {
    "decision": "intervene",
    "trigger": "solver_distrust",
    "quote": "That does not look right",
    "hint": "Wait, the solver proved this optimal. I should report it.",
}


class ReviewedRun:
    """A trajectory with a person who answers forms with `answer`."""

    def __init__(self, graph, problem):
        self.graph, self.config = graph, {"configurable": {"thread_id": "a"}}
        self.state = graph.invoke(
            {"problem": to_json(problem), "seed": 7}, self.config, context={"intervener": "person"}
        )

    @property
    def shown(self):
        """The content shown to the person, or None if the trajectory is over."""
        waiting = self.state.get("__interrupt__")
        return waiting[0].value if waiting else None

    @property
    def episode(self):
        return from_json(Episode, self.state["episode"])

    def answer(self, *forms):
        """Submit forms one after the other, without the context, which a client may omit."""
        for form in forms:
            self.state = self.graph.invoke(Command(resume=form), self.config)
        return self.shown


@pytest.fixture
def watch(sandbox):
    """Return a function that starts a role with a person as the intervener."""

    def watch(role, problem=None, **parts):
        made = Parts(**{"reasoner": FakeReasoner(role), "sandbox": sandbox, **parts})
        return ReviewedRun(calm.build(lambda: made, checkpointer=InMemorySaver()), problem or workshop(14))

    return watch


def test_it_pauses_before_each_program_and_at_the_end(watch):
    run = watch(direct)
    segment = run.shown
    assert segment["stage"] == "segment"
    assert segment["text"].endswith("```\n")
    assert run.episode.executions == ()
    answer = run.answer(CONTINUE)
    assert answer["text"].startswith("</think>")
    assert run.episode.transcript.text[answer["offset"] :] == answer["text"]
    whole = run.answer(CONTINUE)
    assert (whole["stage"], whole["answer"]) == ("run", "42")
    assert segment["text"] in whole["text"]
    assert "```output" in whole["text"]
    assert run.answer(CONTINUE) is None
    assert (run.state["outcome"], run.state["answer"]["value"]) == ("golden", 42.0)


def test_the_rules_finding_is_suggested_and_can_be_accepted(watch):
    run = watch(by_hand)
    suggestion, evidence = run.shown["suggestion"], run.shown["evidence"]
    assert suggestion["trigger"] == "manual_computation"
    assert run.episode.transcript.text[suggestion["offset"] :].startswith("Let me work it out by hand")
    assert evidence in run.shown["text"]
    after = run.answer(suggestion)
    assert (after["suggestion"], after["evidence"]) == (None, None)
    (intervention,) = run.episode.interventions
    assert (intervention.finding.rule, intervention.hint) == ("person", suggestion["hint"])


def test_the_quote_sets_the_cut_and_the_persons_hint_is_inserted(watch):
    run = watch(overruling)
    run.answer(CONTINUE)
    after = run.answer(DOUBT)
    (intervention,) = run.episode.interventions
    assert intervention.removed.startswith(DOUBT["quote"])
    assert intervention.hint == DOUBT["hint"]
    assert (intervention.finding.rule, intervention.finding.evidence) == ("person", DOUBT["quote"])
    assert DOUBT["quote"] not in run.episode.transcript.text
    assert after["hints_left"] == 4
    run.answer(CONTINUE, CONTINUE)
    assert run.state["outcome"] == "golden"


def test_a_finished_trajectory_can_be_rewound(watch):
    run = watch(overruling)
    whole = run.answer(CONTINUE, CONTINUE)
    assert (whole["stage"], whole["answer"]) == ("run", "7")
    assert run.answer(DOUBT)["stage"] == "segment"
    run.answer(CONTINUE, CONTINUE)
    assert (run.state["outcome"], run.state["answer"]["value"]) == ("golden", 42.0)


def test_a_flaw_in_an_earlier_segment_can_be_quoted(watch):
    run = watch(overruling)
    run.answer(CONTINUE)
    run.answer({**DOUBT, "trigger": "wrong_formulation", "quote": "Let me solve it with code."})
    assert run.episode.executions == ()
    assert run.episode.interventions[0].removed.startswith("Let me solve it with code.")


BY_HAND = {
    "decision": "intervene",
    "trigger": "manual_computation",
    "quote": "Let me work it out by hand.",
    "hint": "Wait, a program will do this better.",
}


def edited(**changes):
    return {name: value for name, value in {**BY_HAND, **changes}.items() if value != "leave out"}


@pytest.mark.parametrize(
    ("form", "field", "fix"),
    [
        ({"hint": "Wait."}, "decision", "required"),
        ({"decision": "perhaps"}, "decision", "'continue' or 'intervene'"),
        ({"decision": "continue", "hint": "Wait."}, "hint", 'decide "intervene"'),
        (edited(trigger="boredom"), "trigger", "'manual_computation'"),
        (edited(trigger="leave out"), "trigger", "kind of flaw"),
        (edited(quote="Let me work it out by machine."), "quote", "copy it"),
        (edited(quote="  "), "quote", "offset"),
        (edited(quote="o"), "quote", "quote more"),
        (edited(offset=3), "quote", "not both"),
        (edited(quote="leave out", offset=3), "offset", "outside"),
        (edited(quote="leave out", offset="12"), "offset", "integer"),
        (edited(hint=" \n"), "hint", "one or two sentences"),
        (edited(hint="leave out"), "hint", "one or two sentences"),
        (edited(hint="Wait. " * 80), "hint", str(MAX_HINT_CHARS)),
        (edited(hint="Wait, ```python\npass\n```"), "hint", "'```'"),
        (edited(hint="Wait.<|im_end|>"), "hint", "'<|'"),
        (edited(hint="Wait, it is \\boxed{7}."), "hint", "boxed"),
        (edited(hint="Wait, it must be 42."), "hint", "names a result"),
        (edited(colour="red"), "colour", "not permitted"),
        ("yes, please", "the form", "quote"),
        (7, "the form", "quote"),
        ([CONTINUE], "the form", "quote"),
    ],
)
def test_an_invalid_form_is_shown_again_with_its_error(watch, form, field, fix):
    run = watch(by_hand)
    shown, before = run.shown, run.state["episode"]
    assert shown["wrong"] == []
    again = run.answer(form)
    (wrong,) = again["wrong"]
    assert wrong.startswith(f"{field}: ")
    assert fix in wrong
    assert {**again, "wrong": []} == shown
    assert run.state["episode"] == before
    assert run.answer(BY_HAND)["wrong"] == []
    assert run.episode.interventions[0].hint == BY_HAND["hint"]


def test_all_errors_of_a_form_are_shown_together(watch):
    run = watch(direct)
    for _ in range(3):
        wrong = run.answer({"decision": "intervene"})["wrong"]
        assert [line.partition(":")[0] for line in wrong] == ["trigger", "quote", "hint"]
    assert run.answer(CONTINUE)["wrong"] == []


def test_without_remaining_hints_only_the_finished_trajectory_is_shown(watch):
    run = watch(overruling, max_interventions=0)
    assert (run.shown["stage"], run.shown["hints_left"]) == ("run", 0)
    run.answer({name: value for name, value in DOUBT.items() if name != "hint"})
    assert run.shown is None
    assert (run.state["outcome"], run.state["finding"]["rule"]) == ("wrong_answer", "person")
    run = watch(stubborn, max_interventions=0)
    run.answer({"decision": "intervene", "trigger": "manual_computation", "quote": "by hand"})
    assert run.state["outcome"] == "finding_left"


def test_a_malformed_trajectory_is_shown_once(watch):
    run = watch(silent)
    assert (run.shown["stage"], run.shown["text"]) == ("segment", "")
    run.answer(CONTINUE)
    assert run.shown["stage"] == "run"
    assert run.answer("continue") is None
    assert run.state["outcome"] == "malformed"


class Gone(Sandbox):
    """A sandbox whose workers have died."""

    backend, isolation, limits = "gone", "limits", Limits()

    def execute(self, program, cancellation=None):
        raise SandboxUnavailableError("the workers are gone")

    def session(self, *, limits=None):
        raise AssertionError("the graph opens no session")

    def close(self): ...


def test_a_sandbox_failure_ends_without_a_form(watch):
    run = watch(direct, sandbox=Gone())
    assert run.answer(CONTINUE) is None
    assert run.state["outcome"] == "infrastructure"


def test_without_a_context_the_rules_are_the_intervener(sandbox):
    parts = Parts(reasoner=FakeReasoner(overruling), sandbox=sandbox)
    graph = calm.build(lambda: parts, checkpointer=InMemorySaver())
    for number, context in enumerate([None, {}, {"intervener": "rules"}]):
        config = {"configurable": {"thread_id": str(number)}}
        state = graph.invoke({"problem": to_json(workshop(14))}, config, context=context)
        assert (state["outcome"], state["episode"]["interventions"][0]["finding"]["rule"]) == ("golden", "overruled")
    with pytest.raises(ValueError, match="intervener is 'cat'; give one of rules, person"):
        graph.invoke({"problem": to_json(workshop(14))}, config, context={"intervener": "cat"})


def test_the_interrupt_carries_the_json_schema_of_the_form(watch):
    schema = watch(direct).state["__interrupt__"][0].response_schema
    assert list(schema["properties"]) == list(Form.model_fields)
    assert all(field["description"] for field in schema["properties"].values())
    assert json.dumps(TRIGGERS)[1:-1] in json.dumps(schema)


def test_a_form_can_be_answered_again_from_its_checkpoint(watch):
    run = watch(overruling)
    run.answer(CONTINUE, CONTINUE, CONTINUE)
    assert run.state["outcome"] == "wrong_answer"
    asked = [kept.config for kept in run.graph.get_state_history(run.config) if kept.next == ("review",)]
    assert len(asked) == 3
    run.state = run.graph.invoke(None, asked[1])
    assert (run.shown["stage"], run.shown["wrong"]) == ("segment", [])
    run.answer(DOUBT, CONTINUE, CONTINUE)
    assert run.state["outcome"] == "golden"


def test_a_running_trajectory_can_switch_from_the_rules_to_a_person(sandbox):
    parts = Parts(reasoner=FakeReasoner(overruling), sandbox=sandbox)
    graph = calm.build(lambda: parts, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "a"}}
    graph.invoke({"problem": to_json(workshop(14))}, config)
    before = next(kept for kept in graph.get_state_history(config) if kept.next == ("detect",))
    handed = graph.update_state(before.config, {"intervener": "person"})
    assert graph.invoke(None, handed)["__interrupt__"][0].value["text"] == before.values["messages"][-1].text


@pytest.mark.parametrize("given", ["continue", " Continue\n", '"continue"', '{"decision": "continue"}', CONTINUE])
def test_a_form_may_be_an_object_json_or_a_word(given):
    assert read(given) == Form(decision="continue")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from([*Form.model_fields]), inner)
    ),
)


@given(JSON)
def test_any_input_is_a_form_or_gets_error_messages(given):
    try:
        came = read(given)
    except FormError as error:
        came = error.wrong
    assert isinstance(came, Form) or (came and all(": " in line for line in came))
