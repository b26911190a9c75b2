"""For any model text and tokens: nothing raises, no id changes, and every episode ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm_calm.env import (
    Episode,
    Finding,
    Generation,
    Inline,
    Problem,
    Sampling,
    SolverEnv,
    ToolCall,
    run_episode,
    score,
)
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Execution, Limits, Sandbox, SandboxUnavailableError

pytestmark = pytest.mark.slow

BITS = [
    *("```python\n", "```", "```\n", "\n", " ", "```output", "print(1)\n", "\\boxed{", "42", "}"),
    *("<tool_call>", '{"name": "run_python", "arguments": {"code": "1"}}', "</tool_call>", "<tool_response>"),
    *("<think>", "</think>", "so é 3.", "~~~python\n", "~~~\n", "````", "'''", "# ", "{", "x</tool_call>\n"),
]


class CannedSandbox(Sandbox):
    """A sandbox with given outputs; None makes it fail."""

    backend = "canned"
    isolation = "limits"

    def __init__(self, outputs):
        self.outputs = outputs
        self.limits = Limits()

    def execute(self, program, cancellation=None):
        code = program.code
        output = self.outputs[len(code) % len(self.outputs)]
        if output is None:
            raise SandboxUnavailableError("down")
        return Execution(code=code, status="ok", stdout=output, isolation=self.isolation, backend=self.backend)

    def session(self, *, limits=None):
        raise NotImplementedError

    def close(self):
        pass


class CharRenderer:
    """A renderer whose tokens are characters."""

    instructions = None
    context = None
    hint_marks = ("", "")

    def render(self, messages):
        return "".join(message["content"] for message in messages)

    def encode(self, text):
        return tuple(map(ord, text)), tuple(range(1, len(text) + 1))

    def encode_marked(self, text):
        return self.encode(text)


@st.composite
def generations(draw):
    """Draw a text of fences, boxes and words with tokens across their borders, or without tokens."""
    text = "".join(draw(st.lists(st.sampled_from(BITS), max_size=8)))
    finish = draw(st.sampled_from(["stop", "end", "length", "stop"]))
    if draw(st.booleans()):
        return Generation(text=text, finish=finish)
    marks = draw(st.lists(st.integers(0, len(text)), max_size=8))
    ends = [*sorted(marks), len(text)]
    if finish == "end":
        ends.append(len(text))
    return Generation(text=text, ids=tuple(range(len(ends))), ends=tuple(ends), finish=finish)


def check(episode, protocol):
    transcript = episode.transcript
    tools = [span for span in transcript.spans if span.source == "tool"]
    assert len(tools) == len(episode.executions)
    assert all(span.ids == CharRenderer().encode(span.text)[0] for span in transcript.spans if span.source != "model")
    if transcript.ids is not None:
        assert len(loss_mask(transcript, "rl")) == len(loss_mask(transcript, "sft")) == len(transcript.ids)
    assert from_json(Episode, to_json(episode)) == episode
    for span, execution in zip(tools, episode.executions, strict=True):
        start = transcript.starts[transcript.spans.index(span)]
        begin, end = transcript.turn(start)
        action = protocol.read(transcript.text[begin:end], ended=True)
        assert action.code == (execution.code if execution.ran else None)
        assert action.error == ("" if execution.ran else execution.stderr)


@pytest.mark.parametrize("protocol", [Inline(), ToolCall()], ids=["inline", "tool_call"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_invariants_hold_for_any_episode(protocol, data):
    outputs = st.sampled_from([None, "", "1\n", "x" * 900, "```\n```python\n1\n```\n\\boxed{9}"])
    sandbox = CannedSandbox(data.draw(st.lists(outputs, min_size=1, max_size=3)))
    renderer = CharRenderer()
    renderer.hint_marks = data.draw(st.sampled_from([("", ""), ("<hint>", "</hint>")]))
    env = SolverEnv(sandbox, renderer, protocol=protocol, max_executions=2, max_tokens=6000)
    env.reset(Problem(id="p", question="Q", answers=(42.0,)))
    for _ in range(data.draw(st.integers(1, 8))):
        before = env.episode
        if before.stop is None and data.draw(st.booleans()):
            generation = data.draw(generations())
            env.write(generation)
            written = env.episode.transcript
            if len(written.spans) > len(before.transcript.spans):
                span = written.spans[-1]
                assert generation.text.startswith(span.text)
                assert span.ids is None or generation.ids[: len(span.ids)] == span.ids
            env.restore(from_json(Episode, to_json(env.snapshot())))
            result = env.act()
            assert (result.stop is None) == (result.kind != "stop")
            assert result.stop == env.episode.stop
            assert written.text == env.episode.transcript.text[: len(written.text)]
        else:
            transcript = before.transcript
            offset = data.draw(st.integers(transcript.prompt_end, len(transcript.text)))
            intervention = env.intervene(Finding(trigger="solver_distrust", offset=offset, evidence=""), "Wait.")
            hinted = env.episode.transcript
            assert intervention.cut <= offset
            assert hinted.text[: intervention.cut] + intervention.removed == transcript.text
            assert hinted.text[intervention.cut :].strip() == "Wait.".join(renderer.hint_marks)
            if transcript.ids is not None:
                kept = len(hinted.ids) - len(hinted.spans[-1].ids)
                assert hinted.ids[:kept] == transcript.ids[:kept]
        check(env.episode, protocol)
        if env.episode.stop is not None:
            assert score(env.episode).reward in ((None,) if env.episode.stop == "infrastructure" else (0.0, 1.0))


@given(generations(), st.sampled_from([Inline(), ToolCall()]))
@settings(deadline=None)
def test_a_model_that_repeats_itself_ends(generation, protocol):
    class Parrot(CharRenderer):
        instructions = ""
        calls = 0

        def generate(self, prompt, *, stop, max_tokens, sampling):
            self.calls += 1
            assert max_tokens > 0
            return generation

    parrot = Parrot()
    env = SolverEnv(CannedSandbox(["1"]), parrot, protocol=protocol, max_tokens=200)
    assert run_episode(env, parrot, Problem(id="p", question="Q", answers=(1.0,)), sampling=Sampling()).stop is not None
