"""Evaluation: a reasoner alone with many problems, scored under named rules, with intervals and with what it did.

    from storm_calm.agents.evaluation.config import EvalConfig
    from storm_calm.agents.evaluation.run_evaluation import evaluate

    results = evaluate(EvalConfig(families=("all",), limit=200, seed=7), Path("runs/eval"))
    results.rules["paper"]["pass@1"].mean

`storm eval` is this with a live bar. The output folder holds

- `config.toml`: the settings, resolved
- `samples.jsonl`: a `Sample` for each problem and sample, the whole episode in it
- `results.json`: the figures, worked out from the samples alone

so another rule scores the same runs anew, and more samples only add the missing ones.
"""
