"""The samples that a network learns from."""
