"""Weights, thresholds and biases of another network put into a finished design."""
