"""The Responses API with OpenAI's own client: thoughts, programs and the answer as items, and events as they happen."""

import base64

import openai
import pytest

QUESTION = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit? [[solve]]"

ANSWER = "The largest profit is **120**."


def test_a_response_lists_thoughts_programs_and_the_answer(client):
    response = client.responses.create(model="storm", input=QUESTION)
    assert [item.type for item in response.output] == ["reasoning", "code_interpreter_call", "reasoning", "message"]
    thought, call, after, message = response.output
    assert thought.content[0].text == "I compute it.\n"
    assert call.code.startswith("from ortools.linear_solver import pywraplp\n")
    assert "```" not in call.code
    assert (call.status, call.outputs[0].logs) == ("completed", "120.0\n")
    assert call.storm["reports"][0]["objective"] == 120.0
    assert after.content[0].text == "It is optimal.\n"
    assert response.output_text.startswith(f"{ANSWER}\n\nThe plan:\n\n| Variable | Value |\n")
    assert (response.status, message.status) == ("completed", "completed")
    assert response.usage.output_tokens > response.usage.output_tokens_details.reasoning_tokens > 0
    assert response.storm["answer"]["value"] == 120.0


def test_events_add_up_to_the_response(client):
    with client.responses.stream(model="storm", input=QUESTION) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    order = [kind for kind in kinds if "code_interpreter" in kind and "delta" not in kind]
    assert order == [
        "response.code_interpreter_call.in_progress",
        "response.code_interpreter_call_code.done",
        "response.code_interpreter_call.interpreting",
        "response.code_interpreter_call.completed",
    ]
    code = "".join(event.delta for event in events if event.type == "response.code_interpreter_call_code.delta")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert code == done[1].code == final.output[1].code
    assert text == final.output_text
    assert text.startswith(ANSWER)
    assert [item.id for item in done] == [item.id for item in final.output]
    added = [event for event in events if event.type == "response.output_item.added"]
    assert [event.output_index for event in added] == [0, 1, 2, 3]


def test_a_conversation_continues_with_the_items_of_an_earlier_response(client, upstream):
    first = client.responses.create(model="storm", instructions="Be short.", input=QUESTION)
    history = [{"role": "user", "content": QUESTION}, *(item.model_dump() for item in first.output)]
    again = client.responses.create(model="storm", input=[*history, {"role": "user", "content": "And now? [[chat]]"}])
    prompt = upstream.asked[-1]["prompt"]
    assert f"<|im_start|>assistant\n{ANSWER}\n" in prompt
    assert "I compute it." not in prompt
    assert "| user: And now? [[chat]]" in again.output_text


def test_files_can_be_sent_with_the_input(client):
    encoded = base64.b64encode(b"chair,3").decode()
    parts = [
        {"type": "input_text", "text": "What is in it? [[file]]"},
        {"type": "input_file", "filename": "costs.csv", "file_data": f"data:text/csv;base64,{encoded}"},
    ]
    response = client.responses.create(model="storm", input=[{"role": "user", "content": parts}])
    assert "chair,3" in response.output_text


def test_reaching_the_token_limit_gives_status_incomplete(client):
    response = client.responses.create(model="storm", input=QUESTION, max_output_tokens=5)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    with client.responses.stream(model="storm", input=QUESTION, max_output_tokens=5) as stream:
        assert list(stream)[-1].type == "response.incomplete"


def test_a_failing_model_is_an_http_error_or_a_failed_event(client):
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model="storm", input="[[400]]", stream=True)
    assert caught.value.status_code == 502
    events = list(client.responses.create(model="storm", input="[[half]] 40 hours", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "failed"
    assert "retry" in events[-1].response.error.message
