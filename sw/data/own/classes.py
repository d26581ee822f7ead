"""The labels of one split or of both as numbers, and the names of the classes: a network's, a
file's, or those in the labels."""

from collections.abc import Callable, Mapping

import numpy as np

from polyrhythm.sw.data.datasets import none_of
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.recording import Recordings
from polyrhythm.sw.data.own.given import Given
from polyrhythm.sw.data.own.labels import (
    Labels,
    are_places,
    numbered,
    read_labels,
    sorted_names,
    speak_for_themselves,
)

SPLITS = {"train": "training", "test": "test"}
Told = Callable[[str], object]


def labels_of(
    splits: Mapping[str, Given], known: tuple[str, ...] | None, classes: int | None, told: Told
) -> tuple[tuple[str, ...], dict[str, Labels], bool]:
    """Names of the classes, the labels of each split as numbers, and whether the names were given.

    known: names of a network's classes; classes: how many outputs it has; None where there is no
    network, or it does not say.
    """
    found: dict[str, Labels | list[str]] = {}
    for split, given in splits.items():
        if given.y is None:
            raise DataError(
                f"{given.name}: the labels of the {SPLITS[split]} split are missing, "
                f"{given.y_name or 'Y.npy'}"
            )
        found[split] = read_labels(given.y_name, given.y, _size(given))
    named = next((given.classes for given in splits.values() if given.classes), ())
    begin = "train" if "train" in found else "test"
    places = {split: are_places(given.y) for split, given in splits.items()}
    if named:
        found, places = _in_their_words(splits, found, places, named, known, told)
    first = found[begin]
    if known:
        names, whose = tuple(known), "the network"
    elif named:
        names, whose = named, "the file's classes"
    elif isinstance(first, list):
        names, whose = sorted_names(first), f"the {SPLITS[begin]} split"
        _of_one_kind(splits, found, places, begin, names)
    else:
        size = classes or (int(first.max()) + 1 if len(first) else 1)
        names, whose = (
            tuple(map(str, range(size))),
            "the network" if classes else f"the {SPLITS[begin]} split",
        )
    y = {
        split: numbered(splits[split].y_name, labels, names, whose, told, places[split])
        for split, labels in found.items()
    }
    with_names = bool(known or named) or isinstance(first, list)
    if isinstance(first, list) and not known:
        told(f"classes: {_in_order(names)}")
    if "train" in y and (
        empty := [
            names[k] for k in np.flatnonzero(np.bincount(y["train"], minlength=len(names)) == 0)
        ]
    ):
        told(none_of(empty))
    return names, y, with_names


def _in_their_words(
    splits: Mapping[str, Given],
    found: Mapping[str, Labels | list[str]],
    places: Mapping[str, bool],
    named: tuple[str, ...],
    known: tuple[str, ...] | None,
    told: Told,
) -> tuple[dict[str, Labels | list[str]], dict[str, bool]]:
    """Labels beside classes of their own: integers are places among those, and names where only
    names they can be.

    Where all that is known of a network's classes is their number, or it has the same ones, the
    places stay; else a class is looked for by its name.
    """
    numbers = {split: labels for split, labels in found.items() if not isinstance(labels, list)}
    every = {
        int(label)
        for split, labels in numbers.items()
        if not places[split]
        for label in np.unique(labels)
    }
    values = {int(name) for name in named} if speak_for_themselves(named) else set()
    by_name = bool(every) and every <= values and max(every) >= len(named)
    if every and every <= values and not by_name:
        told(
            f"labels are taken as places among the classes, 0 {named[0]} .. {len(named) - 1} "
            f"{named[-1]}, and not as their names"
        )
    same = not known or tuple(known) == tuple(map(str, range(len(known))))
    made: dict[str, Labels | list[str]] = dict(found)
    sure = dict(places)
    for split, labels in numbers.items():
        own = splits[split].classes or named
        sure[split] = not by_name or places[split]
        checked = numbered(
            splits[split].y_name, labels, own, "the file's classes", told, sure[split]
        )
        sure[split], made[split] = True, checked
        if not (same and own == named):
            made[split] = [own[k] for k in checked.tolist()]
    return made, sure


def _of_one_kind(
    splits: Mapping[str, Given],
    found: Mapping[str, Labels | list[str]],
    places: Mapping[str, bool],
    begin: str,
    names: tuple[str, ...],
) -> None:
    """Integers beside another split's names say nothing, unless the names are numbers."""
    for split, labels in found.items():
        if (
            not isinstance(labels, list)
            and not places[split]
            and not all(name.isdecimal() for name in names)
        ):
            raise DataError(
                f"{splits[split].y_name}: labels must be names as in the {SPLITS[begin]} split "
                f"({', '.join(names[:12])}"
                f"{', ..' if len(names) > 12 else ''}), not {labels.dtype}: integers do not say "
                "which of them is meant"
            )


def _in_order(names: tuple[str, ...]) -> str:
    """The classes by their numbers, and where others would have them in another order."""
    text = ", ".join(f"{k} {name}" for k, name in enumerate(names[:20])) + (
        ", .." if len(names) > 20 else ""
    )
    other = sorted(names)
    if tuple(other) == names:
        return text
    return (
        f"{text}; by their values, where torchvision's ImageFolder has them as text: "
        f"{', '.join(other[:3])}, .."
    )


def _size(given: Given) -> int:
    """Samples. DataError where there is no axis for them."""
    if not isinstance(given.x, Recordings) and not np.ndim(given.x):
        raise DataError(f"{given.name}: must be a batch of samples, not one number")
    if not len(given.x):
        raise DataError(f"{given.name}: holds no samples")
    return len(given.x)
