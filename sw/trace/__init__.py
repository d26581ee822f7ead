"""What an executor saw of a run, and how two of them are compared."""

from polyrhythm.sw.trace.trace import Difference, Trace, as_long_as_the_longest, merge

__all__ = ["Difference", "Trace", "as_long_as_the_longest", "merge"]
