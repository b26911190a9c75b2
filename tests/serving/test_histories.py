"""Conversations with the work of other models: their thoughts and tool calls are skipped, references are rejected.

Both APIs accept the same histories, as clients keep one and change the model or the API.
"""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHAT, RESPONSES = "/chat/completions", "/responses"
FIRST = {"role": "user", "content": "What is it?"}
LAST = {"role": "user", "content": "And now? [[chat]]"}


@pytest.fixture
def seen(post, upstream):
    """Return a function that sends a conversation to an API and returns the turns that the model sees."""

    def seen(path, messages):
        body = {"model": "storm", "messages" if path == CHAT else "input": messages}
        response = post(path, body)
        assert response.status_code == 200, response.text
        turns = upstream.asked[-1]["prompt"].split("<|im_start|>")[1:-1]
        pairs = [turn.removesuffix("\n").removesuffix("<|im_end|>").split("\n", 1) for turn in turns]
        return [(role, text) for role, text in pairs if role != "system"]

    return seen


@pytest.fixture
def rejected(post):
    """Return a function that sends a conversation to an API and returns the param and message of the error."""

    def rejected(path, messages):
        response = post(path, {"model": "storm", "messages" if path == CHAT else "input": messages})
        assert response.status_code == 400, response.text
        error = response.json()["error"]
        assert error["type"] == "invalid_request_error"
        return error["param"].removeprefix("messages" if path == CHAT else "input").lstrip("."), error["message"]

    return rejected


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "refusal", "refusal": "no"},
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "reasoning", "text": "hm"},
        {"type": "reasoning_text", "text": "hm"},
        {"type": "summary_text", "text": "hm"},
        {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
    ],
    ids=lambda part: part["type"],
)
def test_thoughts_refusals_and_tool_parts_of_earlier_answers_are_skipped(seen, path, part):
    earlier = {"role": "assistant", "content": [part, {"type": "text", "text": "It is 4."}]}
    expected = [("user", "What is it?"), ("assistant", "It is 4."), ("user", "And now? [[chat]]")]
    assert seen(path, [FIRST, earlier, LAST]) == expected


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize("role", ["tool", "function"])
def test_tool_messages_of_another_model_are_skipped(seen, path, role):
    messages = [FIRST, {"role": role, "name": "f", "tool_call_id": "1", "content": "22 degrees"}, LAST]
    assert [text for _, text in seen(path, messages)] == ["What is it?", "And now? [[chat]]"]


def test_tool_calls_of_another_model_are_skipped(seen):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be short."}]},
        {**FIRST, "name": "ana"},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "22 degrees"}]},
        {
            "role": "assistant",
            "content": "It is 22.",
            "tool_calls": [],
            "function_call": None,
            "reasoning_content": "hm",
        },
        {"role": "assistant", "content": [], "refusal": "no"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "23"}]},
        LAST,
    ]
    expected = [("user", "Be short.\n\nWhat is it?"), ("assistant", "It is 22."), ("user", "And now? [[chat]]")]
    assert seen(CHAT, messages) == expected


def test_items_of_other_models_are_skipped(seen):
    items = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be short."}]},
        {"type": None, **FIRST},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "22"}]},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "file_search_call", "id": "fs_1", "queries": [], "results": None},
        {"type": "mcp_list_tools", "id": "m_1", "server_label": "x", "tools": []},
        {"type": "mcp_call", "id": "m_2", "name": "f", "arguments": "{}", "output": "x"},
        {"type": "mcp_approval_request", "id": "m_3", "name": "f", "arguments": "{}"},
        {"type": "mcp_approval_response", "approval_request_id": "m_3", "approve": True},
        {"type": "custom_tool_call", "call_id": "2", "name": "g", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "x"},
        {"type": "computer_call", "id": "c_1", "action": {"type": "click", "x": 1, "y": 1}},
        {"type": "computer_call_output", "call_id": "c_1", "output": {"type": "computer_screenshot", "image_url": "x"}},
        {"type": "image_generation_call", "id": "i_1", "result": "x"},
        {"type": "local_shell_call", "id": "l_1", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "shell_call_output", "call_id": "l_1", "output": [{"stdout": "x", "stderr": ""}]},
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": None, "container_id": "x"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "It is 22."}, {"type": "refusal", "refusal": ""}]},
        LAST,
    ]  # fmt: skip
    expected = [("user", "Be short.\n\nWhat is it?"), ("assistant", "It is 22."), ("user", "And now? [[chat]]")]
    assert seen(RESPONSES, items) == expected


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize("type", ["text", "input_text", "output_text"])
def test_text_parts_of_both_apis_are_accepted_by_both(seen, path, type):
    message = {"role": "user", "content": [{"type": type, "text": "A"}, {"type": type, "text": ""}]}
    assert seen(path, [message, {"role": "assistant", "content": [{"type": type, "text": "B"}]}, LAST])[:2] == [
        ("user", "A\n"),
        ("assistant", "B"),
    ]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("message", "place", "fault"),
    [
        ({"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}, "content.0", "'input_image' is not"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "content.0", "'image_url' is not"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "content.0", "'input_audio' is not supported"),
        ({"role": "user", "content": [{"type": "thinking"}]}, "content.0", "'thinking' is not supported"),
        ({"role": "user", "content": [{"type": "text"}]}, "content.0.text", "a part of type 'text' needs text"),
        (
            {"role": "user", "content": [{"type": "input_file", "file_id": "f"}]},
            "content.0.file_id",
            "no file 'f'",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_url": "f"}]},
            "content.0",
            "a file needs filename and file_data",
        ),
        ({"role": "critic", "content": "x"}, "role", "role 'critic' is not supported; give system, developer,"),
        (
            {"role": "assistant", "content": "", "audio": {"id": "a"}},
            "audio",
            "stored audio is not supported; send its",
        ),
    ],
)
def test_what_the_agent_cannot_read_or_has_not_stored_is_rejected(rejected, path, message, place, fault):
    param, why = rejected(path, [FIRST, message, LAST])
    assert (param, fault in why) == (f"1.{place}", True), why


@pytest.mark.parametrize(
    ("item", "param", "fault"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "1", "item references are not supported; send the item"),
        ({"id": "msg_1"}, "1", "item references are not supported; send the item"),
        ({"id": "msg_1", "type": None}, "1", "item references are not supported; send the item"),
        (
            {"id": "msg_1", "type": "message", "role": "assistant"},
            "1.content",
            "a message needs content; items are",
        ),
        ({"type": "compaction", "encrypted_content": "x"}, "1", "an item of type 'compaction' is not supported"),
        ({"type": "x" * 1000}, "1", "is not supported; give messages"),
    ],
)
def test_items_that_refer_to_stored_things_are_rejected(rejected, item, param, fault):
    found, why = rejected(RESPONSES, [FIRST, item, LAST])
    assert (found, fault in why, len(why) < 300) == (param, True, True), why


@pytest.mark.parametrize(
    ("path", "last", "param", "fault"),
    [
        (
            CHAT,
            {"role": "tool", "tool_call_id": "1", "content": "22"},
            "1.role",
            "role 'tool' cannot have the last message",
        ),
        (
            RESPONSES,
            {"type": "function_call_output", "call_id": "1", "output": "22"},
            "1",
            "cannot be the last; end with",
        ),
        (
            RESPONSES,
            {"type": "reasoning", "summary": []},
            "1",
            "an item of type 'reasoning' cannot be the last; end with",
        ),
        (CHAT, {"role": "assistant", "content": "I begin"}, "", "the last message must have role user"),
        (RESPONSES, {"role": "assistant", "content": "I begin"}, "", "the last message must have role user"),
        (RESPONSES, {"role": "user", "content": []}, "", "the last message is empty; give the problem to solve"),
        (
            CHAT,
            {"role": "user", "content": [{"type": "tool_result", "content": "x"}]},
            "1.content.0",
            "'tool_result' is",
        ),
    ],
)
def test_a_conversation_ends_with_a_question(rejected, path, last, param, fault):
    found, why = rejected(path, [FIRST, last])
    assert (found, fault in why) == (param, True), why


KINDS = st.sampled_from(
    ["text", "refusal", "thinking", "tool_use", "tool_result", "file", "input_image", "message", "x_call"]
)
SMALL = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
PARTS = st.dictionaries(
    st.sampled_from(["type", "text", "file", "id", "filename", "file_data"]), KINDS | SMALL, max_size=4
)
ROLES = st.sampled_from(["user", "assistant", "developer", "tool", "function", "critic"])
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": ROLES | SMALL,
        "type": KINDS | st.sampled_from(["item_reference", "reasoning", "y_output"]) | SMALL,
        "content": SMALL | st.lists(PARTS, max_size=3),
        "id": SMALL,
        "audio": SMALL,
        "tool_calls": SMALL,
    },
)


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([CHAT, RESPONSES]), earlier=st.lists(MESSAGES, max_size=3), last=st.just(LAST) | MESSAGES)
def test_any_history_is_answered_or_rejected_with_its_place(post, path, earlier, last):
    field = "messages" if path == CHAT else "input"
    response = post(path, {"model": "storm", "max_tokens": 1, field: [*earlier, last]})
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert response.json()["error"]["param"].partition(".")[0] == field


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_files_may_have_any_ordinary_name(seen, path):
    data = base64.b64encode(b"city,cost\nA,1\n").decode()
    parts = [
        {"type": "file", "file": {"filename": "data (1).csv", "file_data": data}},
        {"type": "input_file", "filename": "Größe 数据.csv", "file_data": f"data:text/csv;base64,{data}"},
        {"type": "text", "text": "What? [[chat]]"},
    ]
    ((_, question),) = seen(path, [{"role": "user", "content": parts}])
    assert "- Größe 数据.csv: CSV, 1 row, 2 columns, 14 bytes" in question
    assert "- data (1).csv: CSV, 1 row, 2 columns, 14 bytes" in question


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "field"), [(CHAT, "messages"), (RESPONSES, "input")])
def test_a_prompt_that_the_model_server_finds_too_long_gets_openais_error_code(post, path, field, stream):
    question = [{"role": "user", "content": "What is it? [[long]]"}]
    response = post(path, {"model": "storm", "stream": stream, field: question})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "context_length_exceeded", field)
