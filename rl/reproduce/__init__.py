"""The paper's curve on a laptop: base, curation, SFT, GRPO and what each comes to, on the nano model.

    from storm_calm.rl.reproduce.config import ReproduceConfig
    from storm_calm.rl.reproduce.report import write_report
    from storm_calm.rl.reproduce.running import reproduce

    reproduce(ReproduceConfig(), Path("runs/reproduce"), seeds=(0,))
    write_report(Path("runs/reproduce"))

- `config`: the settings
- `stages`: what is done for a seed, in order; `plain_pairs` and `training` are two of them
- `running`: all stages of all seeds, each once, with what is left of the time
- `records`: what a stage leaves beside its results: its settings, its seconds
- `figures`, `paired`, `claims`: the numbers, and the paper's claims against them
- `report`, `pictures`: the same for people

`storm reproduce` is this on the command line.
"""
