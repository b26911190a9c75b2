"""Curation: many problems at once through CALM, each also run without interventions, golden runs kept.

    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate

    summary = curate(CurateConfig(families=("all",), limit=20, seed=7), Path("runs/first"))

`storm curate` is this with a live bar. The output folder holds

- `config.toml`: the settings, resolved
- `episodes.jsonl`: a `Record` for each problem: the watched run, its outcome, and the run without interventions
- `golden.jsonl`: the golden runs alone, as `env.read_episodes` reads them
- `summary.json`: the counts
- `intervener_replies.jsonl`: the replies of an LLM intervener; a resumed run does not ask again

and, until every problem is done, `checkpoints.sqlite`, from which a run that was killed goes on.
"""
