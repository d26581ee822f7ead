"""Memories, counters and arithmetic that the layers are built of; they know nothing of networks."""
