"""Gateware: from a `Network` to an event-driven accelerator in plain Verilog."""

if __name__ != "polyrhythm.hw":  # a second name would be a second module, with types of its own
    raise ImportError("`import hw` would make a second copy; write `import polyrhythm.hw`")
