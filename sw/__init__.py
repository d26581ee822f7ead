"""The software side: the network contract, the golden model, data, and the cost law; `training`
learns networks."""

if __name__ != "polyrhythm.sw":  # a second name would be a second module, with types of its own
    raise ImportError("`import sw` would make a second copy; write `import polyrhythm.sw`")
