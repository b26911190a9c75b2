"""Access to the agent and its results: the OpenAI-compatible API, the run report, the review page."""
