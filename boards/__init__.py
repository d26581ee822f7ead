"""What happens on a real part: synthesis, place and route."""

if __name__ != "polyrhythm.boards":  # a second name would be a second module, with types of its own
    raise ImportError("`import boards` would make a second copy; write `import polyrhythm.boards`")
