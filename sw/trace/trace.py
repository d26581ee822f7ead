"""What an executor saw: the answer, and as much of every layer's inside as was asked for.

Axis order: B frames, T ticks of the layer, N neurons (maps flattened as C, H, W), C classes, L
spiking layers.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.trace.file import TraceFile

Ints = npt.NDArray[np.integer]

# Field: its name in the file, after layers.NAME.
PER_LAYER = {"counts": "count", "spikes": "spikes", "v": "v"}
WHOLE = {
    "answer": "class", "logits": "logits", "events": "events", "ticks": "ticks",
    "logits_t": "logits_t", "cycles": "cycles", "interval": "interval",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """The first place where two traces differ; tick and neuron are None where the value has
    none."""

    frame: int
    layer: str
    what: str
    tick: int | None
    neuron: int | None
    expected: int
    got: int

    def __str__(self) -> str:
        parts = {
            "frame": self.frame,
            "layer": self.layer or None,
            "tick": self.tick,
            "neuron": self.neuron,
        }
        place = ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)
        return f"{place}: {self.what} expected {self.expected}, got {self.got}"


@dataclass(repr=False)
class Trace:
    """One run over B frames.

    answer            (B,) the class
    logits            (B, C) as they stood when the answer was given
    counts            name -> (B, N) spikes per frame
    events            (B, L) events that each spiking layer sent
    ticks             (B,) readout ticks used
    logits_t          (B, T, C) of the whole frame
    spikes            name -> (B, T, N) 0/1
    v                 name -> (B, N) or (B, T, N), after the last reset
    cycles, interval  (B,) from hardware
    """

    answer: Ints
    logits: Ints
    counts: dict[str, Ints] = field(default_factory=dict)
    events: Ints | None = None
    ticks: Ints | None = None
    spikes: dict[str, Ints] | None = None
    v: dict[str, Ints] | None = None
    logits_t: Ints | None = None
    cycles: Ints | None = None
    interval: Ints | None = None

    def __len__(self) -> int:
        return len(self.answer)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} frames: {', '.join(self.arrays())}>"

    def __getitem__(self, frames: Ints) -> Trace:
        """Give the trace of some frames, (M,) numbers, in that order."""
        return _with(self, lambda value: value[frames])

    def arrays(self) -> dict[str, Ints]:
        """Give every array under its name in the file."""
        found: dict[str, Ints] = {}
        for attribute, name in WHOLE.items():
            if (value := getattr(self, attribute)) is not None:
                found[name] = value
        for attribute, name in PER_LAYER.items():
            for layer, value in (getattr(self, attribute) or {}).items():
                found[f"layers.{layer}.{name}"] = value
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `.npz` with the names of the format, int32 where the values fit, never half a
        file."""
        with TraceFile(path) as file:
            file.add(self.arrays())

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Trace:
        """Read a trace file; ValueError names what is wrong with it."""
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                return _from_arrays({name: archive[name] for name in archive.files})
        except OSError as error:
            if error.errno is not None:
                raise
            raise ValueError(
                f"{path}: must be a trace (.npz), but cannot be read: {error}"
            ) from None
        except (ValueError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(
                f"{path}: must be a trace (.npz), but cannot be read: {error}"
            ) from None

    def first_difference(self, other: Trace) -> Difference | None:
        """Give the first value of `other` that is not this trace's: by frame, then layer, then
        tick, then neuron.

        Compared is what both traces have, inside first: spikes, count and v of each layer in order,
        then logits_t, ticks, logits and class. Events and cycles are not part of the promise that
        executors agree on.
        """
        first: tuple[int, int, Difference] | None = None
        for order, (layer, what, mine, theirs) in enumerate(_pairs(self, other)):
            wrong = mine != theirs
            frames = np.flatnonzero(wrong.reshape(len(mine), -1).any(axis=1))
            if len(frames) and (first is None or (int(frames[0]), order) < first[:2]):
                first = (int(frames[0]), order, _at(layer, what, int(frames[0]), mine, theirs))
        return None if first is None else first[2]

    def differences(self, other: Trace) -> dict[str, int]:
        """Count the differing values: class, logits, count; and spikes, v, logits_t, ticks where
        both have them."""
        total = {"frames": len(self), "class": 0, "logits": 0, "count": 0}
        for _, what, mine, theirs in _pairs(self, other):
            total[what] = total.get(what, 0) + int(np.count_nonzero(mine != theirs))
        return total


def merge(traces: Sequence[Trace]) -> Trace:
    """Join traces of consecutive frames into one."""
    if not traces:
        raise ValueError("merge must get at least one trace, not none")
    named = [trace.arrays() for trace in traces]
    for names in named[1:]:
        if list(names) != list(named[0]):
            odd = sorted(set(names) ^ set(named[0]))
            raise ValueError(
                f"traces to merge must have the same arrays; only one of two has {', '.join(odd)}"
            )
    return _like(
        traces[0], {name: np.concatenate([names[name] for names in named]) for name in named[0]}
    )


def lengthened(trace: Trace, ticks: Mapping[str, int], readout: int) -> Trace:
    """The trace with so many ticks of each layer and of the readout: behind a frame's last tick
    nobody spikes, and sums and potentials stay."""
    made = dict(trace.arrays())
    for name, value in made.items():
        if value.ndim < 3:
            continue
        most = readout if name == "logits_t" else ticks[name.split(".", 1)[1].rpartition(".")[0]]
        width = [(0, 0), (0, most - value.shape[1]), (0, 0)]
        made[name] = np.pad(value, width, mode="constant" if name.endswith(".spikes") else "edge")
    return _like(trace, made)


def _with(trace: Trace, change: Callable[[Ints], Ints]) -> Trace:
    return _like(trace, {name: change(value) for name, value in trace.arrays().items()})


def _like(trace: Trace, named: dict[str, Ints]) -> Trace:
    """A trace of these arrays that has what `trace` has, also where no layer has any."""
    made = _from_arrays(named)
    for attribute in ("spikes", "v"):
        if getattr(made, attribute) is None and getattr(trace, attribute) is not None:
            setattr(made, attribute, {})
    return made


def _from_arrays(named: dict[str, Ints]) -> Trace:
    """Build a trace from arrays under their names in the file."""
    by_name = {name: attribute for attribute, name in WHOLE.items()}
    by_suffix = {name: attribute for attribute, name in PER_LAYER.items()}
    whole: dict[str, Ints] = {}
    layers: dict[str, dict[str, Ints]] = {}
    for name, value in named.items():
        if value.dtype.kind not in "iu":
            raise ValueError(f"{name} must be integers, not {value.dtype}")
        layer, _, suffix = name.removeprefix("layers.").rpartition(".")
        if name in by_name:
            whole[by_name[name]] = value
        elif name.startswith("layers.") and layer and suffix in by_suffix:
            layers.setdefault(by_suffix[suffix], {})[layer] = value
        else:
            raise ValueError(f"no array of a trace is named {name!r}")
    for attribute in ("answer", "logits"):
        if attribute not in whole:
            raise ValueError(f"a trace must have {WHOLE[attribute]!r}")
    return Trace(**whole, **layers)  # type: ignore[arg-type]


def _pairs(a: Trace, b: Trace) -> Iterator[tuple[str, str, Ints, Ints]]:
    """Walk what both traces have, in the order of the flow: (layer, what, mine, theirs)."""
    mine, theirs = a.arrays(), b.arrays()
    names = [
        (layer, what, f"layers.{layer}.{what}")
        for layer in dict.fromkeys([*a.counts, *(a.spikes or {}), *(a.v or {})])
        for what in ("spikes", "count", "v")
    ]
    names += [("", name, name) for name in ("logits_t", "ticks", "logits", "class")]
    for layer, what, name in names:
        if name not in mine or name not in theirs:
            continue
        if mine[name].shape != theirs[name].shape:
            shapes = f"{mine[name].shape} and {theirs[name].shape}"
            raise ValueError(f"{name} must have the same shape in both traces, not {shapes}")
        yield layer, what, mine[name], theirs[name]


def _at(layer: str, what: str, frame: int, mine: Ints, theirs: Ints) -> Difference:
    """Name the first difference inside one frame of one array."""
    place = tuple(int(k) for k in np.argwhere(np.atleast_1d(mine[frame] != theirs[frame]))[0])
    expected, got = (int(np.atleast_1d(array[frame])[place]) for array in (mine, theirs))
    tick = place[0] if mine.ndim == 3 else None
    return Difference(frame, layer, what, tick, place[-1] if mine.ndim > 1 else None, expected, got)


assert {f.name for f in fields(Trace)} == {*WHOLE, *PER_LAYER}, (
    "every field of Trace must have a name in the file"
)
