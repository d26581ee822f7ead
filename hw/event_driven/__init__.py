"""Event-driven layers: a neuron fires the moment an event reaches it."""
