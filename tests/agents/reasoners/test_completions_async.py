"""Asynchronous reasoners: the wire format, failing replicas, broken streams, and cancelling."""

import asyncio

import pytest

from storm_calm.agents.reasoners import completions_async as module
from storm_calm.agents.reasoners import retry
from storm_calm.agents.reasoners.async_reasoners import ThreadedReasoner, open_async
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.completions_async import open_upstream
from storm_calm.agents.reasoners.completions_wire import CompletionsWire
from storm_calm.agents.reasoners.retry import RetryableError
from storm_calm.agents.reasoners.sse import EventStreamParser
from storm_calm.env import ReasonerError, Sampling
from support.fake_upstream import FakeUpstream

pytestmark = pytest.mark.slow

STOP = ("```\n", "```output")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)


def prompt(play):
    return f"<|im_start|>user\n[[{play}]] 40 hours<|im_end|>\n<|im_start|>assistant\n<think>\n"


def written(urls, play, *, on_text=None, **keywords):
    async def write():
        async with open_upstream(urls, **keywords) as opened:
            return await opened.write(
                prompt(play), stop=STOP, max_tokens=500, sampling=Sampling(seed=1), on_text=on_text or (lambda *_: None)
            )

    return asyncio.run(write())


def test_async_and_synchronous_reasoners_return_the_same():
    pieces = []
    with FakeUpstream() as one:
        found = written([one.url], "solve", on_text=lambda text, tokens: pieces.append((text, tokens)))
        completions = Completions(one.url)
        same = completions.generate(prompt("solve"), stop=STOP, max_tokens=500, sampling=Sampling(seed=1))
        completions.close()
    assert found.generation == same
    assert found.generation.finish == "stop"
    assert found.generation.text.endswith("```\n")
    assert "".join(text for text, _ in pieces) == found.generation.text
    assert sum(tokens for _, tokens in pieces) == found.tokens
    assert len(pieces) > 3


def test_text_of_many_streams_is_batched_without_loss(monkeypatch):
    async def crowd(url, streams):
        pieces = []
        async with open_upstream([url]) as opened:
            texts = [
                opened.write(
                    prompt("solve"),
                    stop=STOP,
                    max_tokens=500,
                    sampling=Sampling(seed=1),
                    on_text=lambda text, tokens: pieces.append((text, tokens)),
                )
                for _ in range(streams)
            ]
            whole = [written.generation.text for written in await asyncio.gather(*texts)]
        return whole, pieces

    with FakeUpstream(rate=100.0) as one:
        alone, single = asyncio.run(crowd(one.url, 1))
        monkeypatch.setattr(module, "READ_PAUSE_SECONDS", 0.02)
        whole, pieces = asyncio.run(crowd(one.url, 5))
    assert set(whole) == set(alone)
    assert sum(tokens for _, tokens in pieces) == 5 * sum(tokens for _, tokens in single)
    assert sum(len(text) for text, _ in pieces) == 5 * len(alone[0])
    assert len(pieces) < 5 * len(single) / 2


def test_the_servers_token_count_is_used():
    with FakeUpstream() as one:
        found = written([one.url], "chat")
    assert found.prompt_tokens == len(prompt("chat")) // 4
    assert found.tokens > 3


def test_requests_go_to_the_least_loaded_replica():
    async def both():
        async with open_upstream([one.url, other.url]) as opened:
            work = [
                opened.write(prompt("chat"), stop=STOP, max_tokens=9, sampling=Sampling(), on_text=lambda *_: None)
                for _ in range(20)
            ]
            await asyncio.gather(*work)

    with FakeUpstream() as one, FakeUpstream() as other:
        asyncio.run(both())
        assert len(one.asked) == len(other.asked) == 10


@pytest.mark.parametrize("fault", ["is down", "answers 503"])
def test_a_request_fails_over_before_the_first_token(fault):
    with FakeUpstream() as one, FakeUpstream() as other:
        url = one.url
        if fault == "is down":
            one.close()
        one.failures = 1
        found = written([url, other.url], "solve")
        assert found.generation.finish == "stop"
        assert len(other.asked) == 1


def test_the_only_replica_is_retried():
    with FakeUpstream() as one:
        one.failures = 3
        assert written([one.url], "solve").generation.finish == "stop"
        assert len(one.asked) == 4
        one.failures = 4
        with pytest.raises(ReasonerError, match=r"no replica answered; .*answered 503: .*not yet"):
            written([one.url], "solve")


def test_a_bad_request_is_not_retried():
    with FakeUpstream() as one:
        with pytest.raises(ReasonerError, match=r"answered 400: .*played"):
            written([one.url], "400")
        assert len(one.asked) == 1


def test_a_too_long_retry_after_is_an_error():
    with FakeUpstream() as one:
        with pytest.raises(ReasonerError, match="answered 429"):
            written([one.url], "429")
        assert len(one.asked) == 1


def test_a_broken_stream_is_an_error_after_the_first_token():
    with FakeUpstream() as one, FakeUpstream() as other:
        with pytest.raises(ReasonerError, match="the stream broke off"):
            written([one.url, other.url], "half")
        assert len(one.asked) + len(other.asked) == 1


def test_errors_do_not_contain_the_key():
    with FakeUpstream() as one, pytest.raises(ReasonerError) as caught:
        written([one.url], "400", api_key="sk-very-secret")
    assert "sk-very-secret" not in str(caught.value)


def test_a_recovered_replica_is_detected(monkeypatch, caplog):
    monkeypatch.setattr(module, "HEALTH_CHECK_SECONDS", 0.05)

    async def watch():
        async with open_upstream([one.url]) as opened:
            replica = opened.replicas[0]
            replica.up = False
            async with asyncio.timeout(5):
                while not replica.up:
                    await asyncio.sleep(0.01)
            one.close()
            async with asyncio.timeout(5):
                while replica.up:
                    await asyncio.sleep(0.01)

    with FakeUpstream() as one:
        asyncio.run(watch())
    assert "does not answer" in caplog.text


def test_a_cancelled_request_closes_its_connection():
    async def leave():
        async with open_upstream([one.url]) as opened:
            task = asyncio.create_task(
                opened.write(prompt("endless"), stop=STOP, max_tokens=9, sampling=Sampling(), on_text=lambda *_: None)
            )
            while not one.open:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
            async with asyncio.timeout(2):
                while one.open:
                    await asyncio.sleep(0.01)
            assert opened.replicas[0].busy == 0

    with FakeUpstream() as one:
        asyncio.run(leave())
    assert one.ended == ["left"]


def fed(pieces, server="vllm"):
    stream = EventStreamParser(CompletionsWire(model="m", server=server, tokens=None), STOP, "http://x/v1")
    return "".join(stream.feed(piece) for piece in pieces), stream


def test_an_omitted_stop_string_is_restored():
    data = (
        b'data: {"choices": [{"text": "a\\n", "finish_reason": "stop", "stop_reason": "```\\n"}]}\n\ndata: [DONE]\n\n'
    )
    text, stream = fed([data])
    assert (text, stream.over, stream.chunks[-1].finish) == ("a\n```\n", True, "stop")


def test_the_stream_may_be_split_at_any_byte():
    first, second = ('data: {"choices": [{"text": "größe "}]}', 'data: {"choices": [{"text": "x```\\nmore"}]}')
    data = f"{first}\r\n\r\n: comment\n\n{second}\n\n".encode()
    for size in range(1, len(data)):
        text, stream = fed([data[at : at + size] for at in range(0, len(data), size)])
        assert (text, stream.over) == ("größe x```\n", True)


@pytest.mark.parametrize("data", ["{", "3", '{"choices": 3}', '{"error": "e"}'])
def test_malformed_events_are_retryable_errors(data):
    with pytest.raises(RetryableError):
        fed([f"data: {data}\n\n".encode()])


class Slow:
    """A synchronous reasoner that generates slowly and counts its words."""

    name, context, instructions, sampling = "slow", None, None, Sampling()
    hint_marks = ("", "")

    def __init__(self):
        self.words = 0

    def render(self, messages):
        return ""

    def encode(self, text):
        return None

    def encode_marked(self, text):
        return self.encode(text)

    def stream(self, prompt, *, stop, max_tokens, sampling):
        import time

        from storm_calm.env import Chunk

        for number in range(max_tokens):
            time.sleep(0.005)
            self.words += 1
            yield Chunk(text=f"{number} ", finish="length" if number + 1 == max_tokens else None)

    def close(self): ...


def test_a_threaded_reasoner_streams_and_can_be_cancelled():
    async def listen():
        slow = Slow()
        reasoner = ThreadedReasoner(slow, threads=2)
        pieces = []
        asking = {"stop": (), "sampling": Sampling(), "on_text": lambda text, tokens: pieces.append((text, tokens))}
        found = await reasoner.write("", max_tokens=20, **asking)
        assert "".join(text for text, _ in pieces) == found.generation.text
        assert sum(tokens for _, tokens in pieces) == 20
        assert len(pieces) > 5
        task = asyncio.create_task(reasoner.write("", max_tokens=10_000, **asking))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.05)
        words = slow.words
        await asyncio.sleep(0.1)
        assert slow.words == words
        reasoner.close()

    asyncio.run(listen())


def test_several_reasoners_must_all_be_servers():
    async def open_both():
        async with open_async(["nano", "http://127.0.0.1:9/v1"]):
            pass

    with pytest.raises(ValueError, match="only URLs of servers"):
        asyncio.run(open_both())
