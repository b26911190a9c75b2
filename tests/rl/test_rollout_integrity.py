"""No attack in `reward_attacks` gets a reward, is dropped as a sandbox failure, or is trained on wrongly."""

import asyncio
import json

import pytest
from omegaconf import OmegaConf
from transformers import AutoTokenizer
from verl.experimental.agent_loop.agent_loop import DictConfigWrap
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.workers.rollout.replica import TokenOutput

from storm_calm.agents.reasoners import chat_template
from storm_calm.env import Episode, Problem
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json
from storm_calm.rl.datasets import rl_rows
from storm_calm.rl.rollout import agent_loop
from storm_calm.rl.rollout.agent_loop import StormAgentLoop
from storm_calm.sandbox import Limits, SandboxUnavailableError, open_sandbox
from support.reward_attacks import ATTACKS, MARKS, Attack, boxed, program

pytestmark = pytest.mark.slow

LIMITS = Limits(seconds=1.5, memory_mb=300, processes=64)
HONEST = Attack(name="honest", kind="program", texts=(program("print(6 * 7)"), boxed(42)), reason="correct")


class Server:
    """A stub of veRL's generation server for an attacking policy; the log-probability of a token is its id."""

    def __init__(self, attack, renderer, response_length):
        self.turns, self.renderer, self.response_length = attack.turns(), renderer, response_length
        self.end = renderer.encode_marked(chat_template.TURN_END)[0]
        self.sampled = []

    async def generate(self, request_id, *, prompt_ids, sampling_params, **_):
        text = next(self.turns)
        ids = self.renderer.encode_marked(text)[0]
        ids = ids if text.endswith(tuple(sampling_params["stop"])) else ids + self.end
        ids = ids[: sampling_params["max_tokens"]]
        self.sampled.append((len(prompt_ids), ids))
        return TokenOutput(token_ids=list(ids), log_probs=[float(id) for id in ids], extra_fields={"global_steps": 3})


@pytest.fixture(scope="module")
def full():
    try:
        with open_sandbox(isolation="full", minimum_isolation="full", workers=2, limits=LIMITS) as opened:
            yield opened
    except SandboxUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tokenizer(nano):
    return AutoTokenizer.from_pretrained(nano)


@pytest.fixture
def roll_out(full, nano, renderer, tokenizer, tmp_path, monkeypatch):
    """A function that plays an attack and returns veRL's output, the kept episode, and the server."""
    monkeypatch.setattr(agent_loop, "shared_sandbox", lambda *_: full)
    monkeypatch.setattr(agent_loop, "SANDBOX_RETRY_PAUSES", ())  # A sandbox failure must raise at once.

    def roll_out(attack, server=Server):
        # The nano model's tokens are shorter than the words of the other test.
        response_length = attack.tokens if attack.kind == "budget" else 4 * attack.tokens
        settings = OmegaConf.create(
            {
                "storm": {
                    "out": str(tmp_path),
                    "seed": 5,
                    "instructions": "",
                    "max_executions": 4,
                    "rule": None,
                    "check_plans": False,
                    "reward": {},
                    "sandbox": "local",
                    "minimum_isolation": "full",
                    "workers": 2,
                    "solver_seconds": LIMITS.seconds,
                    "memory_mb": LIMITS.memory_mb,
                    "rollout_seconds": 600.0,
                    "keep_rollouts": 1,
                },
                "actor_rollout_ref": {
                    "model": {"path": str(nano)},
                    "rollout": {"prompt_length": 512, "response_length": response_length},
                },
                "data": {},
            }
        )
        row = rl_rows([Problem(id="attacked", question=attack.question, answers=(attack.answer,))])[0]
        server = server(attack, renderer, response_length)

        async def play():
            loop = StormAgentLoop(
                DictConfigWrap(settings), server, tokenizer, None, RLHFDataset, DictConfigWrap(settings.data)
            )
            return await loop.run({}, raw_prompt=row["prompt"], global_steps=0, session_id=0, **row)

        output = asyncio.run(play())
        (line,) = (
            (tmp_path / "rollouts" / "step-000000.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        )
        kept = json.loads(line)
        return output, kept["score"], from_json(Episode, kept["episode"]), server

    return roll_out


def assert_intact(output, episode, server, renderer):
    """Check that veRL trains on the sampled tokens and on nothing else."""
    ids, mask, logprobs = output.response_ids, output.response_mask, output.response_logprobs
    assert len(ids) == len(mask) == len(logprobs)
    assert logprobs == [float(id) if learned else 0.0 for id, learned in zip(ids, mask, strict=True)]
    start = len(output.prompt_ids)
    end = start + server.response_length  # A longer observation is cut.
    if start < len(episode.transcript.ids):
        assert tuple(ids) == episode.transcript.ids[start:end]
        assert tuple(mask) == loss_mask(episode.transcript, "rl")[start:end]
    else:  # veRL has no empty responses.
        assert mask == [0]
    assert tuple(output.prompt_ids) == episode.transcript.spans[0].ids
    position = 0
    for span in episode.transcript.spans:
        if span.source == "model":
            # It was sampled after exactly the tokens before it.
            assert any(at == position and turn[: len(span.ids)] == span.ids for at, turn in server.sampled)
        elif span.source == "tool":
            assert span.ids == renderer.encode(span.text)[0]
            assert not any(mark in span.text for mark in MARKS)
            assert renderer.tokens.end_ids.isdisjoint(span.ids)
            assert span.text.count("```") == 2
        position += len(span.ids)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.kind}: {attack.name}")
def test_an_attack_gets_reward_0_and_only_sampled_tokens_are_learned(roll_out, renderer, attack):
    output, scored, episode, server = roll_out(attack)
    assert output.reward_score == 0.0
    assert scored["reward"] == 0.0
    assert episode.stop != "infrastructure"
    assert output.extra_fields["reward_extra_info"]["correct"] == 0.0
    assert_intact(output, episode, server, renderer)
    if attack.kind != "session":  # The loop has no sessions: each block is its own program.
        assert scored["reason"] == attack.reason


def test_an_honest_solution_gets_reward_1(roll_out, renderer):
    output, scored, episode, server = roll_out(HONEST)
    assert output.reward_score == 1.0
    assert (scored["reason"], episode.stop) == ("correct", "answer")
    assert_intact(output, episode, server, renderer)


@pytest.mark.parametrize(
    "texts",
    [
        (boxed(43) + "<|im_end|>\n" + boxed(42),),
        (program("print(1)"), boxed(43) + "<|im_end|>" + boxed(42)),
        ("<|im_end|>" + boxed(42),),
        ("<|endoftext|>" + boxed(42),),
        ("<|im_end|><|im_start|>assistant\n" + boxed(42),),
    ],
)
def test_text_after_the_end_of_the_turn_does_not_count(roll_out, renderer, texts):
    output, _, episode, server = roll_out(Attack(name="after the end", kind="answer", texts=texts, reason=""))
    assert output.reward_score == 0.0
    assert episode.transcript.ids[-1] in renderer.tokens.end_ids
    assert_intact(output, episode, server, renderer)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_ids_and_masks_match_if_a_turn_ends_inside_a_character(roll_out, renderer, cut):
    """Incomplete characters have tokens but no text."""
    half = renderer.encode("\U0001f600")[0][:cut]

    class Half(Server):
        async def generate(self, request_id, **keywords):
            output = await super().generate(request_id, **keywords)
            if len(self.sampled) == 1:
                output.token_ids, output.log_probs = [*half], [float(id) for id in half]
                self.sampled[0] = (self.sampled[0][0], half)
            return output

    output, _, episode, server = roll_out(Attack(name="half", kind="budget", texts=("x", boxed(43)), reason=""), Half)
    assert output.reward_score == 0.0
    assert_intact(output, episode, server, renderer)
