"""The rollout for veRL: the agent loop, and the figures of each rollout."""
