"""Curation: run many problems through CALM and without interventions, and keep the golden trajectories.

    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate

    summary = curate(CurateConfig(families=("all",), limit=20, seed=7), Path("runs/first"))

`storm curate` runs this with a progress bar. The run folder contains

- `config.toml`: the resolved settings
- `episodes.jsonl`: a `Record` for each problem, with both trajectories
- `golden.jsonl`: the golden trajectories, in the format of `env.read_episodes`
- `summary.json`: the counts
- `intervener_replies.jsonl`: the replies of an LLM intervener, which a resumed run reuses
- `checkpoints.sqlite`: the state of unfinished trajectories, from which a killed run resumes

A large run has folders `episodes` and `golden` with compressed parts instead (`agents.runs.record_store`).
"""
