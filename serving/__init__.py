"""How the agent and its results are reached: the OpenAI-compatible API, the run report, the review page."""
