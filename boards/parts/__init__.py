"""The FPGAs: families, parts, and the clocks that their PLLs make."""
