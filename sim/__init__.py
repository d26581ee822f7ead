"""Simulators of the exported Verilog: `bulk` (Verilator, C++, all cores) and `bench` (cocotb)."""

if __name__ != "polyrhythm.sim":  # a second name would be a second module, with types of its own
    raise ImportError("this room is imported as polyrhythm.sim")
