"""A prompt that a model server finds too long is an error of its own, in the words of every server."""

import asyncio
import json

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.async_reasoners import open_async
from storm_calm.agents.reasoners.context_errors import fitting_tokens, is_context_error
from storm_calm.env import ContextLengthError, Sampling
from support.fake_model_servers import FakeModelServer
from support.fake_upstream import FakeUpstream
from support.scripted_server import Reply, event


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."),
        (400, "You passed 5000 input tokens. However, the model's context length is only 4096 tokens."),
        (400, "{'code': 400, 'message': 'the request exceeds the available context size, try increasing it'}"),
        (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
        (400, "{'code': 'context_length_exceeded'}"),
        (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (413, "Too many tokens in the request: exceeds the context window"),
    ],
)
def test_errors_about_the_context_are_recognized(status, text):
    assert is_context_error(status, text)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "max_tokens must be at least 1"),
        (400, "temperature is too large"),
        (500, "maximum context length"),
        (429, "too many tokens per minute"),
        (None, "cannot be reached"),
    ],
)
def test_other_errors_are_not(status, text):
    assert not is_context_error(status, text)


def test_a_reasoner_raises_its_own_error_for_a_prompt_that_is_too_long():
    with FakeUpstream() as upstream:
        reasoner = open_reasoner(upstream.url)
        prompt = "<|im_start|>user\nWhat is it? [[long]]<|im_end|>\n"
        with pytest.raises(ContextLengthError, match="maximum context length is 4000 tokens"):
            reasoner.generate(prompt, stop=(), max_tokens=5, sampling=Sampling())
    assert not issubclass(ContextLengthError, openai.OpenAIError)


VLLM = (
    "'max_tokens' or 'max_completion_tokens' is too large: 4000. This model's maximum context length is 4096 tokens "
    "and your request has 200 input tokens (4000 > 4096 - 200)."
)


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        (VLLM, 3896),
        (
            "This model's maximum context length is 4096 tokens. However, you requested 4200 tokens (200 in the "
            "messages, 4000 in the completion). Please reduce the length of the messages or completion.",
            3896,
        ),
        ("This model's maximum context length is 4096 tokens. However, you requested 4200 tokens.", 3896),
        (
            "This endpoint's maximum context length is 4096 tokens. However, you requested about 4200 tokens (200 of "
            "text input, 4000 in the output).",
            3896,
        ),
        (
            "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
            "4200 tokens: 200 tokens from the input messages and 4000 tokens for the completion.",
            3896,
        ),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 200 `inputs` tokens and 4000 `max_new_tokens`",
            3896,
        ),
        ("max_tokens is too large: 4000. This model supports at most 1024 completion tokens", 1024),
        ("`max_tokens` must be less than or equal to `1024`, the maximum value for `max_tokens`", 1024),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 1024]", 1024),
        ("max_tokens: 4000 > 1024, which is the maximum allowed number of output tokens", 1024),
        ("max_tokens is too large", 2000),
        # The prompt alone does not fit.
        ("This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens.", None),
        ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", None),
        ("the request exceeds the available context size, try increasing it", None),
        # Other errors.
        ("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.", None),
        ("temperature is too large", None),
    ],
)
def test_an_error_says_which_token_limit_fits(text, fitting):
    assert fitting_tokens(400, text, 4000) == fitting


@given(
    st.text(max_size=300) | st.lists(st.sampled_from(VLLM.split()), max_size=40).map(" ".join), st.integers(1, 10**6)
)
def test_a_fitting_limit_is_smaller_whatever_a_server_writes(text, max_tokens):
    fitting = fitting_tokens(400, text, max_tokens)
    assert fitting is None or 1 <= fitting < max_tokens


async def write(url, prompt, max_tokens):
    async with open_async([url]) as reasoner:
        return (
            await reasoner.write(
                prompt, stop=(), max_tokens=max_tokens, sampling=Sampling(seed=1), on_text=lambda text, tokens: None
            )
        ).generation


@pytest.mark.parametrize("kind", ["vllm", "sglang", "hosted"])
@pytest.mark.parametrize("prefix", ["", "chat:"])
def test_a_token_limit_that_does_not_fit_is_reduced_for_that_request_only(kind, prefix):
    with FakeModelServer(kind, context=1000) as server:
        reasoner = open_reasoner(f"{prefix}{server.url}")
        prompt = reasoner.render([{"role": "user", "content": "Hello" * 200}])
        for _ in range(2):
            assert reasoner.generate(prompt, stop=(), max_tokens=900, sampling=Sampling(seed=1)).text
        limits = [body["max_tokens"] for _, body in server.requests]
        assert limits[0] == limits[2] == 900
        assert 500 < limits[1] == limits[3] < 700


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
def test_the_asynchronous_reasoner_reduces_it_too(kind):
    with FakeModelServer(kind, context=1000) as server:
        assert asyncio.run(write(server.url, "Hello" * 200, 900)).text
        first, second = (body["max_tokens"] for _, body in server.requests)
        assert first == 900 > second


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama.cpp", "hosted"])
@pytest.mark.parametrize("way", ["", "chat:", "async"])
def test_a_prompt_that_is_too_long_is_its_own_error_everywhere(kind, way):
    with FakeModelServer(kind, context=100) as server:
        if way == "async":
            if kind != "hosted":
                with pytest.raises(ContextLengthError):
                    asyncio.run(write(server.url, "Hello" * 200, 50))
            return
        reasoner = open_reasoner(f"{way}{server.url}")
        prompt = reasoner.render([{"role": "user", "content": "Hello" * 200}])
        with pytest.raises(ContextLengthError):
            reasoner.generate(prompt, stop=(), max_tokens=50, sampling=Sampling(seed=1))
        # No parameter was left out because of it.
        assert all("max_tokens" in body for _, body in server.requests)


def test_a_cache_that_fills_up_in_the_stream_is_such_an_error_too(server):
    error = json.dumps({"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}})
    server.play(Reply([event("Let"), error], end="nothing"))
    with pytest.raises(ContextLengthError, match="Context size has been exceeded"):
        asyncio.run(write(server.url, "Hello", 50))
    reasoner = open_reasoner(server.url)
    with pytest.raises(ContextLengthError, match="Context size has been exceeded"):
        reasoner.generate("Hello", stop=(), max_tokens=50, sampling=Sampling(seed=1))
