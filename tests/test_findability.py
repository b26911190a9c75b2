"""Searching the names of files and folders for the obvious word leads to the file that does it."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("sandbox", "env", "agents", "rl", "serving", "cli")
SEARCHES = [
    ("the hint share limit that disqualifies a trajectory", "hint", "agents/graphs/hint_share.py"),
    ("removal of an output block that the model wrote itself", "output", "env/output_blocks.py"),
    ("what makes a trajectory golden", "golden", "agents/graphs/golden.py"),
    ("retry of a model server's 429", "retry", "agents/reasoners/retry.py"),
    ("our server's own 429", "rate", "serving/api/rate_limit.py"),
    ("the reward", "reward", "env/reward.py"),
    ("the chat template", "template", "agents/reasoners/chat_template.py"),
    ("the reasoner's system prompt", "prompt", "env/system_prompt.py"),
    ("the loss mask", "mask", "env/loss_mask.py"),
    ("the seccomp filter", "seccomp", "sandbox/zygote/seccomp.py"),
    ("the KV cache", "kv", "agents/reasoners/kv_cache.py"),
    ("the runtime tokenizer", "tokenizer", "agents/reasoners/tokenizer.py"),
    ("server-sent events, read", "sse", "agents/reasoners/sse.py"),
    ("server-sent events, written", "sse", "serving/api/sse.py"),
    ("server middleware", "middleware", "serving/api/middleware.py"),
    ("pass@k", "pass", "agents/evaluation/pass_at_k.py"),
    ("confidence intervals", "interval", "agents/evaluation/intervals.py"),
    ("continuing after a kill", "resume", "agents/runs/resume.py"),
    ("the train / held-out split", "split", "env/problems/families/split.py"),
    ("the check that a hint does not leak the answer", "leak", "agents/interveners/leak_check.py"),
    ("contamination", "contamination", "rl/contamination.py"),
    ("GRPO settings", "grpo", "rl/config/grpo.yaml"),
    ("API keys", "auth", "serving/api/auth.py"),
    ("the rollout for veRL", "rollout", "rl/rollout/agent_loop.py"),
    ("a program's time limit", "timeout", "sandbox/zygote/timeout.py"),
    ("the worker pool over problems", "worker", "agents/runs/worker_pool.py"),
    ("the part of the problems of one machine", "shard", "agents/runs/shard.py"),
    ("joining the runs of several machines", "merge", "agents/merge/merge_shards.py"),
    ("JSON lines", "jsonl", "env/jsonl.py"),
    ("cost of the LLM intervener", "cost", "agents/interveners/cost.py"),
    ("the LLM intervener's prompt", "prompt", "agents/interveners/prompts/intervener.md"),
    # Ten more.
    ("write-then-rename", "atomic", "env/atomic_write.py"),
    ("markup that a text may not become", "special_token", "env/special_tokens.py"),
    ("where the model's text stops", "stop_string", "agents/reasoners/stop_strings.py"),
    ("what differs between providers", "provider", "agents/reasoners/provider_quirks.py"),
    ("agreement between reviewers", "kappa", "serving/review/cohen_kappa.py"),
    ("a person in the intervener's place", "human", "agents/graphs/human_review.py"),
    ("cancelling a program", "cancel", "sandbox/cancellation.py"),
    ("the file system rules of a program", "landlock", "sandbox/zygote/landlock.py"),
    ("memory and process limits of a program", "cgroup", "sandbox/zygote/program_cgroups.py"),
    ("published benchmarks", "benchmark", "env/problems/benchmarks/load_benchmark.py"),
]


def found(word):
    """Return the files that have the word in their name or in the name of a folder above."""
    files = (path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file())
    paths = (path.relative_to(REPOSITORY).as_posix() for path in files if "__pycache__" not in path.parts)
    return {path for path in paths if word in path.lower()}


@pytest.mark.parametrize(
    ("word", "expected"),
    [pytest.param(*search, id=behaviour) for behaviour, *search in SEARCHES],
)
def test_an_obvious_search_word_finds_the_file(word, expected):
    assert expected in found(word)
