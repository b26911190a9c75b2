"""OpenAI's chat completions and responses APIs, answered by the agent."""
