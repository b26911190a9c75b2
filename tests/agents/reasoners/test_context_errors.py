"""A prompt that a model server finds too long is an error of its own, in the words of every server."""

import openai
import pytest

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.context_errors import is_context_error
from storm_calm.env import ContextLengthError, Sampling
from support.fake_upstream import FakeUpstream


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
