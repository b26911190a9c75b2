"""Unsupported fields are rejected in OpenAI's error format with the field's name. Irrelevant fields are ignored."""

import base64

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

USER = {"role": "user", "content": "What is it? [[chat]]"}
CHAT, RESPONSES = "/chat/completions", "/responses"


def shaped(response, status, param=None):
    """Check an error's format. Return its message."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert isinstance(error["message"], str)
    assert len(error["message"]) < 600
    return error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("function_call", {"name": "f"}),
        ("tools", 7),
        ("response_format", "json"),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy"}),
        ("logit_bias", {"50256": -100}),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("temperature", 3),
        ("temperature", "hot"),
        ("top_p", 0),
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("seed", 1.5),
        ("stop", ""),
        ("reasoning_effort", "enormous"),
        ("messages", []),
        ("stream", "perhaps"),
    ],
)
def test_unsupported_chat_fields_are_rejected(post, field, value):
    shaped(post(CHAT, {"model": "storm", "messages": [USER], field: value}), 400, field)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "tool", "content": "4", "tool_call_id": "1"}, "messages.1.role"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "messages.1.content.0"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "messages.1.content.0"),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "1"}}]},
            "messages.1.content.0.file.file_id",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"filename": "../a", "file_data": ""}}]},
            "messages.1.content.0.file.filename",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a", "file_data": "?"}}]},
            "messages.1.content.0.file.file_data",
        ),
        ({"role": "assistant", "content": "I begin"}, "messages"),
        ({"role": "user", "content": " "}, "messages"),
        ({"role": "user"}, "messages"),
    ],
)
def test_error_for_an_unsupported_message_has_its_path(post, message, param):
    shaped(post(CHAT, {"model": "storm", "messages": [USER, message]}), 400, param)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("store", "perhaps"),
        ("background", "perhaps"),
        ("prompt", {"id": "p"}),
        ("tool_choice", {"type": "web_search"}),
        ("text", "json"),
        ("top_logprobs", 1),
        ("input", []),
        ("max_output_tokens", 0),
    ],
)
def test_unsupported_responses_fields_are_rejected(post, field, value):
    shaped(post(RESPONSES, {"model": "storm", "input": "What is it?", field: value}), 400, field)


def test_irrelevant_fields_are_ignored(post):
    ignored = {
        "user": "ana",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
        "parallel_tool_calls": True,
        "n": 1,
        "logprobs": False,
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "auto",
        "presence_penalty": 0,
        "something_new": {"x": 1},
    }
    assert post(CHAT, {"model": "storm", "messages": [USER], **ignored}).status_code == 200


def test_an_unknown_model_is_404(post):
    assert "'gpt-5'" in shaped(post(CHAT, {"model": "gpt-5", "messages": [USER]}), 404, "model")
    assert "'gpt-5'" in shaped(post(RESPONSES, {"model": "gpt-5", "input": "What?"}), 404, "model")


def test_errors_for_other_paths_and_methods_have_the_same_format(served):
    with httpx.Client(base_url=served.url) as client:
        shaped(client.get("/nothing"), 404)
        shaped(client.get("/chat/completions"), 405)
        shaped(client.get("/models/none"), 404, "model")


def test_a_body_that_is_not_json_is_rejected(served):
    with httpx.Client(base_url=served.url) as client:
        json = {"content-type": "application/json"}
        assert "JSON" in shaped(client.post(CHAT, content="{", headers=json), 400)
        shaped(client.post(CHAT, content="[]", headers=json), 400)
        shaped(client.post(CHAT, content="{}", headers={"content-type": "text/plain"}), 415)
        shaped(client.post(CHAT, content="", headers=json), 400)
        shaped(client.post(CHAT, content="[" * 100_000, headers=json), 400)
        shaped(client.post(CHAT, content=b"\xff{}", headers=json), 400)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_finite_numbers_are_rejected(served, number):
    user = '{"role": "user", "content": "What is it? [[chat]]"}'
    body = f'{{"model": "storm", "messages": [{user}], "temperature": {number}}}'
    with httpx.Client(base_url=served.url) as client:
        message = shaped(client.post(CHAT, content=body, headers={"content-type": "application/json"}), 400)
    assert message.startswith("the body is not JSON")


def test_errors_do_not_repeat_long_input(post):
    message = shaped(post(CHAT, {"model": "storm", "messages": [USER], "seed": "x" * 10_000}), 400, "seed")
    assert "xxxx" not in message


@pytest.mark.parametrize("declared", [True, False])
def test_a_too_large_body_is_rejected_while_it_is_sent(served, declared):
    size = round(served.config.max_body_mb * 1_000_000) + 1

    def pieces():
        yield b'{"model": "storm", "messages": [{"role": "user", "content": "'
        for _ in range(size // 100_000 + 1):
            yield b"x" * 100_000
        yield b'"}]}'

    content = b"x" * size if declared else pieces()
    with httpx.Client(base_url=served.url) as client:
        shaped(client.post(CHAT, content=content, headers={"content-type": "application/json"}), 413)


def test_too_many_files_and_duplicate_names_are_rejected(post):
    files = {f"{number}.csv": "a" for number in range(21)}
    shaped(post(CHAT, {"model": "storm", "messages": [USER], "storm": {"files": files}}), 400, "messages")
    file = {"filename": "a.csv", "file_data": base64.b64encode(b"1").decode()}
    part = {"type": "file", "file": file}
    twice = {"role": "user", "content": [{"type": "text", "text": "What?"}, part, part]}
    assert "'a.csv'" in shaped(post(CHAT, {"model": "storm", "messages": [twice]}), 400, "messages")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        "messages",
        "stream",
        "stop",
        "seed",
        "storm",
        "temperature",
        "stream_options",
        "input",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([CHAT, RESPONSES]), field=FIELDS, value=VALUES)
def test_no_field_value_causes_a_server_error(post, path, field, value):
    body = {"model": "storm", "messages": [USER], "input": "What is it? [[chat]]", "max_tokens": 1, field: value}
    assert post(path, body).status_code < 500
