"""Simulators of the exported Verilog: `bulk` (Verilator, C++, all cores) and `bench` (cocotb)."""

if __name__ != "polyrhythm.sim":  # a second name would be a second module, with types of its own
    raise ImportError("`import sim` would make a second copy; write `import polyrhythm.sim`")
