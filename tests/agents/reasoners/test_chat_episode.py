"""A whole run over `agents.reasoners.chat`: a real sandbox, and an endpoint whose model calls, reads and answers."""

from __future__ import annotations

import json

from chatted import arguments, call, delta, running, saying
from scripted import Reply

from agents.reasoners.chat import INSTRUCTIONS, Chat
from agents.reasoners.turns import GO_ON
from env import Problem, SolverEnv, run_episode, score
from env.intervention import Finding

PROBLEM = Problem(id="chairs", question="40 hours, a chair takes 2 and earns 5. The largest profit?", answers=(100.0,))
WRONG = "print(5 * hours)"
RIGHT = """from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('GLOP')
x = s.NumVar(0, 20, '')
s.Maximize(5 * x)
print(s.Solve(), s.Objective().Value())
"""
OPENING = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": PROBLEM.question}]


def called(number: int, code: str, content: str | None) -> dict:
    """The message in which the model called the tool."""
    function = {"name": "run_python", "arguments": arguments(code)}
    calls = [{"id": f"call_{number}", "type": "function", "function": function}]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def test_a_model_calls_twice_and_answers_and_each_time_is_sent_all_that_was_said(server, sandbox):
    thinking = [delta(reasoning="Each chair takes two hours."), delta(content="Let me compute it.")]
    server.play(
        Reply([*thinking, *call([arguments(WRONG)], finish="tool_calls")]),
        running(RIGHT),
        saying("The answer is ", "\\boxed{100}."),
    )
    reasoner = Chat(server.url)
    episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, PROBLEM, seed=3)
    assert (episode.stop, score(episode).reward) == ("answer", 1.0)
    assert [execution.status for execution in episode.executions] == ["error", "ok"]
    assert [span.source for span in episode.transcript.spans] == ["prompt", "model", "tool", "model", "tool", "model"]

    first, second, third = (sent["messages"] for sent in server.requests)
    assert first == OPENING
    failed = second[3]["content"]
    assert second == [
        *OPENING,
        called(1, f"{WRONG}\n", "Let me compute it."),
        {"role": "tool", "tool_call_id": "call_1", "content": failed},
    ]
    assert failed.endswith("NameError: name 'hours' is not defined")
    assert third == [*second, called(2, RIGHT, None), {"role": "tool", "tool_call_id": "call_2", "content": "0 100.0"}]
    assert len({sent["seed"] for sent in server.requests}) == 3
    assert all(sent["tools"] == server.requests[0]["tools"] for sent in server.requests)
    reasoner.close()


def test_a_hint_is_sent_as_what_the_model_said_itself(server, sandbox):
    server.play(
        Reply([delta(reasoning="By hand that is 20 chairs. So 90."), delta(content="\\boxed{90}"), delta("stop")])
    )
    reasoner = Chat(server.url)
    env = SolverEnv(sandbox, reasoner)
    run = run_episode(env, reasoner, PROBLEM)
    assert run.stop == "answer"
    offset = run.transcript.text.index("So 90.")
    finding = Finding(trigger="manual_computation", offset=offset, evidence="So 90.", confidence=1.0)
    env.intervene(finding, "Wait, let me use code.")

    server.play(running(RIGHT))
    prompt = env.episode.transcript.text
    env.step(reasoner.generate(prompt, stop=env.protocol.stop, max_tokens=99, sampling=reasoner.sampling))
    assert server.requests[0]["messages"][2:] == [
        {"role": "assistant", "content": "By hand that is 20 chairs. Wait, let me use code."},
        {"role": "user", "content": GO_ON},
    ]
    assert env.episode.executions[0].stdout == "0 100.0\n"
    reasoner.close()


def test_the_instructions_are_the_protocols_with_a_tool_for_the_fences(sandbox, server):
    reasoner = Chat(server.url)
    env = SolverEnv(sandbox, reasoner)
    own = env.protocol.instructions
    assert INSTRUCTIONS.startswith(own[: own.index("write a program")])
    assert INSTRUCTIONS.endswith(own[own.index("Model the problem") :])
    assert "```" not in INSTRUCTIONS
    prompt = env.reset(PROBLEM).transcript.text
    assert json.loads(prompt) == OPENING
    reasoner.close()
