"""Gateware: from a `Network` to an event-driven accelerator in plain Verilog."""
