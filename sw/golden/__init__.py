"""The golden model: every count, spike and logit of a network, in plain integer arithmetic."""

from polyrhythm.sw.golden.model import chunk_frames, exit_ticks, run

__all__ = ["chunk_frames", "exit_ticks", "run"]
