"""What goes into the FPGA around a network, and the files that the tools read of it."""
