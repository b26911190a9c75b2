"""Reproduce the paper's training curve on a laptop: base model, curation, SFT, GRPO and evaluations, with nano.

    from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
    from storm_calm.rl.reproduce.run_stages import reproduce
    from storm_calm.rl.reproduce.write_report import write_report

    reproduce(ReproduceConfig(), Path("runs/reproduce"), seeds=(0,))
    write_report(Path("runs/reproduce"))

`stages` lists the stages, `paper_claims` the comparison with the paper. The command is `storm reproduce`.
"""
