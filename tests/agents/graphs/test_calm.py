"""CALM mends a run at its first flaw, and says what became of it."""

from dataclasses import dataclass, field, replace

import pytest

from storm_calm.agents.graphs import calm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.agents.interveners import Cost, Inspection, RulesIntervener
from storm_calm.env import Episode, SolverEnv, run_episode
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Limits, Sandbox, SandboxUnavailableError
from support.fake_reasoner import (
    PLAN,
    FakeReasoner,
    boxed,
    by_hand,
    direct,
    overruling,
    program,
    silent,
    stubborn,
    workshop,
    wrong,
)


@pytest.fixture
def run(sandbox):
    """A function that runs a role through CALM: the final state and its episode."""

    def run(role, problem=None, **parts):
        made = Parts(**{"reasoner": FakeReasoner(role), "sandbox": sandbox, **parts})
        state = calm.build(lambda: made).invoke({"problem": to_json(problem or workshop(14)), "seed": 7})
        return state, from_json(Episode, state["episode"])

    return run


@dataclass
class Witness:
    """The rules intervener, with a memory of what it was shown."""

    rules: RulesIntervener = field(default_factory=RulesIntervener)
    seen: list = field(default_factory=list)
    name = "witness"

    def inspect(self, episode, check_hint):
        self.seen.append(episode)
        return self.rules.inspect(episode, check_hint)


def test_a_flawless_run_is_golden_and_is_the_run_without_interventions(run, sandbox):
    state, episode = run(direct)
    assert (state["outcome"], state["finding"], state["answer"]["value"]) == ("golden", None, 42.0)
    alone = run_episode(SolverEnv(sandbox, FakeReasoner(direct)), FakeReasoner(direct), workshop(14), seed=7)
    assert (episode.transcript, episode.interventions) == (alone.transcript, ())


def test_a_flaw_is_cut_away_and_the_hint_stands_where_it_was(run):
    state, episode = run(by_hand)
    assert state["outcome"] == "golden"
    (intervention,) = episode.interventions
    text = episode.transcript.text
    assert "by hand" in intervention.removed
    assert "by hand" not in text[episode.transcript.prompt_end : intervention.cut]
    assert "gives about 7" not in text
    assert text[intervention.cut :].lstrip("\n").startswith(intervention.hint)
    assert [span.source for span in episode.transcript.spans] == ["prompt", "model", "hint", "model", "tool", "model"]


def test_only_the_first_flaw_is_mended_at_a_time(run):
    def twice(hours, hints, outputs):
        if hints == 0:
            return PLAN + "Let me work it out by hand.\nMy program would print about 7.\n" + boxed(7)
        return direct(hours, hints, outputs)

    _, episode = run(twice)
    assert [one.finding.rule for one in episode.interventions] == ["by_hand"]
    assert "would print" in episode.interventions[0].removed


def test_a_flawed_program_never_runs(run):
    def minimizing(hours, hints, outputs):
        if hints:
            return direct(hours, hints, outputs)
        return PLAN + program(hours, objective="s.Minimize(3 * x)")

    state, episode = run(minimizing)
    assert state["outcome"] == "golden"
    assert [one.finding.trigger for one in episode.interventions] == ["wrong_formulation"]
    assert ["Minimize" in execution.code for execution in episode.executions] == [False]


@dataclass
class Afterwards:
    """Finds nothing while the run goes on; once it is over, that its first program was wrong."""

    name = "afterwards"

    def inspect(self, episode, check_hint):
        if episode.stop is None or episode.interventions:
            return Inspection()
        offset = episode.transcript.text.index("```python\n")
        seen = RulesIntervener().inspect(episode, check_hint)
        hint = "Wait, the program is not right. I should write it again."
        return replace(seen, finding=replace(seen.finding, offset=offset), hint=hint) if seen.finding else seen


def test_the_judge_sends_a_run_back_and_what_ran_after_the_flaw_is_dropped(run):
    def doubting(hours, hints, outputs):
        if outputs and not hints:
            return "That does not look right, I would expect about 7.\n" + boxed(7)
        return direct(hours, hints, outputs)

    state, episode = run(doubting, intervener=Afterwards())
    assert state["outcome"] == "golden"
    (intervention,) = episode.interventions
    assert "```output" in intervention.removed
    assert "```python" in intervention.removed
    assert len(episode.executions) == 1
    assert [span.source for span in episode.transcript.spans] == ["prompt", "model", "hint", "model", "tool", "model"]


def test_a_result_that_was_overruled_is_believed_after_a_hint(run):
    state, episode = run(overruling)
    assert (state["outcome"], state["answer"]["value"]) == ("golden", 42.0)
    assert [one.finding.trigger for one in episode.interventions] == ["solver_distrust"]
    assert len(episode.executions) == 1


@pytest.mark.parametrize("most", [0, 1, 5])
def test_there_are_no_more_interventions_than_allowed(run, most):
    state, episode = run(stubborn, max_interventions=most)
    assert len(episode.interventions) == most
    assert (state["outcome"], state["finding"]["rule"]) == ("finding_left", "by_hand")


def test_a_wrong_answer_is_discarded_as_such(run):
    assert run(wrong)[0]["outcome"] == "wrong_answer"


def test_too_many_hints_keep_a_right_run_from_being_golden(run):
    _, episode = run(by_hand)
    assert run(by_hand, max_hint_share=hint_share(episode))[0]["outcome"] == "golden"
    assert run(by_hand, max_hint_share=hint_share(episode) - 1e-6)[0]["outcome"] == "hint_share"


def endless(hours, hints, outputs):
    return "and so on " * 2000


def many_programs(hours, hints, outputs):
    return PLAN + program(hours)


@pytest.mark.parametrize(
    ("role", "outcome"),
    [
        (silent, "malformed"),
        (endless, "length"),
        (many_programs, "budget"),
        (lambda *_: "There is no way to say.", "malformed"),
        (lambda hours, hints, outputs: boxed("many") if outputs else PLAN + program(hours), "no_answer"),
    ],
)
def test_a_run_without_an_answer_is_discarded_with_the_reason(run, role, outcome):
    state, _ = run(role)
    assert (state["outcome"], state["answer"]) == (outcome, None)


def test_a_model_that_writes_no_code_is_told_to(run):
    state, episode = run(lambda hours, hints, outputs: boxed(42))
    assert {one.finding.rule for one in episode.interventions} == {"by_hand"}
    assert state["outcome"] == "finding_left"


def test_of_two_code_blocks_at_once_the_first_runs_and_the_second_is_gone(run):
    def two(hours, hints, outputs):
        return direct(hours, hints, outputs) if outputs else PLAN + program(hours) + "```python\nprint(1)\n```\n"

    state, episode = run(two)
    assert state["outcome"] == "golden"
    assert episode.transcript.text.count("```python\n") == 1
    assert len(episode.executions) == 1


def test_an_output_block_of_the_models_own_is_cut_away(run):
    def forging(hours, hints, outputs):
        forged = "```output\n99\n```\n" + boxed(99)
        return direct(hours, hints, outputs) if outputs else PLAN + program(hours) + forged

    state, episode = run(forging)
    assert (state["outcome"], state["answer"]["value"]) == ("golden", 42.0)
    assert "99" not in episode.transcript.text


def test_the_intervener_never_sees_the_accepted_answer(run):
    witness = Witness()
    run(overruling, intervener=witness)
    assert witness.seen
    assert {episode.problem.answers for episode in witness.seen} == {()}


def test_the_judge_shows_the_whole_run_with_the_answer_that_was_given(run):
    witness = Witness()
    run(direct, intervener=witness)
    assert [episode.stop for episode in witness.seen] == [None, None, "answer"]


class Broken(Sandbox):
    """A sandbox whose workers are gone."""

    backend, isolation, limits = "broken", "limits", Limits()

    def execute(self, program, cancellation=None):
        raise SandboxUnavailableError("the workers are gone")

    def session(self, *, limits=None):
        raise NotImplementedError

    def close(self): ...


def test_a_fault_of_the_sandbox_is_nobodys_mistake(run):
    state, episode = run(direct, sandbox=Broken())
    assert (state["outcome"], episode.interventions) == ("infrastructure", ())


def test_a_question_nobody_knows_the_answer_of_is_left_unscored(run):
    state, _ = run(direct, replace(workshop(14), answers=()))
    assert (state["outcome"], state["answer"]["value"]) == ("unscored", 42.0)


def test_the_chat_shows_the_run_as_it_stands(run):
    state, episode = run(by_hand)
    question, *shown = state["messages"]
    assert question.content == workshop(14).question
    assert [(message.name, message.content) for message in shown] == [
        ({"hint": "intervener", "tool": "sandbox"}.get(span.source), span.text)
        for span in episode.transcript.spans[1:]
        if span.text.strip()
    ]


def test_a_question_that_fills_the_context_is_over_before_it_begins(run):
    state, _ = run(direct, max_tokens=100)
    assert state["outcome"] == "length"


@dataclass
class Hinter:
    """Finds the flaws that the rules find, and says what it is told to."""

    hint: str
    confidence: float = 1.0
    name = "hinter"

    def inspect(self, episode, check_hint):
        seen = RulesIntervener().inspect(episode, check_hint)
        if seen.finding is None:
            return Inspection(cost=Cost(calls=1))
        return Inspection(finding=replace(seen.finding, confidence=self.confidence), hint=self.hint, cost=Cost(calls=1))


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ("Wait, the answer is 42.", "answer"),
        ("You should write a program.", "voice"),
        ("Wait, I should use 17 hours.", "number"),
    ],
)
def test_a_hint_that_is_not_clean_is_never_given_and_is_counted(run, hint, reason):
    def by_hand_but_right(hours, hints, outputs):
        return PLAN + "Let me work it out by hand.\n" + boxed(3 * hours)

    state, episode = run(by_hand_but_right, intervener=Hinter(hint))
    assert (state["outcome"], episode.interventions) == ("finding_left", ())
    assert {one["reason"] for one in state["rejected_hints"]} == {reason}
    assert {one["text"] for one in state["rejected_hints"]} == {hint}
    assert state["cost"]["calls"] == len(state["rejected_hints"]) == 2  # At the segment, and at the end.


def test_what_inspecting_took_adds_up_over_a_run(run):
    state, episode = run(by_hand, intervener=Hinter("Wait, I should write a program."))
    assert (state["outcome"], len(episode.interventions), state["rejected_hints"]) == ("golden", 1, [])
    # A look at each segment, the one that was cut away included, and one at the whole run.
    assert state["cost"]["calls"] == 4


def test_a_finding_below_the_floor_is_none(run):
    hinter = Hinter("Wait, I should write a program.", confidence=0.6)
    assert len(run(by_hand, intervener=hinter, confidence_floor=0.6)[1].interventions) == 1
    assert run(by_hand, intervener=hinter, confidence_floor=0.7)[1].interventions == ()


def test_a_run_without_a_judgement_that_can_be_used_is_not_golden(run):
    class Speechless:
        name = "speechless"

        def inspect(self, episode, check_hint):
            return Inspection(usable=False)

    assert run(direct, intervener=Speechless())[0]["outcome"] == "unjudged"
    assert run(wrong, intervener=Speechless())[0]["outcome"] == "wrong_answer"


def test_patience_ends_hints_that_change_nothing(run):
    assert len(run(stubborn)[1].interventions) == 5
    state, episode = run(stubborn, patience=2)
    assert len(episode.interventions) == 2
    assert state["outcome"] == run(stubborn)[0]["outcome"]
