"""The rollout for veRL: the agent loop, and the metrics of rollouts."""
