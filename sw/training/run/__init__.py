"""Training runs: the loop, its device, what it keeps, its score."""
