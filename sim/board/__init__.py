"""A whole board in Verilator: its UART pins behind a pseudo-terminal."""
