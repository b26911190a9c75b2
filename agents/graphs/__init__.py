"""The machines as LangGraph graphs: CALM, which curates, and STORM, which solves.

Both walk the steps of `env.SolverEnv` as nodes over a state of plain data, so a run can be watched in Studio and goes
on after a kill. `langgraph.json` serves them: `langgraph dev`, with `pip install storm-calm[studio]`.
"""
