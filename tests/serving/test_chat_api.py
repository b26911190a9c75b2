"""Chat completions with OpenAI's own client, over real HTTP: thoughts, programs that run, answers, conversations."""

import base64

import openai
import pytest

from storm_calm.env.token_estimate import estimate_tokens

QUESTION = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit? [[solve]]"


def asked(client, question, **fields):
    return client.chat.completions.create(model="storm", messages=[{"role": "user", "content": question}], **fields)


def test_a_problem_is_solved_by_an_executed_program(client):
    answer = asked(client, QUESTION)
    choice = answer.choices[0]
    assert choice.message.content.startswith("The largest profit is **120**.\n\nThe plan:\n\n| Variable | Value |\n")
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


def test_a_stream_equals_the_complete_response(client):
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
    # The server disconnects from the first segment at its program, before the upstream sends a count. That count is
    # estimated.
    counted = estimate_tokens(first["prompt"]) + len(second["prompt"]) / 4
    assert answer.usage.prompt_tokens == pytest.approx(counted, abs=2)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens_details.reasoning_tokens < answer.usage.completion_tokens


def test_the_prompt_has_earlier_turns_without_their_thoughts(client, upstream):
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
def test_programs_can_read_files_of_the_request(client, way, upstream):
    data = "product,cost\nchair,3\n"
    if way == "part":
        encoded = base64.b64encode(data.encode()).decode()
        file = {"filename": "costs.csv", "file_data": f"data:text/csv;base64,{encoded}"}
        content = [{"type": "text", "text": "What does it cost? [[file]]"}, {"type": "file", "file": file}]
        answer = asked(client, content)
    else:
        answer = asked(client, "What does it cost? [[file]]", extra_body={"storm": {"files": {"costs.csv": data}}})
    assert answer.choices[0].message.content.startswith("The file says product,cost\nchair,3")
    assert "- costs.csv: CSV, 1 row, 2 columns, 21 bytes" in upstream.asked[-1]["prompt"]


SCHEMA = {"type": "object", "required": ["chairs"], "properties": {"chairs": {"type": "integer"}}}


def test_wanted_outputs_are_in_the_answer(client, upstream):
    wanted = [{"path": "plan.json", "schema": SCHEMA}]
    answer = asked(client, "How many chairs? [[plan]]", extra_body={"storm": {"outputs": wanted}})
    assert answer.storm["outputs"] == {"files": {"plan.json": '{"chairs": 40}'}, "missing": []}
    assert (
        "write the result to the file plan.json in the working directory, as JSON with this"
        in upstream.asked[-1]["prompt"]
    )
    assert "outputs" not in asked(client, QUESTION).storm


def test_outputs_that_do_not_fit_are_named(client):
    wanted = [{"path": "plan.json", "schema": {"required": ["tables"]}}, {"path": "log.txt"}]
    answer = asked(client, "How many chairs? [[plan]]", extra_body={"storm": {"outputs": wanted}})
    missing = ["plan.json does not fit its schema at $: 'tables' is a required property", "no program wrote log.txt"]
    assert answer.storm["outputs"] == {"files": {}, "missing": missing}


@pytest.mark.parametrize(
    ("wanted", "param", "message"),
    [
        ({"path": "../plan.json"}, "storm.outputs.0.path", "is not a file name"),
        ({"path": "main.py"}, "storm.outputs.0.path", "is the name of the program itself"),
        ({"path": "p.json", "schema": {"type": "plan"}}, "storm.outputs.0.schema", "the schema is invalid"),
        (
            {"path": "p.json", "schema": {"$ref": "#"}},
            "storm.outputs.0.schema",
            "the schema refers to #; refer to its $defs",
        ),
        ({"path": "p.json", "schema": {"items": {"pattern": "(a+)+$"}}}, "storm.outputs.0.schema", "keyword pattern"),
        ({"path": "p.json", "schema": {"title": "x" * 20000}}, "storm.outputs.0.schema", "over 16384 bytes"),
    ],
)
def test_unusable_outputs_are_rejected(client, wanted, param, message):
    with pytest.raises(openai.BadRequestError) as caught:
        asked(client, QUESTION, extra_body={"storm": {"outputs": [wanted]}})
    assert caught.value.param == param
    assert message in caught.value.message


def test_the_answer_may_be_infeasible(client):
    answer = asked(client, "Plan it. [[infeasible]]")
    assert answer.storm["answer"] == {"value": None, "status": "infeasible"}
    assert "No plan meets all demands" in answer.choices[0].message.content
    # The solver found an optimum, so the answer is not backed and has a note.
    assert answer.storm["backed"] is False
    assert (
        "The last solve contradicts this answer: GLOP reported optimal with objective 120."
        in answer.choices[0].message.content
    )


def test_a_question_from_the_model_is_returned(client):
    answer = asked(client, "What is the largest profit? [[asks]]")
    assert answer.choices[0].message.content == "The question does not say how many hours there are."
    assert (answer.storm["answer"], answer.storm["stop"]) == (None, "malformed")


def test_invented_data_is_reported(client):
    answer = asked(client, "A workshop makes chairs that earn 3 each. What is the largest profit? [[solve]]")
    assert "numbers that you did not give (40)" in answer.choices[0].message.content


def test_unclosed_thoughts_become_the_answer(client):
    answer = asked(client, "What is it? [[thinks]]")
    assert "the answer is **7**" in answer.choices[0].message.content


def test_reaching_the_execution_limit_is_reported(client):
    answer = asked(client, "What is it? [[budget]]")
    assert answer.choices[0].message.content.startswith("No answer: 4 programs ran")
    assert answer.storm["stop"] == "budget"
    assert len(answer.storm["executions"]) == 4


def test_reasoning_effort_sets_the_execution_limit(client):
    assert len(asked(client, "[[budget]]", reasoning_effort="low").storm["executions"]) == 2
    assert len(asked(client, "[[budget]]", reasoning_effort="high").storm["executions"]) == 8


def test_max_tokens_ends_with_finish_reason_length(client):
    answer = asked(client, QUESTION, max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content.startswith("No answer: the tokens")
    assert answer.usage.completion_tokens <= 5


def test_sampling_parameters_are_passed_to_the_model(client, upstream):
    asked(client, QUESTION, temperature=0.25, top_p=0.5, seed=7)
    one = upstream.asked[-1]
    asked(client, QUESTION, seed=7)
    other = upstream.asked[-1]
    assert (one["temperature"], one["top_p"]) == (0.25, 0.5)
    assert one["seed"] == other["seed"]
    asked(client, QUESTION)
    assert upstream.asked[-1]["seed"] != other["seed"]


def test_a_stop_string_applies_to_the_answer_only(client):
    answer = asked(client, QUESTION, stop=["profit", "I compute"])
    assert answer.choices[0].message.content == "The largest "
    assert "I compute it." in answer.choices[0].message.reasoning
    assert answer.choices[0].finish_reason == "stop"


def test_a_seed_gives_the_same_answer(nano, families_question):
    with openai.OpenAI(base_url=nano.url, api_key="none") as client:
        one, same, other = (asked(client, families_question, seed=seed, temperature=1) for seed in (5, 5, 6))
    texts = [answer.choices[0].message.reasoning + answer.choices[0].message.content for answer in (one, same, other)]
    assert texts[0] == texts[1] != texts[2]
    assert one.usage == same.usage
    assert one.usage.prompt_tokens > 0


def test_the_plan_its_check_and_files_are_in_the_answer(client):
    answer = asked(client, QUESTION, extra_body={"storm": {"return_files": True}})
    storm = answer.storm
    assert storm["plan"] == {
        "objective": 120.0,
        "sense": "maximize",
        "variables": {"x": 40.0},
        "zero": 0,
        "left_out": 0,
    }
    assert (storm["check"]["outcome"], storm["check"]["confirmed"]) == ("passed", "HiGHS")
    assert storm["explanation"][0].startswith("Checked: the plan keeps all limits of its model")
    assert storm["files"]["plan.csv"] == "variable,value\nx,40\n"
    assert set(storm["files"]) == {"plan.csv", "program.py", "model.mps", "model.lp", "examination.json"}
    assert "from ortools" in storm["files"]["program.py"]
    assert "files" not in asked(client, QUESTION).storm
