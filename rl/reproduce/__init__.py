"""The paper's curve on a laptop: base, curation, SFT, GRPO and what each comes to, on the nano model.

    from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
    from storm_calm.rl.reproduce.run_stages import reproduce
    from storm_calm.rl.reproduce.write_report import write_report

    reproduce(ReproduceConfig(), Path("runs/reproduce"), seeds=(0,))
    write_report(Path("runs/reproduce"))

- `reproduce_config`: the settings
- `stages`: the stages of a seed, in order, with `plain_pairs` and `train_subprocess`
- `run_stages`: runs all stages of all seeds, each once, and estimates the time left
- `stage_records`: the settings and seconds of a stage, stored beside its results
- `measured_figures`, `paired_differences`, `paper_claims`: the numbers, and the paper's claims against them
- `write_report`, `report_plots`: the same for people

`storm reproduce` is this on the command line.
"""
