"""How the agent and its runs are reached: the OpenAI-compatible API, the run report, the review page."""
