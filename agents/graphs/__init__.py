"""The state machines as LangGraph graphs: CALM, which curates, and STORM, which solves.

Both run the steps of `env.SolverEnv` as nodes over a JSON state, so a trajectory can be inspected in Studio and resumed
after a crash. `langgraph.json` serves them: `langgraph dev`, with `pip install storm-calm[studio]`.
"""
