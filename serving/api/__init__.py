"""OpenAI's chat completions and responses APIs, served from runs of the agent."""
