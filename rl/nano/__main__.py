"""Make the nano model from scratch: tokenizer, corpus, pretraining, export and evaluation.

    python -m storm_calm.rl.nano --out runs/nano
    python -m storm_calm.rl.nano --out runs/nano --traces 2000 --seconds 120     # a quick test of all stages

Every stage writes into OUT, and is skipped if its result exists, so the same command resumes an interrupted run. Needs
the extra `nano` (torch, no GPU); training takes 45 minutes on two cores. The number of processes changes the order of
batches, so another number gives another model.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer

from storm_calm.agents.reasoners.nano import Nano
from storm_calm.env.problems.families import generate
from storm_calm.env.reasoner import Sampling
from storm_calm.rl.nano.copying_drills import drill_corpus
from storm_calm.rl.nano.evaluate import evaluate
from storm_calm.rl.nano.nano_tokenizer import NanoRenderer, train_tokenizer
from storm_calm.rl.nano.pretraining_corpus import Corpus, build, traces
from storm_calm.sandbox import open_sandbox

TOKENIZER_TRACES = 2500
DRILLS = 20_000
TEMPERATURE = 0.8
"""Default temperature of the base model. Its flaws are sampled, so its accuracy depends on it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the corpus, the checkpoint and the model")
    parser.add_argument("--traces", type=int, default=36_000, help="number of traces (default 36000)")
    parser.add_argument("--seconds", type=float, help="time limit of training (default: none)")
    parser.add_argument("--seed", type=int, default=2, help="seed of the corpus (default 2)")
    parser.add_argument("--processes", type=int, default=2, help="number of processes (default 2)")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)

    tokenizer = out / "tokenizer.json"
    if not tokenizer.exists():
        print("tokenizer: playing traces", flush=True)
        with open_sandbox() as sandbox:
            played = islice(traces(NanoRenderer(None), sandbox, seed="tokenizer"), TOKENIZER_TRACES)
            train_tokenizer(trace.episode.transcript.text for trace in played).save(str(tokenizer))

    stored = out / "corpus.npz"
    if not stored.exists():
        print(f"corpus: playing {arguments.traces} traces", flush=True)
        renderer = NanoRenderer(tokenizer)
        build(renderer, count=arguments.traces, seed=arguments.seed, workers=arguments.processes).save(stored)
    corpus = Corpus.load(stored)
    print(json.dumps({"traces": len(corpus.right), "tokens": len(corpus.ids), "rates": corpus.rates()}), flush=True)

    checkpoint = out / "checkpoint"
    if not (checkpoint / "tokenizer.json").exists():
        from storm_calm.rl.nano.pretrain import PretrainConfig, pretrain, save

        drills, weights = drill_corpus(NanoRenderer(tokenizer), count=DRILLS, seed=arguments.seed + 1), out / "weights"
        processes, seconds = arguments.processes, arguments.seconds
        pretrain(drills, corpus, PretrainConfig(), out=weights, processes=processes, seconds=seconds)
        save(weights, Tokenizer.from_file(str(tokenizer)), checkpoint, temperature=TEMPERATURE)

    model_folder = out / "model"
    if not (model_folder / "model.onnx").exists():
        from storm_calm.rl.nano.export_onnx import export

        print(f"export: largest logit difference {export(checkpoint, model_folder):.1e}", flush=True)

    problems = list(generate(["all"], split="heldout", seed=99, limit=240))
    with open_sandbox() as sandbox:
        for temperature in (0.0, TEMPERATURE):
            sampling = Sampling(temperature=temperature, top_p=1.0)
            result = evaluate(Nano(model_folder), sandbox, problems, sampling=sampling)
            print(json.dumps({"temperature": temperature, **result}), flush=True)


if __name__ == "__main__":
    main()
