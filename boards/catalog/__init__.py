"""The boards that `polyrhythm build` knows: one row each, and a small file where a board needs
one."""
