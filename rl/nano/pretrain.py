"""Pretrain the nano model in three stages: copying drills, then correct traces, then the whole mix.

Copying numbers from the question into a program takes longest to emerge, so drills come first. Then come traces without
flaws in their learned part, and the flaws come last. Only model text has a loss. Each core runs a process, and
gradients are averaged: at this model size that is faster than threads.
"""

import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import distributed, multiprocessing
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from storm_calm.env.prompt_format import NANO, write_prompt_format
from storm_calm.rl.nano.nano_tokenizer import CONTEXT, IM_END, IM_START, PAD, SPECIAL, VOCABULARY
from storm_calm.rl.nano.pretraining_corpus import Corpus

IGNORED = -100
"""Target of a token without loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """Shape of the model and schedule of its training."""

    hidden: int = 192
    """Hidden size."""
    layers: int = 4
    """Number of layers."""
    tokens: int = 12_800_000
    """Tokens to train on, padding included."""
    drill_share: float = 0.05
    """Fraction of the training that ends the stage of drills."""
    right_share: float = 0.5
    """Fraction of the training that ends the stage of correct traces; the rest sees all traces."""
    batch_tokens: int = 2_000
    """Tokens in a batch of one process, padding included."""
    rate: float = 3e-3
    """Peak learning rate of embeddings and norms (AdamW); linear warm-up, then cosine decay to a twentieth."""
    matrix_rate: float = 8e-3
    """Peak learning rate of the matrices (Muon), with the same schedule."""
    warmup: int = 100
    """Steps of warm-up."""
    seed: int = 20_251_004
    """Seed of the initial weights and of the order of batches."""


def new_model(config: PretrainConfig) -> Qwen3ForCausalLM:
    """Return an untrained Qwen3 model of the nano shape."""
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
            pad_token_id=SPECIAL.index(PAD),
            bos_token_id=None,
            eos_token_id=SPECIAL.index(IM_END),
            attn_implementation="sdpa",
        )
    )


def pretrain(
    drills: Corpus, corpus: Corpus, config: PretrainConfig, *, out: Path, processes: int, seconds: float | None = None
) -> None:
    """Train a new model for `config.tokens` tokens, or at most `seconds`; write its weights to `out`.

    Prints the loss. A run is reproducible unless `seconds` cuts it short.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = (processes, f"file://{folder}/rendezvous", drills, corpus, config, out, seconds)
        multiprocessing.spawn(_train, arguments, nprocs=processes)


def _train(
    rank: int,
    processes: int,
    rendezvous: str,
    drills: Corpus,
    corpus: Corpus,
    config: PretrainConfig,
    out: Path,
    seconds: float | None,
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=processes)
    model = new_model(config)
    model.train()
    parameters = list(model.parameters())
    # Muon on the hidden matrices, AdamW on the rest: the copying heads form in a third of the steps.
    hidden_matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(hidden_matrices, lr=config.matrix_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=config.rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    peaks = (config.matrix_rate, config.rate)
    order = np.random.default_rng([config.seed, rank])
    batches = {
        "drills": _batches(drills, config, order, right_only=True),
        "right": _batches(corpus, config, order, right_only=True),
        "mix": _batches(corpus, config, order, right_only=False),
    }
    began, seen, step, average, done = time.monotonic(), 0, 0, math.nan, 0.0
    while done < 1:
        stage = "drills" if done < config.drill_share else "right" if done < config.right_share else "mix"
        ids, targets = next(batches[stage])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
            chosen = targets != IGNORED
            logits = model.lm_head(hidden[chosen])
        loss = torch.nn.functional.cross_entropy(logits.float(), targets[chosen])
        loss.backward()

        # One message has the gradients, and the tokens and time that all processes must agree on.
        gradients = torch.cat([p.grad.flatten() for p in parameters])
        elapsed = time.monotonic() - began
        facts = torch.tensor([loss.item(), ids.numel() / 1e6, elapsed])
        message = torch.cat([gradients, facts])
        distributed.all_reduce(message)
        parts = message[: len(gradients)].split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter) / processes
        shared_loss, tokens, clock = message[len(gradients) :].tolist()
        seen += round(tokens * 1e6)
        done = max(seen / config.tokens, clock / processes / seconds if seconds else 0.0)

        warm = min(1.0, (step + 1) / config.warmup)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        average = loss.item() if math.isnan(average) else 0.98 * average + 0.02 * shared_loss / processes
        if rank == 0 and step % 50 == 0:
            speed = f"{seen / elapsed:,.0f} tokens/s  {elapsed:.0f} s"
            print(f"step {step}  {stage}  {done:5.1%}  loss {average:.4f}  {speed}", flush=True)
        if rank == 0 and (step % 500 == 0 or done >= 1):
            model.save_pretrained(out)
    distributed.destroy_process_group()


TEMPLATE = """\
{%- for message in messages -%}
{%- set content = message.content -%}
{%- if message.role == 'assistant' -%}{%- set content = content.split('</think>')[-1].lstrip('\n') -%}{%- endif -%}
<|im_start|>{{ message.role }}
{{ content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
<think>
{% endif -%}
"""
"""The chat template, equal to `agents.reasoners.chat_template`."""


def save(weights: Path, tokenizer: Tokenizer, folder: Path, *, temperature: float) -> None:
    """Write a transformers checkpoint: 16-bit weights, tokenizer, chat template, prompt format, sampling defaults."""
    model = Qwen3ForCausalLM.from_pretrained(weights)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=IM_END,
        additional_special_tokens=[IM_START],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    write_prompt_format(folder, NANO)
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=temperature,
        top_p=1.0,
        top_k=0,
        eos_token_id=SPECIAL.index(IM_END),
        pad_token_id=SPECIAL.index(PAD),
    )
    model.to(torch.float16).save_pretrained(folder)


def _batches(
    corpus: Corpus, config: PretrainConfig, order: np.random.Generator, *, right_only: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield endless batches of (ids, targets), both of shape (traces, tokens).

    Targets are shifted by one token, and -100 for tokens without loss. Batches have traces of similar length, so there
    is little padding.
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
