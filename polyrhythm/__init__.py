"""Spiking networks whose layers each keep their own number of time steps, as bit-exact FPGA accelerators."""
