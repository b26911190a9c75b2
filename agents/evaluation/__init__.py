"""Evaluation: run a reasoner on many problems, score its samples, and measure its behaviour.

    from storm_calm.agents.evaluation.config import EvalConfig
    from storm_calm.agents.evaluation.run_evaluation import evaluate

    results = evaluate(EvalConfig(families=("all",), limit=200, seed=7), Path("runs/eval"))
    results.rules["paper"]["pass@1"].mean

`storm eval` runs this with a progress bar. The run folder contains

- `config.toml`: the resolved settings
- `samples.jsonl`: the samples, each with its whole episode; of a large run a folder `samples` with compressed parts
- `results.json`: the results, computed from the samples alone

So a resumed run can score the same samples under another rule, or add samples.
"""
