"""Layers that learn, for each schedule, and networks of them."""
