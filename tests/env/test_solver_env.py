"""The environment runs the model's programs and decides when an episode ends."""

import pytest

from storm_calm.env import (
    ContextLengthError,
    Episode,
    Finding,
    Generation,
    Inline,
    Sampling,
    SolverEnv,
    Span,
    ToolCall,
    read_answer,
    run_episode,
    score,
)
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.sandbox import Limits

CODE = "Let me compute.\n```python\nprint(6 * 7)\n```\n"


def generation(renderer, text, finish="stop", end=False):
    ids, ends = renderer.encode(text)
    return Generation(text=text, ids=ids + (0,) * end, ends=ends + (len(text),) * end, finish=finish)


def finding(env, words, trigger="manual_computation"):
    return Finding(trigger=trigger, offset=env.episode.transcript.text.index(words), evidence=words)


def sources(env):
    return [span.source for span in env.episode.transcript.spans]


def test_a_program_runs_and_the_model_sees_its_output(env):
    result = env.step(CODE)
    assert (result.kind, result.stop) == ("execute", None)
    assert result.observation == "```output\n42\n```\n"
    assert env.episode.transcript.text.endswith(CODE + result.observation)
    assert env.episode.executions == (result.execution,)
    assert sources(env) == ["prompt", "model", "tool"]


def test_a_boxed_answer_at_the_end_of_the_turn_ends_the_episode(env):
    env.step(CODE)
    result = env.step("So it is \\boxed{42}.")
    assert (result.kind, result.stop) == ("stop", "answer")
    assert env.episode.stop == "answer"
    assert env.act() == result


def test_a_boxed_answer_within_a_turn_does_not_end_the_episode(env, renderer):
    assert env.step(generation(renderer, "I guess \\boxed{1}.\n```\nmin x\n```\n")).kind == "continue"
    assert env.step("Better: \\boxed{2}").stop == "answer"
    assert read_answer(env.episode.transcript).value == 2


def test_a_boxed_answer_before_a_program_does_not_count(env):
    assert env.step("\\boxed{1}\n" + CODE).kind == "execute"
    assert env.step("I have nothing to add.").stop == "malformed"


def test_a_turn_that_ends_without_an_answer_is_malformed(env):
    assert env.step("I do not know.").stop == "malformed"


@pytest.mark.parametrize("text", ["```python\nprint(1)", "\\boxed{3}\n```python\nprint(1)"])
def test_an_unclosed_program_at_the_end_of_the_turn_is_run(env, renderer, text):
    result = env.step(generation(renderer, text, "end", end=True))
    assert (result.kind, result.observation) == ("execute", "\n```output\n1\n```\n")
    assert env.episode.transcript.ids[-1] != 0, "the turn is open again"
    assert env.step("So \\boxed{1}.").stop == "answer"


def test_an_unclosed_program_without_code_is_malformed(env, sandbox):
    assert env.step("```python\n\n").stop == "malformed"
    assert sandbox.codes == []


def test_a_stop_string_inside_a_program_lets_the_model_continue(env, renderer):
    assert env.step(generation(renderer, "```python\nx = 1  # like ```\n")).kind == "continue"
    assert env.step(generation(renderer, "y = '''\n```output")).kind == "continue"
    assert env.step(generation(renderer, "\n'''\nprint(x)\n```\n")).execution.stdout == "1\n"
    assert len(env.episode.executions) == 1


def test_a_program_with_an_open_string_fails_where_the_model_sees_it(env, renderer):
    assert env.step(generation(renderer, "```python\nx = '''\n```\n")).kind == "continue"
    result = env.step(generation(renderer, "It prints 5.\n\\boxed{5}", "end", end=True))
    assert result.execution.code == "x = '''\n"
    assert "SyntaxError: unterminated triple-quoted string" in result.observation
    assert env.episode.transcript.text.endswith(f"```python\nx = '''\n```\n{result.observation}")


def test_a_program_before_a_forged_output_block_is_run(env, renderer):
    result = env.step(generation(renderer, "```python\nprint(6 * 7)\n\n```output"))
    assert (result.kind, result.execution.stdout) == ("execute", "42\n")
    assert "```python\nprint(6 * 7)\n\n```output\n42\n```\n" in env.episode.transcript.text


def test_text_after_a_closing_fence_on_its_line_is_removed(sandbox, plain_renderer, problem):
    env = SolverEnv(sandbox, plain_renderer)
    env.reset(problem)
    result = env.step("```python\nprint(6 * 7)\n```</think>\nSo \\boxed{41}.")
    assert result.execution.stdout == "42\n"
    assert env.episode.transcript.text.endswith("print(6 * 7)\n```\n```output\n42\n```\n")


def test_reaching_the_token_limit_stops_with_length(env, renderer):
    assert env.step(generation(renderer, "On and on \\boxed{1}", "length")).stop == "length"


def test_a_complete_program_at_the_last_token_still_runs(env, renderer):
    assert env.step(generation(renderer, CODE, "length")).kind == "execute"


def test_an_observation_that_reaches_the_token_limit_stops_with_length(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer)
    env.reset(problem)
    env.max_tokens = env.episode.transcript.count() + len(renderer.encode(CODE)[0]) + 2
    result = env.step(generation(renderer, CODE))
    assert (result.kind, result.stop) == ("stop", "length")
    assert result.execution.stdout == "42\n"
    assert len(env.episode.executions) == 1
    assert env.remaining == 0


def test_a_question_that_fills_the_token_limit_stops_with_length(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, max_tokens=5)
    assert env.reset(problem).stop == "length"


def test_exceeding_the_execution_limit_stops_with_budget(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, max_executions=2)
    env.reset(problem)
    assert "last run" not in env.step(CODE).observation
    assert "last run" in env.step(CODE).observation
    assert env.step(CODE).stop == "budget"
    assert len(sandbox.codes) == 2


def test_a_sandbox_failure_stops_with_infrastructure(env, sandbox):
    sandbox.down = True
    result = env.step(CODE)
    assert (result.stop, result.observation, result.execution) == ("infrastructure", "the workers are gone", None)
    assert sources(env) == ["prompt", "model"]


def test_a_failing_program_shows_its_traceback_and_the_episode_continues(env):
    result = env.step("```python\nprint('before')\n1 / 0\n```\n")
    assert result.kind == "execute"
    assert result.observation.startswith("```output\nbefore\nTraceback")
    assert result.observation.endswith("ZeroDivisionError: division by zero\n```\n")


def test_text_after_the_first_program_is_removed(env, renderer):
    text = CODE + "```output\n43\n```\nSo \\boxed{43}."
    env.write(generation(renderer, text, "end", end=True))
    span = env.episode.transcript.spans[-1]
    assert span.text == CODE
    assert span.ids == renderer.encode(CODE)[0]
    assert span.finish is None
    assert env.act().execution.stdout == "42\n"


def test_a_forged_output_block_is_removed(env, renderer):
    assert env.step(generation(renderer, "It would print\n```output", "stop")).kind == "continue"
    assert env.episode.transcript.spans[-1].text == "It would print\n"


def test_an_answer_to_forged_output_does_not_count(env, renderer):
    text = "It would print\n```output\n43\n```\nSo \\boxed{43}."
    assert env.step(generation(renderer, text, "end", end=True)).kind == "continue"
    assert env.episode.transcript.model_text == "It would print\n"


def test_only_forged_output_is_malformed(env, renderer):
    env.step(generation(renderer, "It would print\n```output", "stop"))
    assert env.step(generation(renderer, "```output", "stop")).stop == "malformed"


@pytest.mark.parametrize(("finish", "stop"), [("end", "malformed"), ("stop", "malformed"), ("length", "length")])
def test_an_empty_text_ends_the_episode(env, finish, stop):
    assert env.step(Generation(text="", ids=(), ends=(), finish=finish)).stop == stop


def test_a_turn_that_ends_with_a_program_continues_after_its_output(env, renderer):
    env.step(generation(renderer, CODE, "end", end=True))
    assert env.episode.transcript.spans[1].ids == renderer.encode(CODE)[0]
    assert env.episode.transcript.spans[2].source == "tool"


def test_the_final_end_of_turn_token_is_kept(env, renderer):
    env.step(generation(renderer, "\\boxed{1}", "end", end=True))
    assert env.episode.transcript.ids[-1] == 0
    assert loss_mask(env.episode.transcript, "rl")[-1] == 1


def test_a_token_across_the_end_of_a_program_is_kept(env):
    pieces = ["```python\n", "1", "\n", "```\n!", "\\boxed{1}"]
    text = "".join(pieces)
    ends = tuple(len("".join(pieces[: n + 1])) for n in range(len(pieces)))
    env.write(Generation(text=text, ids=tuple(range(5)), ends=ends, finish="stop"))
    span = env.episode.transcript.spans[-1]
    assert (span.text, span.ids) == ("```python\n1\n```\n!", (0, 1, 2, 3))
    result = env.act()
    assert result.execution.code == "1\n"
    assert result.observation.startswith("\n```output\n(no output)")


def test_a_closing_fence_and_line_breaks_may_share_a_token(env, renderer):
    text = "```python\nprint(1)\n```\n\n"
    env.write(generation(renderer, text))
    assert env.episode.transcript.spans[-1].text == text


def test_a_hint_replaces_the_flaw(env, renderer):
    env.write(generation(renderer, "First a plan. Now 6 times 7 is 41, by hand.\n", "stop"))
    before = env.episode.transcript
    intervention = env.intervene(finding(env, "Now 6"), "Let me use code instead.")
    transcript = env.episode.transcript
    assert transcript.text.endswith("First a plan. Let me use code instead.\n")
    assert intervention.removed == "Now 6 times 7 is 41, by hand.\n"
    assert transcript.text[: intervention.cut] == before.text[: intervention.cut]
    kept = transcript.count() - transcript.count("hint")
    assert transcript.ids == before.ids[:kept] + renderer.encode("Let me use code instead.\n")[0]
    assert sources(env) == ["prompt", "model", "hint"]


def test_a_second_hint_at_the_same_place_replaces_the_first(env, renderer):
    before = env.episode.transcript.text
    for hint in ("First hint.", "Second hint."):
        env.write(generation(renderer, "By hand then. "))
        env.intervene(finding(env, "By hand"), hint)
    assert env.episode.transcript.text == f"{before}Second hint.\n"
    assert sources(env) == ["prompt", "hint"]
    assert env.episode.interventions[1].removed == "First hint.\nBy hand then. "
    assert len(env.episode.interventions) == 2


def test_a_hint_starts_on_a_new_line(env, renderer):
    env.write(generation(renderer, "The sum is 41", "stop"))
    env.intervene(finding(env, " is 41"), "Wait.")
    assert env.episode.transcript.text.endswith("The sum\nWait.\n")


def test_a_hint_is_in_tags_if_the_model_gets_it_as_a_turn(sandbox, renderer, problem):
    renderer.hint_marks = ("<hint>", "</hint>")
    env = SolverEnv(sandbox, renderer)
    env.reset(problem)
    env.write(generation(renderer, "The sum is 41", "stop"))
    assert env.intervene(finding(env, " is 41"), " Wait.\n").hint == "Wait."
    assert env.episode.transcript.text.endswith("The sum\n<hint>Wait.</hint>\n")
    env.write(generation(renderer, "By hand then.", "stop"))
    env.intervene(finding(env, "By hand"), "Again.")
    assert env.episode.transcript.text.endswith("The sum\n<hint>Again.</hint>\n")


def test_a_flaw_in_a_program_removes_its_block_and_execution(env):
    env.step(CODE)
    env.step("And again.\n```python\nprint(1)\n```\n")
    intervention = env.intervene(finding(env, "print(1)"), "Again, with care.")
    assert len(env.episode.executions) == 1
    assert intervention.removed.startswith("```python\nprint(1)")
    assert intervention.removed.endswith("1\n```\n")
    assert env.episode.transcript.text.endswith("And again.\nAgain, with care.\n")


def test_a_flaw_in_output_removes_the_program_that_printed_it(env):
    env.step(CODE)
    env.intervene(finding(env, "42\n"), "Again.")
    assert env.episode.transcript.text.endswith("Let me compute.\nAgain.\n")
    assert env.episode.executions == ()


def test_a_flaw_after_the_output_keeps_the_execution(env):
    env.step(CODE)
    env.step("I doubt that. \\boxed{41}")
    assert env.episode.stop == "answer"
    env.intervene(finding(env, "I doubt", "solver_distrust"), "The solver proved it.")
    assert env.episode.stop is None
    assert len(env.episode.executions) == 1
    assert env.step("\\boxed{42}").stop == "answer"


def test_a_flaw_in_an_unclosed_block_removes_the_block(env, renderer):
    env.step(generation(renderer, "Plan.\n```python\nx = 1\ny = 2", "length"))
    env.intervene(finding(env, "y = 2"), "Shorter.")
    assert env.episode.transcript.text.endswith("Plan.\nShorter.\n")


def test_a_flaw_in_a_displayed_formula_removes_the_line_that_leads_to_it(env, renderer):
    env.write(generation(renderer, "Two foods.\n- Protein:\n  \\[\n  14x \\geq 74\n  \\]\n", "stop"))
    env.intervene(finding(env, "14x"), "I add up one resource.")
    assert env.episode.transcript.text.endswith("Two foods.\nI add up one resource.\n")


def test_replayed_text_equals_written_text_and_has_no_output_of_its_own(env, renderer):
    before = env.snapshot()
    env.write(CODE)
    span = env.episode.transcript.spans[-1]
    env.restore(before)
    env.replay(span)
    assert env.episode.transcript.spans[-1] == span
    env.restore(before)
    env.replay(Span(source="model", text=f"{CODE}```output\n7\n```\n\\boxed{{7}}"))
    assert env.episode.transcript.text == before.transcript.text + span.text
    with pytest.raises(ValueError, match="tool"):
        env.replay(Span(source="tool", text="```output\n7\n```\n"))


def test_removed_interventions_stay_recorded(env, renderer):
    env.write(generation(renderer, "One. Two. Three.", "stop"))
    env.intervene(finding(env, "Three"), "First hint.")
    env.intervene(finding(env, "Two"), "Second hint.")
    assert [one.hint for one in env.episode.interventions] == ["First hint.", "Second hint."]
    assert "First hint." not in env.episode.transcript.text


def test_an_intervention_in_the_prompt_or_without_a_hint_is_an_error(env, renderer):
    env.write(generation(renderer, "One.", "stop"))
    with pytest.raises(ValueError, match="offset 3 "):
        env.intervene(Finding(trigger="wrong_formulation", offset=3, evidence=""), "Hint.")
    with pytest.raises(ValueError, match="hint is empty"):
        env.intervene(finding(env, "One"), "  ")


def test_an_episode_continues_from_a_snapshot_in_another_environment(env, sandbox, renderer):
    env.write(generation(renderer, "All by hand: \\boxed{42}", "end", end=True))
    other = SolverEnv(sandbox, renderer)
    other.restore(from_json(type(env.snapshot()), to_json(env.snapshot())))
    assert other.act().stop == "answer"
    assert env.episode.stop is None
    assert env.act().stop == "answer"
    assert env.episode == other.episode


def test_a_snapshot_keeps_a_pending_program(env, sandbox, renderer):
    env.write(CODE)
    other = SolverEnv(sandbox, renderer)
    other.restore(env.snapshot())
    assert other.act().execution.stdout == "42\n"


def test_environment_works_without_token_ids(sandbox, plain_renderer, problem):
    env = SolverEnv(sandbox, plain_renderer)
    env.reset(problem)
    env.step(CODE + "and more")
    env.intervene(finding(env, "Let me"), "Hint.")
    env.step(CODE)
    assert env.step("\\boxed{42}").stop == "answer"
    assert env.episode.transcript.ids is None
    assert env.remaining < 2000


def test_usage_counts_tokens_and_seconds(env, renderer):
    env.step(generation(renderer, CODE), seconds=1.5)
    env.step(generation(renderer, "By hand.", "stop"), seconds=0.5)
    env.intervene(finding(env, "By hand"), "Now a hint.")
    usage, transcript = env.episode.usage, env.episode.transcript
    assert usage.model_tokens == len(renderer.encode(CODE)[0])
    assert usage.hint_tokens == len(renderer.encode("Now a hint.\n")[0])
    assert usage.model_tokens + usage.tool_tokens + usage.hint_tokens + transcript.count("prompt") == transcript.count()
    assert usage.generation_seconds == 2.0
    assert usage.execution_seconds > 0


def test_limits_are_passed_to_the_sandbox(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, limits=Limits(seconds=3))
    env.reset(problem)
    env.step(CODE)
    assert sandbox.limits_seen == [Limits(seconds=3)]


@pytest.mark.parametrize("setting", [{"max_executions": -1}, {"max_tokens": 0}])
def test_error_for_an_invalid_setting_names_it(sandbox, renderer, setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SolverEnv(sandbox, renderer, **setting)


def test_tool_calls_are_executed(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, protocol=ToolCall())
    env.reset(problem)
    call = '<tool_call>\n{"name": "run_python", "arguments": {"code": "print(6 * 7)"}}\n</tool_call>'
    result = env.step(call)
    assert result.observation == "\n<tool_response>\n42\n</tool_response>\n"
    assert env.step("\\boxed{42}").stop == "answer"


MALFORMED = '<tool_call>\n{"name": "search", "arguments": {"code": "x"}}\n</tool_call>'


@pytest.mark.parametrize("protocol", [Inline(), ToolCall()], ids=["inline", "tool_call"])
def test_a_malformed_call_gets_an_error_message_and_nothing_runs(sandbox, renderer, problem, protocol):
    env = SolverEnv(sandbox, renderer, protocol=protocol, max_executions=2)
    env.reset(problem)
    result = env.step(MALFORMED)
    assert (result.kind, sandbox.codes) == ("execute", [])
    execution = result.execution
    assert (execution.status, execution.backend, execution.ran) == ("malformed_call", "none", False)
    assert (execution.code, execution.exit_code, execution.signal) == (MALFORMED, None, None)
    assert 'there is no tool "search", only run_python. Nothing ran.' in result.observation
    assert result.observation.count("\n") == 4, "between the lines before and after, the message has one line"
    assert from_json(Episode, to_json(env.episode)) == env.episode
    assert "last run" in env.step(MALFORMED).observation, "malformed calls count as executions"
    assert env.step(MALFORMED).stop == "budget"


def test_a_malformed_call_is_answered_at_the_end_of_the_turn(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, protocol=ToolCall())
    env.reset(problem)
    assert env.step(generation(renderer, '<tool_call>{"name": "run_python", "arg', "end", end=True)).kind == "execute"
    assert env.episode.executions[0].status == "malformed_call"
    assert env.step("\\boxed{42}").stop == "answer"


@pytest.mark.parametrize("tokens", [True, False])
def test_the_plain_loop_runs_a_whole_episode(sandbox, renderer, plain_renderer, problem, script, tokens):
    reasoner = script(CODE, "So \\boxed{42}.", renderer=renderer if tokens else plain_renderer)
    env = SolverEnv(sandbox, reasoner)
    episode = run_episode(env, reasoner, problem, seed=3)
    assert episode.stop == "answer"
    assert read_answer(episode.transcript).value == 42
    assert (episode.transcript.ids is not None) == tokens
    second = reasoner.calls[1]["prompt"]
    assert second == (episode.transcript.ids[: len(second)] if tokens else episode.transcript.text[: len(second)])
    assert reasoner.calls[0]["sampling"].seed != reasoner.calls[1]["sampling"].seed
    assert reasoner.calls[0]["stop"] == env.protocol.stop


def test_the_plain_loop_limits_generation_to_the_remaining_tokens(sandbox, renderer, problem, script):
    reasoner = script("word " * 100)
    env = SolverEnv(sandbox, reasoner, max_tokens=300)
    episode = run_episode(env, reasoner, problem)
    assert episode.stop == "length"
    assert episode.transcript.count() == 300


def test_earlier_turns_are_between_the_instructions_and_the_question(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer)
    plain = env.reset(problem).transcript.text
    before = [{"role": "user", "content": "How many tables?"}, {"role": "assistant", "content": "Seven."}]
    instructions, question = plain.split("<user>")
    asked = env.reset(problem, before).transcript
    assert asked.text == f"{instructions}<user>How many tables?<assistant>Seven.<user>{question}"
    assert [span.source for span in asked.spans] == ["prompt"]
    assert env.reset(problem).transcript.text == plain


def test_earlier_turns_come_first_without_instructions(sandbox, renderer, problem):
    renderer.instructions = ""
    text = SolverEnv(sandbox, renderer).reset(problem, [{"role": "user", "content": "Hello."}]).transcript.text
    assert text.startswith("<user>Hello.<user>How many chairs?")


@pytest.mark.parametrize("role", ["system", "tool", ""])
def test_an_earlier_turn_with_another_role_is_an_error(env, problem, role):
    before = env.snapshot()
    with pytest.raises(ValueError, match=r"before\[1\] has role .*; give \"user\" or \"assistant\""):
        env.reset(problem, [{"role": "user", "content": "a"}, {"role": role, "content": "b"}])
    assert env.snapshot() == before


@pytest.mark.parametrize("files", [{"../data.csv": b""}, {"data.csv": "text"}, {"data.csv": bytes(2 << 20)}])
def test_invalid_input_files_are_errors_before_any_execution(sandbox, renderer, files):
    with pytest.raises(ValueError, match=r"data\.csv"):
        SolverEnv(sandbox, renderer, limits=Limits(file_mb=1), files=files)


def test_a_prompt_that_is_too_long_for_the_server_is_a_result_of_its_problem(env, renderer, problem):
    class Full:
        sampling = Sampling()

        def generate(self, prompt, **request):
            raise ContextLengthError("the server counts 5,000 tokens, and holds 4,096")

    episode = run_episode(env, Full(), problem)
    assert (episode.stop, len(episode.transcript.spans)) == ("context", 1)
    assert (score(episode).reward, score(episode).reason) == (0.0, "context")


def test_a_loop_ends_the_episode(env, renderer):
    result = env.step(generation(renderer, "So we try again. " * 60, "repetition"))
    assert (result.kind, result.stop, env.episode.transcript.spans[-1].finish) == ("stop", "repetition", "repetition")


def test_a_loop_over_many_segments_ends_the_episode(env, renderer):
    steps = 1
    while env.step(generation(renderer, "And so it prints\n```\n")).kind == "continue":
        steps += 1
    assert env.episode.stop == "repetition"
    assert 4 <= steps < 12


def test_a_turn_that_ends_by_itself_is_read_whatever_it_repeats(env):
    assert env.step("So we try again. " * 60 + "\\boxed{42}").stop == "answer"


def test_a_program_that_failed_twice_is_not_run_a_third_time(env, sandbox):
    failing = "```python\n1 / 0\n```\n"
    assert [env.step(failing).stop for _ in range(3)] == [None, None, "repetition"]
    assert len(env.episode.executions) == 2


def test_programs_that_work_or_differ_may_be_repeated(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, max_executions=9)
    env.reset(problem)
    failing = "```python\n1 / 0\n```\n"
    assert [env.step(text).stop for text in (CODE, CODE, CODE, failing, CODE, failing, failing)] == [None] * 7


def test_text_without_ids_is_counted_with_the_tokenizer_or_else_estimated(sandbox, renderer, plain_renderer, problem):
    text = "12345678 87654321 "
    for chosen, tokens in ((renderer, len(renderer.encode(text)[0])), (plain_renderer, estimate_tokens(text))):
        env = SolverEnv(sandbox, chosen, max_tokens=500)
        env.reset(problem)
        before = env.remaining
        env.write(Generation(text=text, finish="length"))
        assert before - env.remaining == env.episode.usage.model_tokens == tokens
