"""What happens on a real part: synthesis, place and route."""
