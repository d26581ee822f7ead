"""Names for Verilog and for files, made of a network's own names, which may hold anything."""

import re

from sw.network import Network


def identifier(name: str) -> str:
    """A Verilog identifier made of `name`: what is no letter, digit or underscore of ASCII becomes an underscore."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return word if re.match(r"[A-Za-z_]", word) else f"net_{word}"


def stems(network: Network) -> list[str]:
    """How each layer's files and modules begin: its name as an identifier, with its index where any two would be the same."""
    words = [identifier(layer.name) for layer in network.layers]
    return words if len(set(words)) == len(words) else [f"{word}_{i}" for i, word in enumerate(words)]
