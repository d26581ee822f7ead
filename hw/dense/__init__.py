"""Dense layers: events are added to a group of neurons in flip-flops, and replayed for every
further group."""
