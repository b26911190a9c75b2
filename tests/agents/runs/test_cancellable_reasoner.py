"""Tokens are counted while they stream, and a cancelled reasoner stops at its next chunk."""

import pytest

from storm_calm.agents.interveners.cost import Prices
from storm_calm.agents.runs.cancellable_reasoner import MAX_RESTARTS, CancellableReasoner
from storm_calm.env import Chunk, ReasonerError, Sampling
from storm_calm.env.reasoner import StreamChangedError, TokenUsage
from storm_calm.sandbox import RunCancelledError
from support.fake_reasoner import FakeReasoner, direct, workshop

REQUEST = {"stop": (), "max_tokens": 900, "sampling": Sampling()}


class Pieces(FakeReasoner):
    """A reasoner that streams these chunks; an exception among them is raised."""

    def __init__(self, *pieces):
        super().__init__(direct)
        self.pieces, self.closed, self.started = pieces, 0, 0

    def stream(self, prompt, *, stop, max_tokens, sampling):
        self.started += 1
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1


def test_tokens_are_counted_chunk_by_chunk():
    reasoner = CancellableReasoner(Pieces(Chunk(text="Let x be", ids=(1, 2, 3), ends=(3, 5, 8)), Chunk(text=" 40.")))
    stream = reasoner.stream((5, 6), **REQUEST)
    assert (reasoner.usage.input_tokens, reasoner.usage.output_tokens) == (0, 0)
    next(stream)
    assert (reasoner.usage.input_tokens, reasoner.usage.output_tokens) == (2, 3)
    next(stream)
    assert reasoner.usage.output_tokens == 7, "an estimate of a chunk without ids"
    assert reasoner.usage.price is None


def test_the_servers_own_count_replaces_the_estimate():
    last = Chunk(text="y", finish="end", usage=TokenUsage(input_tokens=1000, output_tokens=500_000))
    reasoner = CancellableReasoner(Pieces(Chunk(text="a long text " * 9), last), Prices(input=2.0, output=10.0))
    reasoner.generate("Question?", **REQUEST)
    usage = reasoner.usage
    assert (usage.input_tokens, usage.output_tokens, usage.price) == (1000, 500_000, pytest.approx(5.002))


def test_a_cancelled_generation_ends_at_its_next_chunk_and_closes_the_stream():
    inner = Pieces(*[Chunk(text="word ")] * 3)
    reasoner = CancellableReasoner(inner)
    stream = reasoner.stream("Question?", **REQUEST)
    next(stream)
    reasoner.cancel()
    with pytest.raises(RunCancelledError):
        next(stream)
    assert inner.closed == 1
    with pytest.raises(RunCancelledError):
        reasoner.generate("Question?", **REQUEST)


def test_a_broken_stream_with_other_text_starts_again():
    inner = Pieces(Chunk(text="word "), StreamChangedError("other text"))
    with pytest.raises(ReasonerError, match="other text"):
        CancellableReasoner(inner).generate("Question?", **REQUEST)
    assert inner.started == MAX_RESTARTS + 1


def test_the_text_is_that_of_the_reasoner():
    inner = FakeReasoner(direct)
    prompt = inner.render([{"role": "user", "content": workshop(8).question}])
    assert CancellableReasoner(inner).generate(prompt, **REQUEST) == inner.generate(prompt, **REQUEST)
