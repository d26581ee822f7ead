"""The link between a host and a board: packets on a serial line, both ends side by side."""
