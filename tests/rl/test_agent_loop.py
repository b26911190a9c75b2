"""Rollouts: the environment of curation and evaluation, in veRL's format."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from transformers import AutoTokenizer
from verl.experimental.agent_loop.agent_loop import DictConfigWrap
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.workers.rollout.replica import TokenOutput

from storm_calm.agents.graphs import storm
from storm_calm.agents.graphs.components import Parts
from storm_calm.env import Episode, SolverEnv, Span, Transcript, read_problems, run_episode, score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.problems.families import generate
from storm_calm.env.problems.families.scaled.scaled_problems import reference_program
from storm_calm.env.serialize import from_json, to_json
from storm_calm.rl.datasets import rl_rows
from storm_calm.rl.rollout import agent_loop
from storm_calm.rl.rollout.agent_loop import StormAgentLoop, to_rollout
from storm_calm.rl.rollout.rollout_metrics import last_failure
from storm_calm.sandbox import SandboxUnavailableError
from support.bag_workspace import program, write_bag
from support.scripted_policy import ANSWERING, FAILING, GUESSING, INVENTING, SOLVING, ScriptedPolicy

pytestmark = pytest.mark.slow

RUNS = {
    "solves": (SOLVING, ANSWERING),
    "fails, repairs, answers": (FAILING, SOLVING, ANSWERING),
    "forges an observation": (SOLVING, INVENTING, ANSWERING),
    "runs too many programs": (SOLVING, FAILING, SOLVING, FAILING, SOLVING),
    "answers at once, wrongly": (GUESSING,),
    "says nothing": ("",),
    "begins with an observation": ("```output\n21\n```\n",),
}


class Server:
    """A stub of veRL's generation server; the log-probability of a token is its id."""

    def __init__(self, script, *, longest=10_000):
        self.script, self.longest, self.asked = script, longest, []

    async def generate(self, request_id, *, prompt_ids, sampling_params, **_):
        self.asked.append((request_id, sampling_params))
        ids = list(self.script.tokens(prompt_ids))[: min(self.longest, sampling_params["max_tokens"])]
        return TokenOutput(token_ids=ids, log_probs=[float(id) for id in ids], extra_fields={"global_steps": 3})


@pytest.fixture
def settings(nano, tmp_path):
    return OmegaConf.create(
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
                "minimum_isolation": "limits",
                "workers": 2,
                "solver_seconds": 10.0,
                "memory_mb": 1024,
                "rollout_seconds": 600.0,
                "keep_rollouts": 1,
            },
            "actor_rollout_ref": {
                "model": {"path": str(nano)},
                "rollout": {"prompt_length": 512, "response_length": 1024},
            },
            "data": {},
        }
    )


@pytest.fixture
def roll_out(settings, nano, sandbox, monkeypatch, workshop):
    """A function that plays a script through the agent loop and returns veRL's output."""
    monkeypatch.setattr(agent_loop, "shared_sandbox", lambda *_: sandbox)

    def roll_out(texts, renderer, problem=workshop, **server):
        row = rl_rows([problem])[0]

        async def play():
            loop = StormAgentLoop(
                DictConfigWrap(settings),
                Server(ScriptedPolicy(renderer, texts), **server),
                AutoTokenizer.from_pretrained(nano),
                None,
                RLHFDataset,
                DictConfigWrap(settings.data),
            )
            return await loop.run({"temperature": 1.0}, raw_prompt=row["prompt"], global_steps=2, session_id=1, **row)

        return asyncio.run(play())

    return roll_out


@pytest.mark.parametrize("texts", RUNS.values(), ids=RUNS)
def test_ids_masks_and_reward_equal_those_of_the_plain_loop_and_the_graph(texts, renderer, sandbox, workshop, roll_out):
    script = ScriptedPolicy(renderer, texts)
    plain = run_episode(SolverEnv(sandbox, script), script, workshop)
    made = Parts(reasoner=ScriptedPolicy(renderer, texts), sandbox=sandbox)
    walked = from_json(Episode, storm.build(lambda: made).invoke({"problem": to_json(workshop)})["episode"])
    rollout = roll_out(texts, renderer)

    ids, mask = plain.transcript.ids, loss_mask(plain.transcript, "rl")
    assert (walked.transcript.ids, loss_mask(walked.transcript, "rl")) == (ids, mask)
    assert walked.stop == plain.stop
    start = len(rollout.prompt_ids)
    assert tuple(rollout.prompt_ids) == ids[:start] == plain.transcript.spans[0].ids
    if start < len(ids):
        assert tuple(rollout.response_ids) == ids[start:]
        assert tuple(rollout.response_mask) == mask[start:]
    else:  # veRL has no empty responses.
        assert (len(rollout.response_ids), rollout.response_mask) == (1, [0])
    assert rollout.reward_score == score(plain).reward == score(walked).reward


@pytest.mark.parametrize(("capacity", "reward"), [(4, 1.0), (5, 0.0), (3, 0.0)])
def test_the_checked_plan_of_a_workspace_gives_the_reward(renderer, settings, roll_out, tmp_path, capacity, reward):
    (problem,) = read_problems(write_bag(tmp_path))
    settings.actor_rollout_ref.rollout.response_length = 3000
    texts = (f"Run it.\n```python\n{program(capacity)}```\n", f"It is \\boxed{{{capacity + 2}}}.")
    assert roll_out(texts, renderer, problem).reward_score == reward


def test_a_family_with_5000_variables_is_rolled_out(renderer, settings, roll_out, tmp_path):
    (problem,) = generate(["transportation"], split="train", seed=3, limit=1, size=5000, folder=tmp_path)
    program = reference_program(problem)
    settings.actor_rollout_ref.rollout.response_length = 20_000
    texts = (f"Run it.\n```python\n{program}```\n", f"It is \\boxed{{{problem.answers[0]!r}}}.")
    rollout = roll_out(texts, renderer, problem)
    assert len(rollout.prompt_ids) < 4000
    assert rollout.reward_score == 1.0


def test_a_broken_checker_gives_no_reward(renderer, settings, roll_out, tmp_path):
    (problem,) = read_problems(write_bag(tmp_path, check="raise SystemExit('lost')"))
    settings.actor_rollout_ref.rollout.response_length = 3000
    texts = (f"Run it.\n```python\n{program()}```\n", "It is \\boxed{6}.")
    with pytest.raises(
        RuntimeError, match=r"problem 'bag': no reward, since checker check.py ended with error: .*lost"
    ):
        roll_out(texts, renderer, problem)


def test_every_learned_token_was_sampled_and_has_its_own_logprob(renderer, roll_out):
    rollout = roll_out(RUNS["forges an observation"], renderer)
    assert "```output\n21.0" in renderer.tokens._tokenizer.decode(rollout.response_ids)
    assert "99" not in renderer.tokens._tokenizer.decode(rollout.response_ids)
    for id, learned, logprob in zip(
        rollout.response_ids, rollout.response_mask, rollout.response_logprobs, strict=True
    ):
        assert logprob == (float(id) if learned else 0.0)


def test_prompts_of_later_segments_are_the_transcript_so_far(renderer, sandbox, workshop, roll_out):
    texts = RUNS["fails, repairs, answers"]
    script = ScriptedPolicy(renderer, texts)
    ids = run_episode(SolverEnv(sandbox, script), script, workshop).transcript.ids
    assert all(prompt == ids[: len(prompt)] for prompt in script.prompts)
    assert [len(prompt) for prompt in script.prompts] == sorted({len(prompt) for prompt in script.prompts})


def test_figures_for_metrics_are_always_present(renderer, roll_out):
    outputs = [roll_out(texts, renderer) for texts in RUNS.values()]
    assert len({tuple(sorted(output.extra_fields["reward_extra_info"])) for output in outputs}) == 1
    for output in outputs:
        fields = output.extra_fields
        assert (fields["min_global_steps"], fields["max_global_steps"]) == (3, 3)
        assert "reward" not in fields["reward_extra_info"]
        assert all(isinstance(value, float) for value in fields["reward_extra_info"].values())
    assert outputs[0].extra_fields["reward_extra_info"]["backed"] == 1.0
    assert outputs[4].extra_fields["reward_extra_info"]["executions"] == 0.0


def test_a_response_never_exceeds_its_budget(settings, renderer, roll_out):
    settings.actor_rollout_ref.rollout.response_length = 40
    rollout = roll_out((SOLVING, ANSWERING), renderer)
    assert len(rollout.response_ids) == len(rollout.response_mask) == len(rollout.response_logprobs) == 40
    assert rollout.reward_score == 0.0
    assert rollout.extra_fields["reward_extra_info"]["stop_length"] == 1.0


def test_segments_have_their_own_seeds_under_one_request(settings, renderer, nano, sandbox, workshop):
    def seeds(step):
        server = Server(ScriptedPolicy(renderer, (FAILING, SOLVING, ANSWERING)))
        row = rl_rows([workshop])[0]

        async def play():
            loop = StormAgentLoop(
                DictConfigWrap(settings), server, AutoTokenizer.from_pretrained(nano), None, RLHFDataset,
                DictConfigWrap(settings.data),
            )  # fmt: skip
            await loop.run({}, raw_prompt=row["prompt"], global_steps=step, session_id=0, **row)

        asyncio.run(play())
        assert len({request for request, _ in server.asked}) == 1
        return [asked["seed"] for _, asked in server.asked]

    first = seeds(1)
    assert first == seeds(1)
    assert len(set(first + seeds(2))) == 6


def test_stored_rollouts_contain_the_transcript_and_the_verl_output(settings, renderer, roll_out, tmp_path):
    rollout = roll_out((SOLVING, ANSWERING), renderer)
    (line,) = (tmp_path / "rollouts" / "step-000002.jsonl").read_text().splitlines()
    kept = json.loads(line)
    transcript = from_json(Episode, kept["episode"]).transcript
    start = len(rollout.prompt_ids)
    assert kept["rollout"]["response_ids"] == rollout.response_ids == list(transcript.ids[start:])
    assert kept["rollout"]["mask"] == rollout.response_mask == list(loss_mask(transcript, "rl")[start:])
    settings.storm.keep_rollouts = 5
    roll_out((SOLVING, ANSWERING), renderer)
    assert len((tmp_path / "rollouts" / "step-000002.jsonl").read_text().splitlines()) == 1


def test_the_reward_and_its_components_reach_the_trainer_the_metrics_and_the_stored_rollout(
    settings, renderer, roll_out, tmp_path
):
    settings.storm.reward = {"plan": 0.2, "solver": 0.1, "format": 0.1, "length": 0.3, "process": 0.05, "soft_limit": 0}
    rollout = roll_out((SOLVING, ANSWERING), renderer)
    figures = rollout.extra_fields["reward_extra_info"]
    penalty = -0.3 * figures["model_tokens"] / 1024
    assert rollout.reward_score == figures["reward_total"] == pytest.approx(1.4 + penalty)
    assert (figures["correct"], figures["reward_plan"], figures["reward_length"]) == (1.0, 0.2, pytest.approx(penalty))
    kept = json.loads((tmp_path / "rollouts" / "step-000002.jsonl").read_text())
    assert kept["score"]["reward"] == 1.0
    assert {f"reward_{name}": value for name, value in kept["reward"].items()}.items() <= figures.items()
    assert (kept["step"], kept["group"], kept["session"]) == (2, "workshop", 1)


class Faltering:
    """A sandbox that fails a number of times, then works."""

    def __init__(self, sandbox, failures):
        self.sandbox, self.failures, self.limits = sandbox, failures, sandbox.limits

    def run(self, code, **keywords):
        if self.failures:
            self.failures -= 1
            raise SandboxUnavailableError("the workers are gone")
        return self.sandbox.run(code, **keywords)


def test_a_sandbox_failure_is_retried_and_leaves_no_trace(renderer, sandbox, roll_out, monkeypatch, tmp_path):
    monkeypatch.setattr(agent_loop, "SANDBOX_RETRY_PAUSES", (0.01, 0.01))
    whole = roll_out((SOLVING, ANSWERING), renderer)
    monkeypatch.setattr(agent_loop, "shared_sandbox", lambda *_: Faltering(sandbox, 2))
    faltering = roll_out((SOLVING, ANSWERING), renderer)
    assert (faltering.response_ids, faltering.reward_score) == (whole.response_ids, 1.0)
    assert last_failure(tmp_path) == "the workers are gone"


def test_a_persistent_sandbox_failure_is_raised_and_never_scored(renderer, sandbox, roll_out, monkeypatch):
    monkeypatch.setattr(agent_loop, "SANDBOX_RETRY_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(agent_loop, "shared_sandbox", lambda *_: Faltering(sandbox, 3))
    with pytest.raises(SandboxUnavailableError, match="the workers are gone"):
        roll_out((SOLVING, ANSWERING), renderer)


def test_a_persistent_failure_of_the_plans_check_is_raised_and_never_a_reward(
    renderer, settings, roll_out, monkeypatch, tmp_path
):
    def fail(*_):
        raise SandboxUnavailableError("the second solver is gone")

    monkeypatch.setattr(agent_loop, "SANDBOX_RETRY_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(agent_loop, "check_answer", fail)
    settings.storm.reward = {"plan": 0.2}
    with pytest.raises(SandboxUnavailableError, match="the second solver is gone"):
        roll_out((SOLVING, ANSWERING), renderer)
    assert last_failure(tmp_path) == "the second solver is gone"
    assert not (tmp_path / "rollouts").exists()


SPANS = st.lists(st.tuples(st.sampled_from(["model", "tool", "hint"]), st.integers(1, 6)), max_size=6)


@given(prompt=st.integers(1, 5), spans=SPANS, length=st.integers(1, 20), known=st.integers(0, 40))
def test_a_rollout_is_the_transcript_after_its_prompt(workshop, prompt, spans, length, known):
    def span(source, count):
        return Span(source=source, text="x" * count, ids=tuple(range(count)), ends=tuple(range(1, count + 1)))

    transcript = Transcript(spans=(span("prompt", prompt), *(span(*one) for one in spans if one[0] != "tool")))
    rollout = to_rollout(Episode(problem=workshop, transcript=transcript), [1.0] * known, length, filler=0)
    mask = list(loss_mask(transcript, "rl")[prompt:])[:length] or [0]
    assert rollout.mask == mask
    assert rollout.response_ids == (list(transcript.ids[prompt:])[:length] or [0])
    assert len(rollout.logprobs) == len(mask)
    assert all(value == 0.0 for value, learned in zip(rollout.logprobs, mask, strict=True) if not learned)


RELAXED = SOLVING.replace('s.NumVar(0, 7, "x")', 's.IntVar(0, 7.9, "x")').replace("3 * x", "21 / 7.9 * x")
"""A program whose solver ignores that the variable must be whole: the objective is 21, with 7.9 chairs."""


@pytest.mark.parametrize(
    ("text", "checked", "reward", "reason"),
    [
        (SOLVING, True, 1.0, "correct"),
        (RELAXED, False, 1.0, "correct"),
        (RELAXED, True, 0.0, "failed_check"),
    ],
)
def test_plans_that_fail_their_check_get_no_reward_if_that_is_asked_for(
    renderer, roll_out, settings, tmp_path, text, checked, reward, reason
):
    settings.storm.check_plans = checked
    rollout = roll_out((text, ANSWERING), renderer)
    assert rollout.reward_score == reward
    assert rollout.extra_fields["reward_extra_info"]["correct"] == reward
    [file] = (tmp_path / "rollouts").glob("*.jsonl")
    assert json.loads(file.read_text())["score"]["reason"] == reason
