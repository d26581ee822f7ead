"""Names of layers and networks, made of the model's own.

They are short and unique, of ASCII letters, digits and underscores.
"""

import re
from collections.abc import Sequence

from polyrhythm.sw.training.ann.parts import Part
from polyrhythm.sw.training.ann.trace import WRAPPERS

LONGEST = 32
KINDS = {4: "conv", 2: "fc"}
# say nothing of the model
MAKERS = re.compile(r"_?(get|make|build|create|load|new)?_?(model|net|network|ann|nn|module)?_?")


def name_parts(parts: Sequence[Part]) -> None:
    """Name each layer by its path in the model.

    Where the path is digits alone, as in a Sequential, its kind and number take its place.
    """
    counts: dict[str, int] = {}
    used: set[str] = set()
    for i, part in enumerate(parts):
        path = [word for word in part.path.split(".") if word and word not in WRAPPERS]
        kind = KINDS[part.weight.ndim]
        counts[kind] = counts.get(kind, 0) + 1
        if all(word.isdigit() for word in path):
            wanted = "out" if i == len(parts) - 1 else f"{kind}{counts[kind]}"
        else:
            wanted = word_of(_shortened(path))
        part.name = _free(wanted, used)
        used.add(part.name)


def network_name(file: str, function: str) -> str:
    """The name of a network that a function of a file makes.

    It is the function's, or the file's where that of the function only says `model`.
    """
    chosen = (
        file
        if MAKERS.fullmatch(function.lower())
        else re.sub(r"^(get|make|build|create)_", "", function)
    )
    return word_of(chosen)[:LONGEST] or "converted"


def word_of(text: str) -> str:
    """Text as a name."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "layer"
    return word if word[0].isalpha() else f"layer_{word}"


def _shortened(path: Sequence[str]) -> str:
    """As much of the end of a path as is not too long."""
    text = path[-1][-LONGEST:]
    for word in reversed(path[:-1]):
        if len(word) + len(text) + 1 > LONGEST:
            break
        text = f"{word}_{text}"
    return text


def _free(wanted: str, used: set[str]) -> str:
    """The name, with a number where another layer has it."""
    found, number = wanted, 1
    while found.lower() in {name.lower() for name in used}:
        number += 1
        found = f"{wanted}_{number}"
    return found
