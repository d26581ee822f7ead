"""Testbenches that lie beside an export and need nothing of ours: plain Verilog, and cocotb."""

from polyrhythm.sim.testbench.files import beside
from polyrhythm.sim.testbench.vectors import Vectors, vectors

__all__ = ["Vectors", "beside", "vectors"]
