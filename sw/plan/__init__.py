"""What the circuit of each layer is: the one plan that gateware, exporter and cycle model read."""
