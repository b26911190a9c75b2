"""Vary one setting at a time around the paper's, on the nano model: hints, flawed data, golden trajectories, GRPO.

    from storm_calm.rl.sweep.run_sweep import SweepRequest, sweep
    from storm_calm.rl.sweep.sweep_config import SweepConfig
    from storm_calm.rl.sweep.write_page import write_page

    sweep(SweepRequest(config=SweepConfig(), studies=("hints", "flawed"), seeds=(0, 1, 2)), Path("runs/sweep"))
    write_page(Path("runs/sweep"))

`studies` lists what is varied, `sweep_stages` the commands of a model, `sweep_claims` the verdicts. The command is
`storm sweep`.
"""
