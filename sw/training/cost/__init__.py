"""What a network that learns costs: spikes, events, cycles."""
