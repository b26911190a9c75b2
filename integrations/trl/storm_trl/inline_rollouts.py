"""A `rollout_func` for models that write programs in their text (`env.protocol.Inline`), such as the nano model.

TRL's own rollouts parse tool calls, so they need a model that was trained on its chat template's notation of calls.
Here the model continues one turn around each program's output, as in curation, evaluation and serving. The environment
makes ids, mask and reward:

- Sampled ids are appended and never encoded again; observations are encoded separately.
- `env_mask` is 1 for sampled tokens and 0 for tokens of the environment.
- The reward is that of `env.score`, and None, which excludes the rollout, if the sandbox failed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from storm_calm.env import Episode, Problem, Sampling, SolverEnv, next_segment, score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.reward import scorable
from storm_calm.env.workspace import full_question
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.rl.verl_cpu.batched_generation import GenerationBatch, GenerationRequest
from storm_calm.sandbox import Sandbox


class InlineRollouts:
    """The function for `GRPOTrainer(rollout_func=..., reward_funcs=rollout_reward)`."""

    def __init__(self, folder: Path, problems: Sequence[Problem], sandbox: Sandbox, *, length: int) -> None:
        """folder: the model's checkpoint, for its tokenizer and prompt format.

        problems: those of the trainer's dataset, since TRL passes on only the prompts. length: the most tokens of a
        rollout with its prompt.
        Raises ValueError for a folder without a tokenizer, and for two problems with the same question.
        """
        self._renderer = CheckpointRenderer(folder, context=length)
        self._sandbox = sandbox
        self._length = length
        self._problems: dict[str, Problem] = {}
        for problem in problems:
            same = self._problems.setdefault(full_question(problem), problem)
            if same is not problem:
                raise ValueError(f"problems {same.id!r} and {problem.id!r} have the same question; leave one out")
        self.episodes: tuple[Episode, ...] = ()
        """The episodes of the last call."""

    def __call__(self, prompts: Sequence[Sequence[dict[str, str]]], trainer: Any) -> dict[str, list[Any]]:
        """Return one rollout for each prompt, in TRL's format.

        prompts: messages, repeated for each rollout of a group. The last has the question.
        """
        envs = [SolverEnv(self._sandbox, self._renderer, max_tokens=self._length) for _ in prompts]
        for env, prompt in zip(envs, prompts, strict=True):
            env.reset(self._problems[prompt[-1]["content"]])
        logprobs = self._play(envs, trainer)
        self.episodes = tuple(env.episode for env in envs)
        rollouts: dict[str, list[Any]] = {
            name: [] for name in ("prompt_ids", "completion_ids", "env_mask", "logprobs", "storm_reward")
        }
        filler = min(self._renderer.tokens.end_ids)
        for episode, known in zip(self.episodes, logprobs, strict=True):
            ids, mask = list(episode.transcript.ids or ()), list(loss_mask(episode.transcript, "rl"))
            start = sum(len(span.ids or ()) for span in episode.transcript.spans if span.source == "prompt")
            # TRL does not support an empty completion: a token without loss takes its place.
            rollouts["prompt_ids"].append(ids[:start])
            rollouts["completion_ids"].append(ids[start:] or [filler])
            rollouts["env_mask"].append(mask[start:] or [0])
            padded = [*known, *[0.0] * (len(ids) - len(known))]
            rollouts["logprobs"].append(
                [value if used else 0.0 for value, used in zip(padded[start:], mask[start:], strict=True)] or [0.0]
            )
            rollouts["storm_reward"].append(score(episode).reward if scorable(episode.problem) else None)
        return rollouts

    def _play(self, envs: Sequence[SolverEnv], trainer: Any) -> list[list[float]]:
        """Finish all episodes, and return the log-probabilities of each transcript's tokens, 0.0 if not sampled."""
        logprobs: list[list[float]] = [[] for _ in envs]
        model = trainer.accelerator.unwrap_model(trainer.model)
        training = model.training
        model.eval()
        batch = GenerationBatch(model, self._renderer.tokens, rows=len(envs), length=self._length)
        with ThreadPoolExecutor(self._sandbox.workers, thread_name_prefix="environment") as pool:
            while waiting := [number for number, env in enumerate(envs) if env.episode.stop is None]:
                batch.join([self._request(number, envs[number], logprobs[number], trainer) for number in waiting])
                while batch.busy:
                    for segment in batch.step():
                        number = int(str(segment.key))
                        stop = envs[number].protocol.stop
                        envs[number].write(self._renderer.read(segment.ids, stop=stop))
                        logprobs[number] += segment.logprobs
                        # The environment cut what the model wrote after its program.
                        del logprobs[number][len(envs[number].episode.transcript.ids or ()) :]
                list(pool.map(lambda number: envs[number].act(), waiting))
        model.train(training)
        return logprobs

    def _request(self, number: int, env: SolverEnv, logprobs: list[float], trainer: Any) -> GenerationRequest:
        """Return the request for the next segment of a rollout."""
        sampling = Sampling(temperature=trainer.temperature, top_p=trainer.top_p)
        seed = f"{trainer.args.seed}/{trainer.state.global_step}/{number}"
        segment = next_segment(env, seed=seed, sampling=sampling)
        ids = segment["prompt"]
        assert isinstance(ids, tuple), "the renderer has a tokenizer"
        logprobs += [0.0] * (len(ids) - len(logprobs))
        return GenerationRequest(
            key=number,
            ids=ids,
            limit=segment["max_tokens"],
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop=segment["stop"],
            seed=segment["sampling"].seed,
        )


def rollout_reward(*, storm_reward: Sequence[float | None], **_: Any) -> list[float | None]:
    """Return the rewards that `InlineRollouts` passed on."""
    return list(storm_reward)
