"""A whole trajectory over `agents.reasoners.chat`, with a real sandbox and a scripted endpoint."""

import json

from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.chat_messages import HINT_PREFIX
from storm_calm.env import Problem, SolverEnv, run_episode, score
from storm_calm.env.intervention import Finding
from storm_calm.env.system_prompt import CHAT_PROMPT
from support.chat_events import arguments, call, delta, running, saying
from support.scripted_server import Reply

PROBLEM = Problem(id="chairs", question="40 hours, a chair takes 2 and earns 5. The largest profit?", answers=(100.0,))
WRONG = "print(5 * hours)"
RIGHT = """from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('GLOP')
x = s.NumVar(0, 20, '')
s.Maximize(5 * x)
print(s.Solve(), s.Objective().Value())
"""
OPENING = [{"role": "system", "content": CHAT_PROMPT}, {"role": "user", "content": PROBLEM.question}]


def called(number: int, code: str, content: str | None) -> dict:
    """Return the message with the model's tool call."""
    function = {"name": "run_python", "arguments": arguments(code)}
    calls = [{"id": f"call_{number}", "type": "function", "function": function}]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def test_each_request_of_an_episode_has_the_whole_conversation(server, sandbox):
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
    assert "NameError: name 'hours' is not defined\nHelp: " in failed
    assert third == [*second, called(2, RIGHT, None), {"role": "tool", "tool_call_id": "call_2", "content": "0 100.0"}]
    assert len({sent["seed"] for sent in server.requests}) == 3
    assert all(sent["tools"] == server.requests[0]["tools"] for sent in server.requests)
    reasoner.close()


def hinted(env: SolverEnv, words: str, hint: str) -> str:
    """Return the text after an intervention at `words`."""
    offset = env.episode.transcript.text.index(words)
    env.intervene(Finding(trigger="manual_computation", offset=offset, evidence=words), hint)
    return env.episode.transcript.text


def go_on(env: SolverEnv, reasoner: Chat) -> None:
    prompt = env.episode.transcript.text
    env.step(reasoner.generate(prompt, stop=env.protocol.stop, max_tokens=99, sampling=reasoner.sampling))


def test_a_hint_is_a_user_turn_after_the_text_before_it(server, sandbox):
    server.play(
        Reply([delta(reasoning="By hand that is 20 chairs. So 90."), delta(content="\\boxed{90}"), delta("stop")])
    )
    reasoner = Chat(server.url)
    env = SolverEnv(sandbox, reasoner)
    assert run_episode(env, reasoner, PROBLEM).stop == "answer"
    text = hinted(env, "So 90.", "Wait, let me use code.")
    assert text.endswith("<think>\nBy hand that is 20 chairs. <hint>Wait, let me use code.</hint>\n")
    assert env.episode.interventions[0].hint == "Wait, let me use code."

    server.play(running(RIGHT), saying("\\boxed{100}"))
    go_on(env, reasoner)
    turns_with_hint = [
        *OPENING,
        {"role": "assistant", "content": "By hand that is 20 chairs."},
        {"role": "user", "content": f"{HINT_PREFIX}Wait, let me use code."},
    ]
    assert server.requests[0]["messages"] == turns_with_hint
    assert env.episode.executions[0].stdout == "0 100.0\n"
    go_on(env, reasoner)
    ran = {"role": "tool", "tool_call_id": "call_1", "content": "0 100.0"}
    assert server.requests[1]["messages"] == [*turns_with_hint, called(1, RIGHT, None), ran]
    assert score(env.episode).reward == 1.0
    reasoner.close()


def test_a_hint_follows_a_tool_output_or_joins_the_question(server, sandbox):
    server.play(running(RIGHT), saying("I doubt that. \\boxed{90}"), saying("So be it. \\boxed{100}"))
    reasoner = Chat(server.url)
    env = SolverEnv(sandbox, reasoner)
    run_episode(env, reasoner, PROBLEM)
    hinted(env, "I doubt", "Wait, the solver is right.")
    go_on(env, reasoner)
    assert server.requests[2]["messages"][2:] == [
        called(1, RIGHT, None),
        {"role": "tool", "tool_call_id": "call_1", "content": "0 100.0"},
        {"role": "user", "content": f"{HINT_PREFIX}Wait, the solver is right."},
    ]
    assert score(env.episode).reward == 1.0

    hinted(env, "```python", "Wait, I should check the hours.")
    go_on(env, reasoner)
    system, question = OPENING
    merged = f"{PROBLEM.question}\n\n{HINT_PREFIX}Wait, I should check the hours."
    assert server.requests[3]["messages"] == [system, {**question, "content": merged}]
    reasoner.close()


def test_the_instructions_are_the_protocols_with_a_tool_instead_of_fences(sandbox, server):
    reasoner = Chat(server.url)
    env = SolverEnv(sandbox, reasoner)
    own = env.protocol.instructions
    assert CHAT_PROMPT.startswith(own[: own.index("write a program")])
    assert CHAT_PROMPT.endswith(own[own.index("Model the problem") :])
    assert "```" not in CHAT_PROMPT
    prompt = env.reset(PROBLEM).transcript.text
    assert json.loads(prompt) == OPENING
    reasoner.close()
