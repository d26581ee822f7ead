"""What an executor saw of a run, and how two of them are compared."""

from polyrhythm.sw.trace.trace import Difference, Trace, merge

__all__ = ["Difference", "Trace", "merge"]
