"""Ordinary ANNs of torch, read as layers that can spike."""
