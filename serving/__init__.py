"""How the agent is reached: the OpenAI-compatible API, the run report and the review page will live here."""
