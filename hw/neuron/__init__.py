"""What a neuron does with its finished sum: leak, compare, reset, or count its spikes."""
