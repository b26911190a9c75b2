"""Episodes survive serialization, and are reproducible from their seeds."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import (
    Episode,
    Finding,
    Intervention,
    Problem,
    ReasonerError,
    Span,
    Transcript,
    Usage,
    run_episode,
    segment_seed,
)
from storm_calm.env.episode import StopReason
from storm_calm.env.intervention import TRIGGERS
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Execution, SolverReport

seconds = st.floats(0, 1e6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
answers = numbers | st.sampled_from(["infeasible", "unbounded"])
words = st.text(max_size=20)
names = st.from_regex(r"[A-Za-z0-9_ .-]{0,20}", fullmatch=True)
findings = st.builds(
    Finding,
    trigger=st.sampled_from(TRIGGERS),
    offset=st.integers(0, 10**6),
    evidence=words,
    confidence=st.floats(0, 1),
)
reports = st.builds(
    SolverReport,
    library=names,
    solver=names,
    status=st.sampled_from(["optimal", "infeasible", "limit"]),
    sense=st.sampled_from(["minimize", "maximize", None]),
    objective=st.none() | numbers,
    bound=st.none() | numbers,
    gap=st.none() | numbers,
    seconds=seconds,
)
executions = st.builds(
    Execution,
    code=words,
    status=st.sampled_from(["ok", "error", "timeout", "memory_limit", "output_limit"]),
    stdout=words,
    stderr=words,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    wall_seconds=seconds,
    truncated=st.booleans(),
    isolation=st.just("full"),
    backend=words,
    reports=st.lists(reports, max_size=2).map(tuple),
)


@st.composite
def episodes(draw):
    runs = draw(st.lists(executions, max_size=3))
    spans = [Span(source="prompt", text=draw(words))]
    for _ in runs:
        text = draw(words)
        spans.append(Span(source="model", text=text, ids=tuple(range(len(text))), ends=tuple(range(1, len(text) + 1))))
        spans.append(Span(source="tool", text=draw(words)))
    return Episode(
        problem=Problem(
            id=draw(words.filter(str.strip)),
            question="Q",
            answers=tuple(draw(st.lists(answers, min_size=1, max_size=3))),
        ),
        transcript=Transcript(spans=tuple(spans)),
        executions=tuple(runs),
        interventions=tuple(
            draw(
                st.lists(
                    st.builds(Intervention, finding=findings, hint=words, cut=st.integers(0), removed=words), max_size=2
                )
            )
        ),
        stop=draw(st.none() | st.sampled_from(StopReason.__args__)),
        usage=draw(st.builds(Usage, model_tokens=st.integers(0), generation_seconds=seconds)),
    )


@given(episodes())
def test_an_episode_round_trips_through_json(episode):
    assert from_json(Episode, json.loads(json.dumps(to_json(episode)))) == episode


def test_executions_and_tool_spans_must_match(problem):
    with pytest.raises(ValueError, match="0 executions do not fit 1 tool spans"):
        Episode(problem=problem, transcript=Transcript(spans=(Span(source="tool", text="x"),)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stop": "bored"}, '"stop" is "bored"'),
        ({"mood": "good"}, '"mood" is not a known field; remove it'),
        ({"problem": {"id": "a"}}, '"problem.question" is missing'),
        ({"usage": 5}, '"usage" is 5; give an object'),
        ({"transcript": {"spans": [{"source": "me", "text": ""}]}}, r'"transcript.spans\[0\].source" is "me"'),
        ({"executions": [{"status": "fine"}]}, r'executions\[0\].*" is missing'),
    ],
)
def test_error_for_invalid_data_names_the_field(problem, change, message):
    data = {**to_json(Episode(problem=problem)), **change}
    with pytest.raises(ValueError, match=message):
        from_json(Episode, data)


def test_a_seed_gives_the_same_trajectory(env, script, problem):
    lines = ("```python\nprint(1)\n```\n", "\\boxed{1}")
    first, second, other = script(*lines), script(*lines), script(*lines)
    runs = [run_episode(env, one, problem, seed=seed) for one, seed in ((first, 1), (second, 1), (other, 2))]
    assert runs[0].transcript == runs[1].transcript
    assert first.calls == second.calls != other.calls


def test_the_seed_of_a_segment_depends_on_the_transcript_so_far(problem):
    episode = Episode(problem=problem, transcript=Transcript(spans=(Span(source="prompt", text="Q"),)))
    hint = Intervention(finding=Finding(trigger="solver_distrust", offset=0, evidence=""), hint="H", cut=0, removed="")
    variants = [
        episode,
        replace(episode, transcript=episode.transcript.append(Span(source="model", text="a"))),
        replace(episode, interventions=(hint,)),
        replace(episode, problem=replace(problem, id="other")),
    ]
    seeds = {segment_seed(seed, variant) for seed in (0, 1) for variant in variants}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_reasoner_error_is_raised(env, script, problem):
    reasoner = script()

    def fail(*_, **__):
        raise ReasonerError("connection refused")

    reasoner.generate = fail
    with pytest.raises(ReasonerError, match="connection refused"):
        run_episode(env, reasoner, problem)
    assert env.episode.stop is None
