"""A layer's arithmetic in torch, its quantizers, and the compiled operations."""
