"""What travels between layers, and what a stream passes: queues, checks, alignment, pooling,
coding."""
