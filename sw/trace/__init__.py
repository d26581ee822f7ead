"""What an executor saw of a run, and how two of them are compared."""

from polyrhythm.sw.trace.trace import Difference, Trace, lengthened, merge

__all__ = ["Difference", "Trace", "lengthened", "merge"]
