"""How it learns: datasets from golden runs, training, and the making of the nano model."""
