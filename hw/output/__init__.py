"""What leaves a layer: fired neurons as events, or the answer."""
