"""The generation server of CPUs: requests are aborted, continued and cancelled as in vLLM."""

import asyncio
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from storm_calm.rl.verl_cpu.generation_server import GenerationServer

pytestmark = pytest.mark.slow

LIMIT = 300


@pytest.fixture
def server(nano):
    config = SimpleNamespace(dtype="float32", max_num_seqs=8, prompt_length=256, response_length=512)
    return GenerationServer(config, SimpleNamespace(path=nano))


@pytest.fixture(scope="module")
def prompt(renderer):
    question = "A workshop has 7 hours. Each chair takes one hour and earns 3. What is the largest profit?"
    return list(renderer.encode_marked(renderer.render([{"role": "user", "content": question}]))[0])


def ask(server, ids, name="a", **params):
    params = {"temperature": 0.0, "max_tokens": LIMIT, **params}
    return asyncio.create_task(server.generate(name, ids, params))


async def generating(server):
    """Wait until a request is being generated."""
    while not server._batch.busy:
        await asyncio.sleep(0.001)


def weights(nano):
    return AutoModelForCausalLM.from_pretrained(nano, dtype=torch.float32).state_dict()


def test_an_aborted_request_returns_its_tokens_and_continues_as_if_nothing_had_happened(server, prompt):
    async def play():
        whole = await ask(server, prompt)
        running = ask(server, prompt, "b")
        await generating(server)
        await server.abort_all_requests()
        part = await running
        await server.resume_generation()
        rest = await ask(server, prompt + part.token_ids, "c", max_tokens=LIMIT - len(part.token_ids))
        return whole, part, rest

    whole, part, rest = asyncio.run(play())
    assert (whole.stop_reason, part.stop_reason, rest.stop_reason) == ("completed", "aborted", "completed")
    assert 0 < len(part.token_ids) < len(whole.token_ids)
    assert part.token_ids + rest.token_ids == whole.token_ids
    assert part.log_probs + rest.log_probs == pytest.approx(whole.log_probs, abs=1e-5)


def test_requests_wait_while_generation_is_paused_and_get_the_new_version(server, nano, prompt):
    async def play():
        await server.abort_all_requests()
        waiting = ask(server, prompt)
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        await server.update_weights(weights(nano), 7)
        await server.resume_generation()
        return await waiting

    output = asyncio.run(play())
    assert (output.stop_reason, output.extra_fields["global_steps"]) == ("completed", 7)


def test_a_server_that_rejects_requests_returns_them_as_aborted(server, prompt):
    async def play():
        await server.abort_all_requests()
        waiting = ask(server, prompt, "waits")
        await asyncio.sleep(0)
        await server.abort_all_requests(reject_request=True)
        return await waiting, await ask(server, prompt, "comes later")

    for output in asyncio.run(play()):
        assert (output.token_ids, output.stop_reason) == ([], "aborted")


def test_a_cancelled_request_does_not_disturb_the_others(server, prompt):
    async def play():
        cancelled, other = ask(server, prompt, "a"), ask(server, prompt, "b")
        await generating(server)
        cancelled.cancel()
        await other
        assert cancelled.cancelled()
        return await ask(server, prompt, "c")

    assert asyncio.run(play()).stop_reason == "completed"


def test_an_impossible_request_fails_alone(server, prompt):
    async def play():
        running = ask(server, prompt, "running")
        await generating(server)
        with pytest.raises(ValueError, match=r"raise data\.max_prompt_length"):
            await ask(server, prompt * 20)
        return await running, await ask(server, prompt, "b")

    assert [output.stop_reason for output in asyncio.run(play())] == ["completed", "completed"]
