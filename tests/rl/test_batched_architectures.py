"""The rollout backend generates with models of several architectures as transformers does."""

import pytest
import torch
from verl.workers.engine.fsdp.utils import unfuse_moe_params

from storm_calm.rl.verl_cpu.batched_generation import GenerationBatch, GenerationRequest
from storm_calm.rl.verl_cpu.fused_experts import fuse_experts
from support.public_tokenizers import ARCHITECTURES, random_model

pytestmark = pytest.mark.slow

VOCABULARY = 1024


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    made = random_model(request.param, VOCABULARY).eval()
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() > 1:  # Small weights would give equal probabilities, whatever the attention is.
                weight *= 15
    return made


def test_logprobs_equal_those_of_one_forward_pass(model, renderer):
    batch = GenerationBatch(model, renderer.tokens, rows=4, length=200)
    torch.manual_seed(1)
    # Longer than Gemma's window, and of different lengths, so that some rows are padded.
    prompts = [tuple(torch.randint(10, VOCABULARY, (count,)).tolist()) for count in (80, 87, 40)]
    requests = [
        GenerationRequest(key=at, ids=ids, limit=20, temperature=0.8, top_p=1.0, stop=(), seed=at)
        for at, ids in enumerate(prompts)
    ]
    batch.join(requests)
    done = {}
    while batch.busy:
        done |= {written.key: written for written in batch.step()}
    for request in requests:
        written = done[request.key]
        with torch.inference_mode():
            logits = model(torch.tensor([[*request.ids, *written.ids]])).logits[0] / 0.8
        expected = logits.log_softmax(-1)[len(request.ids) - 1 : -1].gather(-1, torch.tensor(written.ids)[:, None])
        assert torch.allclose(torch.tensor(written.logprobs), expected[:, 0], atol=1e-4)
        assert expected.exp().max() > 2 / VOCABULARY


def test_the_weights_that_verl_sends_fit_the_model(model):
    own = model.state_dict()
    sent = dict(unfuse_moe_params(own.items(), model.config.model_type))
    received = fuse_experts(sent)
    assert received.keys() == own.keys()
    assert all(torch.equal(received[name], own[name]) for name in own)
