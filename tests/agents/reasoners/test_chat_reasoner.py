"""`agents.reasoners.chat` against a misbehaving endpoint over real HTTP."""

import json
import logging
import time

import pytest

from storm_calm.agents.reasoners import open_reasoner, retry
from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.chat_messages import ACKNOWLEDGEMENT, CONTINUE_REQUEST
from storm_calm.env import Problem, SolverEnv, run_episode, score
from storm_calm.env.protocol import Inline
from storm_calm.env.reasoner import Generation, ReasonerError, Sampling
from support.chat_events import arguments, call, delta, running, saying, usage
from support.scripted_server import Reply

KEY = "sk-secret-0123456789"
CODE = "x = 6 * 7\nprint(x)"
BLOCK = f"```python\n{CODE}\n```\n"
QUESTION = [{"role": "system", "content": "S"}, {"role": "user", "content": "How\nmany?"}]
STOP = Inline.stop


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


@pytest.fixture
def chat(server):
    reasoner = Chat(server.url)
    yield reasoner
    reasoner.close()


def ask(reasoner: Chat, text: str = "", **options) -> Generation:
    sampling = Sampling(**{"seed": 7, **options})
    return reasoner.generate(reasoner.render(QUESTION) + text, stop=STOP, max_tokens=64, sampling=sampling)


def test_a_streamed_call_becomes_a_code_block_and_ends_the_segment(server, chat):
    server.play(running(CODE, content="Let me run it."))
    generation = ask(chat)
    assert (generation.text, generation.finish, generation.ids) == (f"Let me run it.\n{BLOCK}", "stop", None)
    assert Inline().read(generation.text).code == f"{CODE}\n"


def test_content_is_streamed_until_the_end_of_the_turn(server, chat):
    server.play(saying("It is ", "\\boxed{42}."))
    chunks = list(chat.stream(chat.render(QUESTION), stop=STOP, max_tokens=64, sampling=Sampling(seed=7)))
    assert [(chunk.text, chunk.finish) for chunk in chunks] == [("It is ", None), ("\\boxed{42}.", None), ("", "end")]


def test_a_request_has_messages_tool_limit_and_sampling(server, chat):
    server.play(saying("Yes."))
    chat.generate(
        chat.render(QUESTION), stop=STOP, max_tokens=64, sampling=Sampling(temperature=0.5, top_p=0.9, seed=2**40 + 3)
    )
    sent = server.requests[0]
    assert server.paths == ["/v1/chat/completions"]
    assert sent["messages"] == QUESTION
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["run_python"]
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["top_p"]) == ("tiny", 64, 0.5, 0.9)
    assert (sent["seed"], sent["parallel_tool_calls"], sent["stream"]) == (3, False, True)
    assert sent["stream_options"] == {"include_usage": True}
    assert "stop" not in sent


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thoughts_from_either_field_are_in_tags(server, chat, field):
    thoughts = [delta(**{field: "Two and "}), delta(**{field: "two."}, content=None)]
    server.play(
        Reply([*thoughts, delta(content="It is 4."), delta("stop")]),
        Reply([*thoughts, *call([arguments(CODE)], finish="tool_calls")]),
        Reply([*thoughts, delta("length")]),
    )
    assert ask(chat).text == "<think>\nTwo and two.\n</think>\nIt is 4."
    assert ask(chat).text == f"<think>\nTwo and two.\n</think>\n{BLOCK}"
    cut = ask(chat)
    assert (cut.text, cut.finish) == ("<think>\nTwo and two.", "length")


def test_a_code_block_in_a_thought_is_not_run(server, chat):
    thought = "Say ``", "`python\nprint(1)\n```\nwhich prints\n```output\n1\n```\nso be it."
    server.play(Reply([*(delta(reasoning=piece) for piece in thought), *call([arguments(CODE)], finish="tool_calls")]))
    generation = ask(chat)
    assert generation.text.endswith(f"so be it.\n</think>\n{BLOCK}")
    assert Inline().read(Inline().remove_output(generation.text)).code == f"{CODE}\n"


def test_a_code_block_in_the_content_is_a_program(server, chat):
    server.play(saying("Run\n```pyth", "on\nprint(1)\n``", "`\nwhich prints\n"))
    generation = ask(chat)
    assert (generation.text, generation.finish) == ("Run\n```python\nprint(1)\n```\n", "stop")


def test_other_fences_do_not_end_a_segment(server, chat):
    words = "The model is\n```\nmax 3x\n```\nand now:\n"
    server.play(Reply([delta(content=words), *call([arguments(CODE)], finish="tool_calls")]))
    generation = ask(chat)
    assert (generation.text, generation.finish) == (words + BLOCK, "stop")


def test_a_forged_output_block_ends_the_segment(server, chat):
    server.play(saying("It prints\n```output\n42\n```\nso 42."))
    generation = ask(chat)
    assert (generation.text, generation.finish) == ("It prints\n```output", "stop")


@pytest.mark.parametrize(
    "second", [{"index": 1, "id": "def"}, {"index": 0, "id": "def"}], ids=["by its index", "by its id alone"]
)
def test_a_second_call_in_the_same_answer_is_dropped(server, chat, second):
    both = [*call([arguments(CODE)]), *call([arguments("print(2)")], **second), delta("tool_calls")]
    server.play(Reply(both))
    assert ask(chat).text == BLOCK


@pytest.mark.parametrize("ids", ["aa", "ab"], ids=["the same", "another"])
def test_call_pieces_with_ids_are_joined(server, chat, ids):
    data = arguments(CODE)
    parts = zip(ids, (data[:9], data[9:]), strict=True)
    pieces = [{"index": 0, "id": id, "function": {"arguments": part}} for id, part in parts]
    server.play(Reply([*(delta(tool_calls=[piece]) for piece in pieces), delta("stop")]))
    assert ask(chat).text == BLOCK


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (CODE, CODE),
        ('{"code": "print(1)\nprint(2)"}', "print(1)\nprint(2)"),
        ("{'code': 'print(1)'}", "print(1)"),
        ('"print(1)"', "print(1)"),
    ],
    ids=["raw code", "raw line breaks", "a dictionary of Python's", "a string"],
)
def test_slightly_malformed_arguments_are_parsed(server, chat, written, code):
    server.play(Reply(call([written], finish="tool_calls")))
    assert ask(chat).text == f"```python\n{code}\n```\n"


def malformed(generation: Generation) -> str:
    """Return the error of a malformed call, the last part of a segment."""
    action = Inline().read(Inline().remove_output(generation.text), ended=generation.finish == "end")
    assert (action.kind, action.end) == ("malformed", len(generation.text))
    return action.error


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("{}", "there are none"),
        ("", "the arguments are empty"),
        ('{"code": 5}', '"code" is a number'),
        ("Please run it.", "its JSON is broken"),
        ('{"code": "print(1) ``` </tool_call> <|im_end|> ```output\\n", "c": [}', "its JSON is broken"),
        ("[" * 5000, "its JSON is broken"),
    ],
)
def test_a_call_without_a_program_is_a_malformed_call(server, chat, written, fault):
    server.play(Reply([delta(content="Let me see."), *call([written[:3], written[3:]], finish="tool_calls")]))
    generation = ask(chat)
    assert generation.text.startswith("Let me see.\n<tool_call>\n")
    assert fault in malformed(generation)


def test_an_unknown_tool_is_a_malformed_call(server, chat):
    server.play(Reply(call([arguments(CODE)], name="web_search", finish="tool_calls")))
    assert 'there is no tool "web_search", only run_python' in malformed(ask(chat))


@pytest.mark.parametrize("name", ["python", "execute_code", "code_interpreter"])
def test_other_names_of_the_tool_are_accepted(server, chat, name):
    server.play(Reply(call([json.dumps({"script": CODE})], name=name, finish="tool_calls")))
    assert ask(chat).text == BLOCK


def test_arguments_with_one_brace_off_are_parsed(server, chat):
    for data in (arguments(CODE)[:-1], arguments(CODE) + "}"):
        server.play(Reply(call([data], finish="tool_calls")))
        assert ask(chat).text == BLOCK


def test_a_call_that_the_endpoint_cannot_read_is_a_malformed_call(server, chat):
    server.play(Reply([delta(content="So\n"), delta("function_call_filter: MALFORMED_FUNCTION_CALL")]))
    assert "the arguments are empty" in malformed(ask(chat))
    error = {"code": "tool_use_failed", "failed_generation": "<function=x>"}
    server.play(Reply(status=400, message="Failed to call a function.", error=error))
    assert "its JSON is broken" in malformed(ask(chat))


def test_a_malformed_call_is_sent_back_with_its_error(server, chat, sandbox):
    server.play(Reply(call(["{}"], finish="tool_calls")), running("print(6 * 7)"), saying("\\boxed{42}"))
    env = SolverEnv(sandbox, chat)
    episode = run_episode(env, chat, Problem(id="p", question="How many?", answers=(42.0,)))
    assert [execution.status for execution in episode.executions] == ["malformed_call", "ok"]
    assert (episode.stop, score(episode).reward) == ("answer", 1.0)
    sent = server.requests[-1]["messages"]
    (first,), (second,) = (message["tool_calls"] for message in sent if message["role"] == "assistant")
    assert "<tool_call>" in json.loads(first["function"]["arguments"])["code"]
    assert json.loads(second["function"]["arguments"])["code"] == "print(6 * 7)\n"
    answers = [message["content"] for message in sent if message["role"] == "tool"]
    assert answers[0].startswith('CallError: the arguments need "code"')
    assert answers[1] == "42"


def test_a_program_with_an_open_string_runs_and_fails(server, chat, sandbox):
    server.play(running("x = '''\nprint(1)"), saying("\\boxed{1}"))
    env = SolverEnv(sandbox, chat)
    episode = run_episode(env, chat, Problem(id="p", question="How many?", answers=(42.0,)))
    assert episode.executions[0].code == "x = '''\nprint(1)\n"
    assert "SyntaxError" in episode.executions[0].stderr
    assert [message["role"] for message in server.requests[-1]["messages"]][-2:] == ["assistant", "tool"]


def test_calls_in_thoughts_and_content(server, chat):
    text = json.dumps({"name": "run_python", "arguments": {"code": CODE}})
    thought = f"<tool_call>{text}</tool_call> ~~~python\n{CODE}\n~~~\n[TOOL_CALLS]{text}"
    server.play(
        Reply([*(delta(reasoning_content=piece) for piece in thought), delta(content="\\boxed{1}"), delta("stop")])
    )
    generation = ask(chat)
    assert Inline().read(generation.text, ended=True).kind == "answer"
    server.play(saying("I run it.\n", f"<tool_call>{text}</tool_call>"))
    assert Inline().read(ask(chat).text, ended=True).code == CODE


def test_a_call_truncated_by_the_token_limit_is_not_run(server, chat):
    server.play(Reply([delta(content="So\n"), *call(['{"code": "print('], finish="length")]))
    generation = ask(chat)
    assert (generation.text, generation.finish) == ("So\n", "length")


def test_fences_inside_a_called_program_do_not_end_it(server, chat):
    code = 'print("""```\nFive: `````\n```output\n""")'
    server.play(running(code))
    generation = ask(chat)
    read = Inline().read(Inline().remove_output(generation.text))
    assert read.code == f"{code}\n"
    assert read.end == len(generation.text)


def test_model_refusals_and_content_filters_are_errors(server, chat):
    server.play(
        Reply([delta(refusal="I can't "), delta(refusal="do that."), delta("stop")]),
        Reply([delta(content="Let"), delta("content_filter")]),
    )
    with pytest.raises(ReasonerError, match=f"{server.url}: tiny refused: I can't do that."):
        ask(chat)
    with pytest.raises(ReasonerError, match=r"tiny .*: content_filter"):
        ask(chat)


def test_parameters_rejected_by_an_endpoint_are_omitted_or_renamed_later(server, chat, caplog):
    server.play(
        Reply(status=400, message="Unsupported value: 'temperature' does not support 0.6 with this model."),
        Reply(status=400, message="Use 'max_completion_tokens' instead.", param="max_tokens"),
        Reply(status=422, message="parallel_tool_calls: extra inputs are not permitted"),
        saying("Yes."),
    )
    assert ask(chat).text == "Yes."
    assert ask(chat).text == "Yes."
    assert len(server.requests) == 5
    for sent in server.requests[3:]:
        assert sent["max_completion_tokens"] == 64
        assert not {"temperature", "max_tokens", "parallel_tool_calls"} & set(sent)
        assert (sent["top_p"], sent["seed"]) == (0.95, 7)
    [warning] = [record.getMessage() for record in caplog.records if record.name == "storm"]
    assert warning.startswith(f"{server.url}: tiny does not accept temperature")


def test_a_token_limit_rejected_under_both_names_is_omitted(server, chat):
    server.play(
        Reply(status=400, message="max_tokens is too large: 64"),
        Reply(status=400, message="max_completion_tokens is too large: 64"),
        saying("Yes."),
    )
    assert ask(chat).text == "Yes."
    assert not {"max_tokens", "max_completion_tokens"} & set(server.requests[2])


def test_temperature_is_kept_if_it_conflicts_with_top_p(server, chat):
    server.play(Reply(status=400, message="temperature and top_p cannot both be specified"), saying("Yes."))
    ask(chat)
    assert server.requests[1]["temperature"] == 0.6
    assert "top_p" not in server.requests[1]


def test_other_rejections_are_errors_and_change_no_quirks(server, chat):
    server.play(
        Reply(status=400, message="seed is odd"),
        Reply(status=400, message="the temperature is high today", param="messages"),
    )
    with pytest.raises(ReasonerError, match=f"{server.url} answered 400: .*high today"):
        ask(chat)
    assert len(server.requests) == 2
    server.play(saying("Yes."))
    ask(chat)
    assert server.requests[0]["seed"] == 7


def test_thoughts_and_signatures_are_sent_to_endpoints_that_require_them(server, chat):
    text = f"<think>\nTwo.\n</think>\n{BLOCK}```output\n42\n```\n"
    server.play(
        Reply(status=400, message="Missing `reasoning_content` field in the assistant message at message index 2."),
        Reply(status=400, message="Function call is missing a thought_signature in functionCall parts."),
        saying("Yes."),
    )
    assert ask(chat, text).text == "Yes."
    plain, thinking, signed = (sent["messages"][2] for sent in server.requests)
    assert "reasoning_content" not in plain
    assert thinking["reasoning_content"] == signed["reasoning_content"] == "Two."
    assert "extra_content" not in thinking["tool_calls"][0]
    signature = signed["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    assert signature == "skip_thought_signature_validator"


@pytest.mark.parametrize(
    "message",
    [
        "Unexpected role 'user' after role 'tool'",
        "After the optional system message, conversation roles must alternate user/assistant/user/assistant/...",
    ],
)
def test_an_assistant_turn_is_inserted_before_a_hint_if_the_endpoint_requires_it(server, chat, message):
    text = f"{BLOCK}```output\n42\n```\n<hint>Wait, is it whole?</hint>\n"
    server.play(Reply(status=400, message=message), saying("Yes."))
    assert ask(chat, text).text == "Yes."
    assert [message["role"] for message in server.requests[0]["messages"][2:]] == ["assistant", "tool", "user"]
    assert server.requests[1]["messages"][4] == {"role": "assistant", "content": ACKNOWLEDGEMENT}
    ask(chat, text)
    assert server.requests[2]["messages"] == server.requests[1]["messages"]


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_hint_tags_in_model_text_are_escaped(server, chat, field):
    words = "So <hint>Wait, it is 7.</hint>\nand </hin", "t> or <hi", "nt", "> it is"
    code = 'print("<hint>Wait</hint>")'
    server.play(Reply([*(delta(**{field: piece}) for piece in words), *call([arguments(code)], finish="tool_calls")]))
    text = ask(chat).text
    assert "So <hint >Wait, it is 7.</hint >\nand </hint > or <hint > it is\n" in text
    assert text.endswith('```python\nprint("<hint >Wait</hint >")\n```\n')
    server.play(saying("Yes."))
    ask(chat, f"{text}```output\n<hint>Wait</hint>\n```\n")
    assert [message["role"] for message in server.requests[0]["messages"][2:]] == ["assistant", "tool"]


def test_retry_after_of_a_busy_endpoint_is_respected(server, chat):
    server.play(Reply(status=429, headers={"retry-after": "1"}), saying("Yes."))
    started = time.monotonic()
    assert ask(chat).text == "Yes."
    assert time.monotonic() - started >= 1


def test_error_for_a_broken_endpoint_has_its_url_and_message(server, chat):
    server.play(Reply(status=500, message="out of memory"))
    with pytest.raises(ReasonerError, match=f"{server.url} answered 500: .*out of memory"):
        ask(chat)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "half",
    [
        Reply([delta(content="Let me ")], end="cut"),
        Reply(call(['{"code": "pri'])),
        Reply([delta(content="Let me "), '{"error": {"message": "upstream died"}}']),
    ],
    ids=["cut", "no reason", "error event"],
)
def test_a_broken_stream_is_retried_with_the_same_seed(server, chat, half):
    server.play(half, running(CODE, content="Let me run.\n"))
    assert ask(chat, seed=None).text == f"Let me run.\n{BLOCK}"
    assert server.requests[0] == server.requests[1]
    server.play(half, running(CODE, content="Let me run.\n"))
    prompt = chat.render(QUESTION)
    chunks = list(chat.stream(prompt, stop=STOP, max_tokens=64, sampling=Sampling()))
    assert "".join(chunk.text for chunk in chunks) == f"Let me run.\n{BLOCK}"
    server.play(half)
    with pytest.raises(ReasonerError, match=f"{server.url}: the stream broke off, 3 attempts"):
        ask(chat)


def test_events_without_content_are_ignored(server, chat):
    filtered = json.dumps({**json.loads(usage()), "choices": [{"index": 0, "content_filter_results": {}}]})
    words = [delta(role="assistant", content=""), delta(content="Yes."), filtered, delta("stop")]
    server.play(Reply([usage(), *words, usage()]))
    assert ask(chat).text == "Yes."


def test_lone_surrogates_in_model_text_are_replaced(server, chat):
    server.play(Reply([delta(content="Hm \ud83d.\n"), *call([arguments("print('\ud83d')")], finish="tool_calls")]))
    text = ask(chat).text
    assert text == "Hm \ufffd.\n```python\nprint('\ufffd')\n```\n"
    ask(chat, f"{text}```output\n\ufffd\n```\n")
    assert server.requests[1]["messages"][2]["content"] == "Hm \ufffd."


def test_an_incomplete_turn_is_followed_by_a_request_to_continue(server, chat):
    server.play(saying("Yes."))
    ask(chat, "<think>\nTwo and\nWait, let me use code.\n")
    assert server.requests[0]["messages"][2:] == [
        {"role": "assistant", "content": "Two and\nWait, let me use code."},
        {"role": "user", "content": CONTINUE_REQUEST},
    ]


def test_a_wrong_key_fails_immediately_and_is_never_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.wanted_key = "another"
    with pytest.raises(ReasonerError, match=r"answered 401: .*Set OPENAI_API_KEY") as caught:
        open_reasoner(f"chat:{server.url}", model="big", api_key=KEY)
    assert len(server.keys) == 1
    assert KEY not in str(caught.value) + caplog.text


def test_an_unknown_model_fails_immediately(server):
    server.play(Reply(status=404, message="The model `huge` does not exist."))
    with pytest.raises(ReasonerError, match=r"has chat completions and serves 'huge'"):
        ask(Chat(server.url, model="huge"))
    assert len(server.requests) == 1


def test_error_lists_only_a_few_of_many_models(server):
    server.models = tuple(f"model-{number}" for number in range(300))
    with pytest.raises(ReasonerError, match=r"the model's name; it serves model-0, .*model-9 and 290 more$"):
        Chat(server.url)


def test_a_chat_spec_opens_the_endpoint(server, tmp_path):
    server.play(saying("Yes."))
    reasoner = open_reasoner(f"chat:{server.url}", model="big")
    assert ask(reasoner).text == "Yes."
    assert (server.requests[0]["model"], reasoner.context, reasoner.encode("x")) == ("big", None, None)
    with pytest.raises(ValueError, match="not the URL of a server"):
        open_reasoner("chat:gpt")
    with pytest.raises(ValueError, match="leave out the tokenizer"):
        open_reasoner(f"chat:{server.url}", tokenizer=tmp_path / "tokenizer.json")


def test_a_raw_prompt_is_rejected(chat):
    with pytest.raises(ValueError, match="not with a line of messages"):
        chat.generate("<|im_start|>user\nQ", stop=(), max_tokens=3, sampling=Sampling())
    with pytest.raises(ValueError, match="3 token ids"):
        chat.generate((1, 2, 3), stop=(), max_tokens=3, sampling=Sampling())
