"""Generation by llama.cpp's server, with its recorded answers."""

from contextlib import closing

import pytest

from storm_calm.agents.reasoners.completions import Completions
from storm_calm.env.reasoner import ContextLengthError, Sampling
from support.llama_cpp_server import LlamaCppServer

PROMPT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def ask(request):
    """Return a function that opens a reasoner on recorded answers."""

    def open_on(*records, **options):
        server = LlamaCppServer(*records)
        request.addfinalizer(server.close)
        reasoner = Completions(server.url, **options)
        request.addfinalizer(reasoner.close)
        return server, reasoner

    return open_on


def generate(reasoner, stop=()):
    return reasoner.generate(PROMPT, stop=stop, max_tokens=8, sampling=Sampling(temperature=0.0, seed=1))


def test_the_end_of_a_turn_and_the_token_limit_are_told_apart(ask):
    _, reasoner = ask("end", "length")
    ended, cut = generate(reasoner), generate(reasoner)
    assert (ended.text, ended.finish) == ("The capital of France is Paris.", "end")
    assert (cut.text, cut.finish) == ("```\n\nThis will print 1", "length")


def test_text_arrives_token_by_token(ask):
    _, reasoner = ask("end")
    with closing(reasoner.stream(PROMPT, stop=(), max_tokens=8, sampling=Sampling(seed=1))) as stream:
        texts = [chunk.text for chunk in stream]
    assert texts[:4] == ["The", " capital", " of", " France"]


def test_a_stop_string_across_two_tokens_is_kept_and_ends_the_segment(ask):
    server, reasoner = ask("length")
    segment = generate(reasoner, stop=("```\n",))
    assert (segment.text, segment.finish) == ("```\n", "stop")
    # With stop strings the server would leave out this one and not say which it was: the turn would seem to have ended.
    assert "stop" not in server.requests[0]


def test_a_stop_string_that_the_server_itself_observed_cannot_be_told_from_the_end(ask):
    _, reasoner = ask("stop_word")
    segment = generate(reasoner, stop=("```\n",))
    assert (segment.text, segment.finish) == ("", "end")


def test_a_model_that_loads_during_a_run_is_waited_for(ask, monkeypatch):
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_, **__: 0.01)
    server, reasoner = ask("loading", "loading", "end")
    assert generate(reasoner).text == "The capital of France is Paris."
    assert len(server.requests) == 3


def test_a_prompt_beyond_the_context_is_the_problems_failure_and_not_the_servers(ask):
    server, reasoner = ask("context")
    with pytest.raises(ContextLengthError, match=r"6001 tokens\) exceeds the available context size \(2048 tokens\)"):
        generate(reasoner)
    assert len(server.requests) == 1
