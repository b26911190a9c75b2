"""CALM repairs a trajectory at its first flaw, and records the outcome."""

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
    """Return a function that runs a role through CALM. It returns the final state and the episode."""

    def run(role, problem=None, **parts):
        made = Parts(**{"reasoner": FakeReasoner(role), "sandbox": sandbox, **parts})
        state = calm.build(lambda: made).invoke({"problem": to_json(problem or workshop(14)), "seed": 7})
        return state, from_json(Episode, state["episode"])

    return run


@dataclass
class Witness:
    """The rules intervener, which records the episodes it inspects."""

    rules: RulesIntervener = field(default_factory=RulesIntervener)
    seen: list = field(default_factory=list)
    name = "witness"

    def inspect(self, episode, check_hint):
        self.seen.append(episode)
        return self.rules.inspect(episode, check_hint)


def test_a_flawless_trajectory_is_golden_and_equals_the_one_without_interventions(run, sandbox):
    state, episode = run(direct)
    assert (state["outcome"], state["finding"], state["answer"]["value"]) == ("golden", None, 42.0)
    alone = run_episode(SolverEnv(sandbox, FakeReasoner(direct)), FakeReasoner(direct), workshop(14), seed=7)
    assert (episode.transcript, episode.interventions) == (alone.transcript, ())


class Counted(FakeReasoner):
    """A reasoner that counts its generations."""

    calls = 0

    def stream(self, *arguments, **options):
        self.calls += 1
        return super().stream(*arguments, **options)


@pytest.mark.parametrize(("role", "hints", "calls"), [(direct, 0, 0), (by_hand, 1, 2)])
def test_the_native_trajectory_is_taken_over_up_to_its_first_flaw(sandbox, role, hints, calls):
    native = run_episode(SolverEnv(sandbox, FakeReasoner(role)), FakeReasoner(role), workshop(14), seed=7)
    # The server does not repeat itself: without the native trajectory, the text would be another one.
    reasoner = Counted(direct if role is by_hand else wrong)
    machine = calm.build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    state = machine.invoke({"problem": to_json(workshop(14)), "seed": 7, "native": to_json(native)})
    episode = from_json(Episode, state["episode"])
    assert (state["outcome"], len(episode.interventions), reasoner.calls) == ("golden", hints, calls)
    kept = episode.interventions[0].cut if hints else len(native.transcript.text)
    assert episode.transcript.text[:kept] == native.transcript.text[:kept]


def test_a_flaw_is_replaced_by_the_hint(run):
    state, episode = run(by_hand)
    assert state["outcome"] == "golden"
    (intervention,) = episode.interventions
    text = episode.transcript.text
    assert "by hand" in intervention.removed
    assert "by hand" not in text[episode.transcript.prompt_end : intervention.cut]
    assert "gives about 7" not in text
    assert text[intervention.cut :].lstrip("\n").startswith(intervention.hint)
    assert [span.source for span in episode.transcript.spans] == ["prompt", "model", "hint", "model", "tool", "model"]


def test_flaws_are_repaired_one_at_a_time(run):
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
    """An intervener that finds no flaw in a running trajectory, and a wrong first program in a finished one."""

    name = "afterwards"

    def inspect(self, episode, check_hint):
        if episode.stop is None or episode.interventions:
            return Inspection()
        offset = episode.transcript.text.index("```python\n")
        seen = RulesIntervener().inspect(episode, check_hint)
        hint = "Wait, the program is not right. I should write it again."
        return replace(seen, finding=replace(seen.finding, offset=offset), hint=hint) if seen.finding else seen


def test_final_inspection_rewinds_to_the_flaw_and_drops_later_executions(run):
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


def test_a_hint_makes_the_model_accept_the_solver_result(run):
    state, episode = run(overruling)
    assert (state["outcome"], state["answer"]["value"]) == ("golden", 42.0)
    assert [one.finding.trigger for one in episode.interventions] == ["solver_distrust"]
    assert len(episode.executions) == 1


@pytest.mark.parametrize("most", [0, 1, 5])
def test_number_of_interventions_is_limited(run, most):
    state, episode = run(stubborn, max_interventions=most)
    assert len(episode.interventions) == most
    assert (state["outcome"], state["finding"]["rule"]) == ("finding_left", "by_hand")


def test_a_wrong_answer_is_discarded(run):
    assert run(wrong)[0]["outcome"] == "wrong_answer"


def test_a_correct_trajectory_with_too_large_a_hint_share_is_not_golden(run):
    _, episode = run(by_hand)
    assert run(by_hand, max_hint_share=hint_share(episode))[0]["outcome"] == "golden"
    assert run(by_hand, max_hint_share=hint_share(episode) - 1e-6)[0]["outcome"] == "hint_share"


def endless(hours, hints, outputs):
    return " ".join(f"and so on {number}" for number in range(2000))


def looping(hours, hints, outputs):
    return "and so on " * 2000


def many_programs(hours, hints, outputs):
    return PLAN + program(hours)


@pytest.mark.parametrize(
    ("role", "outcome"),
    [
        (silent, "malformed"),
        (endless, "length"),
        (looping, "repetition"),
        (many_programs, "budget"),
        (lambda *_: "There is no way to say.", "malformed"),
        (lambda hours, hints, outputs: boxed("many") if outputs else PLAN + program(hours), "no_answer"),
    ],
)
def test_a_trajectory_without_an_answer_is_discarded_with_the_reason(run, role, outcome):
    state, _ = run(role)
    assert (state["outcome"], state["answer"]) == (outcome, None)


def test_a_model_that_writes_no_code_gets_a_hint(run):
    state, episode = run(lambda hours, hints, outputs: boxed(42))
    assert {one.finding.rule for one in episode.interventions} == {"by_hand"}
    assert state["outcome"] == "finding_left"


def test_second_code_block_in_a_segment_is_dropped(run):
    def two(hours, hints, outputs):
        return direct(hours, hints, outputs) if outputs else PLAN + program(hours) + "```python\nprint(1)\n```\n"

    state, episode = run(two)
    assert state["outcome"] == "golden"
    assert episode.transcript.text.count("```python\n") == 1
    assert len(episode.executions) == 1


def test_a_forged_output_block_is_removed(run):
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


def test_final_inspection_sees_the_finished_trajectory(run):
    witness = Witness()
    run(direct, intervener=witness)
    assert [episode.stop for episode in witness.seen] == [None, None, "answer"]


class Broken(Sandbox):
    """A sandbox whose workers have died."""

    backend, isolation, limits = "broken", "limits", Limits()

    def execute(self, program, cancellation=None):
        raise SandboxUnavailableError("the workers are gone")

    def session(self, *, limits=None):
        raise AssertionError("the graph opens no session")

    def close(self): ...


def test_a_sandbox_failure_causes_no_intervention(run):
    state, episode = run(direct, sandbox=Broken())
    assert (state["outcome"], episode.interventions) == ("infrastructure", ())


def test_a_question_without_an_accepted_answer_is_unscored(run):
    state, _ = run(direct, replace(workshop(14), answers=()))
    assert (state["outcome"], state["answer"]["value"]) == ("unscored", 42.0)


def test_messages_mirror_the_transcript(run):
    state, episode = run(by_hand)
    question, *shown = state["messages"]
    assert question.content == workshop(14).question
    assert [(message.name, message.content) for message in shown] == [
        ({"hint": "intervener", "tool": "sandbox"}.get(span.source), span.text)
        for span in episode.transcript.spans[1:]
        if span.text.strip()
    ]


def test_a_question_that_fills_the_context_ends_with_outcome_length(run):
    state, _ = run(direct, max_tokens=100)
    assert state["outcome"] == "length"


@dataclass
class Hinter:
    """An intervener with the findings of the rules and a fixed hint."""

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
def test_a_rejected_hint_is_not_inserted_and_is_counted(run, hint, reason):
    def by_hand_but_right(hours, hints, outputs):
        return PLAN + "Let me work it out by hand.\n" + boxed(3 * hours)

    state, episode = run(by_hand_but_right, intervener=Hinter(hint))
    assert (state["outcome"], episode.interventions) == ("finding_left", ())
    assert {one["reason"] for one in state["rejected_hints"]} == {reason}
    assert {one["text"] for one in state["rejected_hints"]} == {hint}
    assert state["cost"]["calls"] == len(state["rejected_hints"]) == 2  # Once for the segment, once at the end.


def test_inspection_costs_add_up_over_a_trajectory(run):
    state, episode = run(by_hand, intervener=Hinter("Wait, I should write a program."))
    assert (state["outcome"], len(episode.interventions), state["rejected_hints"]) == ("golden", 1, [])
    # One inspection of each segment, including the removed one, and one of the whole trajectory.
    assert state["cost"]["calls"] == 4


def test_a_finding_below_the_confidence_floor_is_ignored(run):
    hinter = Hinter("Wait, I should write a program.", confidence=0.6)
    assert len(run(by_hand, intervener=hinter, confidence_floor=0.6)[1].interventions) == 1
    assert run(by_hand, intervener=hinter, confidence_floor=0.7)[1].interventions == ()


def test_a_trajectory_without_a_usable_inspection_is_not_golden(run):
    class Speechless:
        name = "speechless"

        def inspect(self, episode, check_hint):
            return Inspection(usable=False)

    assert run(direct, intervener=Speechless())[0]["outcome"] == "unjudged"
    assert run(wrong, intervener=Speechless())[0]["outcome"] == "wrong_answer"


def test_patience_stops_hints_that_have_no_effect(run):
    assert len(run(stubborn)[1].interventions) == 5
    state, episode = run(stubborn, patience=2)
    assert len(episode.interventions) == 2
    assert state["outcome"] == run(stubborn)[0]["outcome"]
