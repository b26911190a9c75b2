"""Chat completions with OpenAI's own client, over real HTTP: thoughts, programs that run, answers, conversations."""

import base64

import openai
import pytest

QUESTION = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit? [[solve]]"


def asked(client, question, **fields):
    return client.chat.completions.create(model="storm", messages=[{"role": "user", "content": question}], **fields)


def test_a_problem_is_solved_by_a_program_that_really_ran(client):
    answer = asked(client, QUESTION)
    choice = answer.choices[0]
    assert choice.message.content == "The largest profit is \\boxed{120.0}."
    assert choice.finish_reason == "stop"
    assert "```python\nfrom ortools" in choice.message.reasoning
    assert choice.message.reasoning == choice.message.reasoning_content
    assert choice.message.reasoning.endswith("```output\n120.0\n```\nIt is optimal.\n")
    storm = answer.storm
    assert storm["answer"] == {"value": 120.0, "status": "number"}
    assert storm["backed"] is True
    assert storm["notes"] == []
    (execution,) = storm["executions"]
    (report,) = execution["reports"]
    assert (report["solver"], report["status"], report["objective"]) == ("GLOP", "optimal", 120.0)


def test_a_stream_says_the_same_piece_by_piece(client):
    whole = asked(client, QUESTION, seed=1)
    chunks = list(asked(client, QUESTION, seed=1, stream=True, stream_options={"include_usage": True}))
    first, last, usage = chunks[0], chunks[-2], chunks[-1]
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert len({chunk.id for chunk in chunks}) == 1
    deltas = [chunk.choices[0].delta for chunk in chunks[:-1]]
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    thoughts = "".join(getattr(delta, "reasoning", None) or "" for delta in deltas)
    assert thoughts == whole.choices[0].message.reasoning
    assert len(chunks) > 10
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    ran = [chunk.storm["execution"] for chunk in chunks if "execution" in (getattr(chunk, "storm", None) or {})]
    assert [execution["stdout"] for execution in ran] == ["120.0\n"]
    assert last.storm["answer"]["value"] == 120.0
    assert (usage.choices, usage.usage.completion_tokens) == ([], whole.usage.completion_tokens)


def test_usage_is_the_sum_over_all_segments(client, upstream):
    answer = asked(client, QUESTION)
    first, second = upstream.asked[-2:]
    # The first segment is hung up on at its program, before the upstream tells its count: that is an estimate.
    assert answer.usage.prompt_tokens == pytest.approx((len(first["prompt"]) + len(second["prompt"])) / 4, abs=2)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens_details.reasoning_tokens < answer.usage.completion_tokens


def test_earlier_turns_are_part_of_the_prompt_and_earlier_thoughts_are_not(client, upstream):
    messages = [
        {"role": "system", "content": "Answer in short."},
        {"role": "user", "content": "What is the largest profit?"},
        {"role": "assistant", "content": "120."},
        {"role": "user", "content": "And with 50 more hours of labour? [[chat]]"},
    ]
    answer = client.chat.completions.create(model="storm", messages=messages)
    prompt = upstream.asked[-1]["prompt"]
    assert "<|im_start|>user\nAnswer in short.\n\nWhat is the largest profit?<|im_end|>" in prompt
    assert "<|im_start|>assistant\n120.<|im_end|>\n<|im_start|>user\nAnd with 50 more hours" in prompt
    assert prompt.endswith("<|im_start|>assistant\n<think>\n")
    assert answer.choices[0].message.content.endswith("And with 50 more hours of labour? [[chat]]")


@pytest.mark.parametrize("way", ["part", "storm"])
def test_programs_find_files_that_came_with_the_request(client, way, upstream):
    data = "product,cost\nchair,3\n"
    if way == "part":
        encoded = base64.b64encode(data.encode()).decode()
        file = {"filename": "costs.csv", "file_data": f"data:text/csv;base64,{encoded}"}
        content = [{"type": "text", "text": "What does it cost? [[file]]"}, {"type": "file", "file": file}]
        answer = asked(client, content)
    else:
        answer = asked(client, "What does it cost? [[file]]", extra_body={"storm": {"files": {"costs.csv": data}}})
    assert answer.choices[0].message.content.startswith("The file says product,cost\nchair,3")
    assert "- costs.csv: 1 rows, columns product, cost" in upstream.asked[-1]["prompt"]


def test_an_infeasible_problem_gets_an_answer_that_says_so(client):
    answer = asked(client, "Plan it. [[infeasible]]")
    assert answer.storm["answer"] == {"value": None, "status": "infeasible"}
    assert "No plan meets all demands" in answer.choices[0].message.content
    # The solver found an optimum: the answer is not backed, and says that, too.
    assert answer.storm["backed"] is False
    assert "No solver report stands behind this answer." in answer.choices[0].message.content


def test_a_question_back_is_an_answer(client):
    answer = asked(client, "What is the largest profit? [[asks]]")
    assert answer.choices[0].message.content == "The question does not say how many hours there are."
    assert (answer.storm["answer"], answer.storm["stop"]) == (None, "malformed")


def test_data_that_the_model_made_up_is_named(client):
    answer = asked(client, "A workshop makes chairs that earn 3 each. What is the largest profit? [[solve]]")
    assert "numbers that you did not give (40)" in answer.choices[0].message.content


def test_thoughts_without_an_end_are_the_answer_in_the_end(client):
    answer = asked(client, "What is it? [[thinks]]")
    assert "the answer is \\boxed{7}" in answer.choices[0].message.content


def test_programs_run_out_and_the_answer_says_so(client):
    answer = asked(client, "What is it? [[budget]]")
    assert answer.choices[0].message.content.startswith("No answer: 4 programs ran")
    assert answer.storm["stop"] == "budget"
    assert len(answer.storm["executions"]) == 4


def test_effort_is_a_budget_of_programs(client):
    assert len(asked(client, "[[budget]]", reasoning_effort="low").storm["executions"]) == 2
    assert len(asked(client, "[[budget]]", reasoning_effort="high").storm["executions"]) == 8


def test_max_tokens_ends_an_answer_with_length(client):
    answer = asked(client, QUESTION, max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content.startswith("No answer: the tokens")
    assert answer.usage.completion_tokens <= 5


def test_sampling_reaches_the_model(client, upstream):
    asked(client, QUESTION, temperature=0.25, top_p=0.5, seed=7)
    one = upstream.asked[-1]
    asked(client, QUESTION, seed=7)
    other = upstream.asked[-1]
    assert (one["temperature"], one["top_p"]) == (0.25, 0.5)
    assert one["seed"] == other["seed"]
    asked(client, QUESTION)
    assert upstream.asked[-1]["seed"] != other["seed"]


def test_a_stop_string_ends_the_answer_and_not_the_thoughts(client):
    answer = asked(client, QUESTION, stop=["profit", "I compute"])
    assert answer.choices[0].message.content == "The largest "
    assert "I compute it." in answer.choices[0].message.reasoning
    assert answer.choices[0].finish_reason == "stop"


def test_the_nano_model_gives_the_same_answer_for_the_same_seed(nano, families_question):
    with openai.OpenAI(base_url=nano.url, api_key="none") as client:
        one, same, other = (asked(client, families_question, seed=seed, temperature=1) for seed in (5, 5, 6))
    told = [answer.choices[0].message.reasoning + answer.choices[0].message.content for answer in (one, same, other)]
    assert told[0] == told[1] != told[2]
    assert one.usage == same.usage
    assert one.usage.prompt_tokens > 0
