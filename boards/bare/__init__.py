"""A network on a bare part, without pins: what it takes, and how fast it runs."""
