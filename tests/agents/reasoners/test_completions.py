"""`agents.reasoners.completions` against a server that misbehaves over real HTTP."""

import logging
import socket
import time

import pytest

from storm_calm.agents.reasoners import retry
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.env.reasoner import Generation, ReasonerError, Sampling
from support.scripted_server import Reply, ScriptedServer, event

KEY = "sk-secret-0123456789"
CODE = "```python\nprint(1)\n```\n"
WELL = Reply([event("Let me "), event("think."), event("", "stop", stop_reason=None)])


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


def ask(reasoner: Completions, stop: tuple[str, ...] = (), seed: int | None = 7) -> Generation:
    return reasoner.generate("Q", stop=stop, max_tokens=64, sampling=Sampling(seed=seed))


def test_a_stream_is_handed_on_as_it_comes_and_ends_with_the_turn(server):
    server.play(WELL)
    chunks = list(Completions(server.url).stream("Q", stop=(), max_tokens=64, sampling=Sampling(seed=7)))
    assert [(chunk.text, chunk.finish) for chunk in chunks] == [("Let me ", None), ("think.", None), ("", "end")]


def test_a_request_says_the_model_a_limit_the_seed_and_the_sampling(server):
    server.play(WELL)
    reasoner = Completions(server.url)
    reasoner.generate(
        "Q", stop=("```\n",), max_tokens=64, sampling=Sampling(temperature=0.5, top_p=0.9, seed=2**40 + 3)
    )
    sent = server.requests[0]
    assert (reasoner.name, reasoner.context) == ("tiny", 4096)
    assert sent["prompt"] == "Q"
    assert (sent["model"], sent["max_tokens"], sent["stop"]) == ("tiny", 64, ["```\n"])
    assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.5, 0.9, 3)
    assert sent["stream"] is True
    assert sent["include_stop_str_in_output"] is True


def test_the_address_may_leave_out_v1(server):
    server.play(WELL)
    assert ask(Completions(server.url.removesuffix("/v1"))).text == "Let me think."


@pytest.mark.parametrize(
    "events",
    [
        [event("```python\nprint(1)\n``"), event("`\n", "stop", stop_reason="```\n")],  # Included.
        [event("```python\nprint(1)\n"), event("", "stop", stop_reason="```\n")],  # Omitted, but reported.
        [event("```python\nprint(1)\n```\n\nSo "), event("the answer", "length")],  # Ignored by the server.
    ],
)
def test_a_segment_ends_with_its_stop_string_whatever_the_server_does_with_it(server, events):
    server.play(Reply(events))
    generation = ask(Completions(server.url), stop=("```output", "```\n"))
    assert (generation.text, generation.finish) == (CODE, "stop")


def test_servers_that_do_not_say_why_they_stopped_get_no_stop_strings():
    server = ScriptedServer(owner="llamacpp")
    server.play(Reply([event(CODE), event("The answer is 2.", "stop")]), Reply([event("It is 2."), event("", "stop")]))
    reasoner = Completions(server.url)
    assert ask(reasoner, stop=("```\n",)).finish == "stop"
    generation = ask(reasoner, stop=("```\n",))
    assert (generation.text, generation.finish) == ("It is 2.", "end")
    assert all("stop" not in request and "include_stop_str_in_output" not in request for request in server.requests)
    server.close()


def test_an_end_of_turn_that_is_written_out_ends_the_turn_and_is_left_out(server):
    server.play(Reply([event("It is 2.<|im_"), event("end|>\n<|im_start|>user"), event("", "length")]))
    generation = ask(Completions(server.url), stop=("```\n",))
    assert (generation.text, generation.finish) == ("It is 2.", "end")


def test_what_only_looked_like_an_end_of_turn_is_text(server):
    server.play(Reply([event("a <|im_"), event("b"), event("<", "length")]))
    generation = ask(Completions(server.url))
    assert (generation.text, generation.finish) == ("a <|im_b<", "length")


def test_a_busy_server_is_asked_again_when_it_says(server):
    server.play(Reply(status=429, headers={"retry-after": "1"}), WELL)
    reasoner = Completions(server.url)
    started = time.monotonic()
    assert ask(reasoner).text == "Let me think."
    assert time.monotonic() - started >= 1
    assert len(server.requests) == 2


def test_a_server_that_stays_broken_is_given_up_with_its_address_and_words(server):
    server.play(Reply(status=500, message="out of memory"))
    with pytest.raises(ReasonerError, match=f"{server.url} answered 500: .*out of memory"):
        ask(Completions(server.url, max_retries=2))
    assert len(server.requests) == 3


def test_a_refused_connection_names_the_address():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(ReasonerError, match=f"{url} cannot be reached, 2 attempts: .*refused.*Is the server"):
            Completions(url, max_retries=1)


@pytest.mark.parametrize(
    "half",
    [
        Reply([event("Let me ")], end="cut"),
        Reply([event("Let me ")], end="nothing"),
        Reply([event("Let me ")], end="done"),
        Reply([event("Let me "), '{"choices": [{"te']),
        Reply([event("Let me "), '{"error": {"message": "engine died"}}']),
    ],
    ids=["cut", "nothing", "done without a reason", "malformed", "error event"],
)
def test_half_a_stream_is_begun_again_with_the_same_seed(server, half):
    server.play(half, WELL)
    reasoner = Completions(server.url)
    assert ask(reasoner, seed=None).text == "Let me think."
    assert server.requests[0] == server.requests[1]
    assert isinstance(server.requests[0]["seed"], int)

    server.play(half, WELL)
    texts = [chunk.text for chunk in reasoner.stream("Q", stop=(), max_tokens=64, sampling=Sampling())]
    assert texts == ["Let me ", "think.", ""]

    server.play(half)
    with pytest.raises(ReasonerError, match=f"{server.url}: the stream broke off, 3 attempts"):
        ask(reasoner)
    assert len(server.requests) == 3


def test_a_stream_without_done_is_whole_where_it_gave_its_reason(server):
    server.play(Reply([event("Yes."), event("", "stop")], end="nothing"))
    assert ask(Completions(server.url)).text == "Yes."
    assert len(server.requests) == 1


def test_what_was_handed_on_is_never_contradicted(server):
    server.play(Reply([event("Let me ")], end="cut"), Reply([event("Perhaps"), event("", "stop")]))
    stream = Completions(server.url).stream("Q", stop=(), max_tokens=64, sampling=Sampling(seed=7))
    assert next(stream).text == "Let me "
    with pytest.raises(ReasonerError, match="different text"):
        list(stream)


def test_other_pieces_of_the_same_text_do_when_a_stream_is_begun_again(server):
    server.play(Reply([event("Let me ")], end="cut"), Reply([event("Let"), event(" me thi"), event("nk.", "stop")]))
    stream = Completions(server.url).stream("Q", stop=(), max_tokens=64, sampling=Sampling(seed=7))
    assert "".join(chunk.text for chunk in stream) == "Let me think."


def test_silence_ends_in_an_error_that_says_for_how_long(server):
    server.play(Reply([event("Let me ")], end="silence"))
    reasoner = Completions(server.url, timeout=0.2, max_retries=1)
    with pytest.raises(ReasonerError, match=r"broke off, 2 attempts: no data for 0.2 seconds"):
        ask(reasoner)


def test_a_text_that_the_server_censors_is_an_error(server):
    server.play(Reply([event("Let"), event("", "content_filter")]))
    with pytest.raises(ReasonerError, match="content_filter"):
        ask(Completions(server.url))


def test_a_wrong_key_fails_at_once_says_what_to_set_and_is_never_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.wanted_key = "another"
    with pytest.raises(ReasonerError, match=r"answered 401: .*Set OPENAI_API_KEY") as caught:
        Completions(server.url, api_key=KEY)
    assert len(server.keys) == 1
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert KEY not in caplog.text


def test_the_key_comes_from_the_environment_and_is_in_no_repr(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    reasoner = Completions(server.url)
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in repr(reasoner)
    monkeypatch.delenv("OPENAI_API_KEY")
    Completions(server.url)
    assert server.keys[-1] == "Bearer none"


def test_an_unknown_model_or_path_fails_at_once_and_says_what_to_check(server):
    server.play(Reply(status=404, message="The model `huge` does not exist."))
    with pytest.raises(ReasonerError, match=r"answered 404: .*does not exist.*serves 'huge'"):
        ask(Completions(server.url, model="huge"))
    assert len(server.requests) == 1
    with pytest.raises(ReasonerError, match="the model's name"):
        Completions(server.url + "/elsewhere")


def test_of_several_models_one_must_be_chosen():
    server = ScriptedServer(models=("one", "two"))
    with pytest.raises(ReasonerError, match="the model's name; it serves one, two"):
        Completions(server.url)
    assert Completions(server.url, model="two").name == "two"
    server.close()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match="not the URL of a server"):
        Completions(url)


def test_credentials_in_an_address_are_not_shown(server):
    reasoner = Completions(server.url.replace("://", f"://me:{KEY}@"))
    assert KEY not in reasoner.url


def test_the_prompt_is_chatml_that_opens_a_thought(server):
    prompt = Completions(server.url).render([{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}])
    assert prompt == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n"


def test_with_a_tokenizer_ids_are_the_servers_own_and_end_with_the_turn(server, nano):
    reasoner = Completions(server.url, tokenizer=nano.folder / "tokenizer.json")
    ids, _ = nano.encode("Let x be 12")
    end = nano.encode_marked("<|im_end|>")[0]
    server.play(
        Reply(
            [
                event("Let", token_ids=list(ids[:2])),
                event(" rest", token_ids=list(ids[2:])),
                event("", "stop", stop_reason=None, token_ids=list(end)),
            ]
        )
    )
    prompt = nano.encode("Q")[0]
    generation = reasoner.generate(prompt, stop=("```\n",), max_tokens=64, sampling=Sampling(seed=7))
    assert (generation.text, generation.ids, generation.finish) == ("Let x be 12", ids + end, "end")
    assert server.requests[0]["prompt"] == list(prompt)
    assert server.requests[0]["return_token_ids"] is True


def test_with_a_tokenizer_ids_are_none_where_the_server_gives_none(server, nano):
    server.play(WELL)
    generation = ask(Completions(server.url, tokenizer=nano.folder / "tokenizer.json"))
    assert (generation.text, generation.ids) == ("Let me think.", None)
