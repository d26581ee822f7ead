"""The cycle model: what a frame costs in the accelerator, to the cycle."""
