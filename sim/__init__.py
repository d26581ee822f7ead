"""Simulators of the exported Verilog: `bulk` (Verilator, C++, all cores) and `bench` (cocotb)."""
