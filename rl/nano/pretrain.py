"""Pretraining the nano model: first on what is right, then on the whole mix.

Copying numbers from the question into a program takes most of the training and then comes suddenly, so it is learned
first, on traces whose learned part holds no flaw; the flaws join later. The loss is on model text alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from rl.nano.corpus import Corpus
from rl.nano.tokenizer import CONTEXT, SPECIAL, VOCABULARY


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """Shape of the model and course of its training."""

    hidden: int = 192
    """Width."""
    layers: int = 4
    """Depth."""
    tokens: int = 20_000_000
    """Tokens to train on, padding not counted."""
    right_share: float = 0.6
    """Part of the training that sees right traces alone."""
    batch_tokens: int = 6_000
    """Tokens in a batch, padding included."""
    rate: float = 3e-3
    """Peak learning rate; linear warm-up, then cosine to a twentieth."""
    warmup: int = 100
    """Steps of warm-up."""
    seed: int = 20_251_004
    """Seed of weights and order."""


def new_model(config: PretrainConfig) -> Qwen3ForCausalLM:
    """An untrained Qwen3 of the nano shape."""
    torch.manual_seed(config.seed)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY,
            hidden_size=config.hidden,
            intermediate_size=3 * config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.hidden // 32,
            num_key_value_heads=config.hidden // 32,
            head_dim=32,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            pad_token_id=SPECIAL.index("<|endoftext|>"),
            bos_token_id=None,
            eos_token_id=SPECIAL.index("<|im_end|>"),
            attn_implementation="sdpa",
        )
    )


def pretrain(corpus: Corpus, config: PretrainConfig, *, seconds: float | None = None) -> Qwen3ForCausalLM:
    """Train a new model for `config.tokens` tokens, or for `seconds` if that is shorter, printing the loss as it goes."""
    model = new_model(config)
    model.train()
    decayed = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=config.rate,
        betas=(0.9, 0.95),
    )
    began, seen, step, average = time.monotonic(), 0, 0, math.nan
    order = np.random.default_rng(config.seed)
    batches = {stage: _batches(corpus, config, order, right_only=stage == "right") for stage in ("right", "mix")}
    while True:
        elapsed = time.monotonic() - began
        done = max(seen / config.tokens, elapsed / seconds if seconds else 0.0)
        if done >= 1:
            break
        ids, targets = next(batches["right" if done < config.right_share else "mix"])
        warm = min(1.0, (step + 1) / config.warmup)
        for group in optimizer.param_groups:
            group["lr"] = config.rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = model.model(input_ids=ids).last_hidden_state
            chosen = targets != IGNORED
            logits = model.lm_head(hidden[chosen])
        loss = torch.nn.functional.cross_entropy(logits.float(), targets[chosen])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        seen += int((ids != 0).sum())
        average = loss.item() if math.isnan(average) else 0.98 * average + 0.02 * loss.item()
        if step % 20 == 0:
            rate = seen / (time.monotonic() - began)
            print(f"step {step}  {done:5.1%}  loss {average:.4f}  {rate:,.0f} tokens/s  {elapsed:.0f} s", flush=True)
    return model.eval()


IGNORED = -100


def _batches(
    corpus: Corpus, config: PretrainConfig, order: np.random.Generator, *, right_only: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches of (ids, targets), both of shape (traces, tokens); targets are shifted, -100 where not learned.

    Traces of like length go together, so little is padding.
    """
    lengths = np.diff(corpus.starts)
    rows = np.flatnonzero(corpus.right) if right_only else np.arange(len(lengths))
    while True:
        shuffled = order.permutation(rows)
        groups: list[np.ndarray] = []
        for block in np.array_split(shuffled, max(1, len(shuffled) // 512)):
            block = block[np.argsort(lengths[block], kind="stable")]
            group: list[int] = []
            for row in block:
                if group and (len(group) + 1) * lengths[row] > config.batch_tokens:
                    groups.append(np.array(group))
                    group = []
                group.append(int(row))
            groups.append(np.array(group))
        for index in order.permutation(len(groups)):
            yield _batch(corpus, groups[index])


def _batch(corpus: Corpus, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    width = int(max(corpus.starts[row + 1] - corpus.starts[row] for row in rows))
    ids = np.zeros((len(rows), width), dtype=np.int64)
    targets = np.full((len(rows), width), IGNORED, dtype=np.int64)
    for at, row in enumerate(rows):
        span = slice(corpus.starts[row], corpus.starts[row + 1])
        tokens, learn = corpus.ids[span].astype(np.int64), corpus.learn[span]
        ids[at, : len(tokens)] = tokens
        targets[at, : len(tokens) - 1] = np.where(learn[1:] == 1, tokens[1:], IGNORED)
    return torch.from_numpy(ids), torch.from_numpy(targets)
