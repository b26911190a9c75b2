"""Training: datasets, SFT, GRPO, the reproduction of the paper, and the making of the nano model."""
