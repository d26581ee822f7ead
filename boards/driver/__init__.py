"""The driver: a board, real or simulated, as something that takes frames and gives a trace."""
