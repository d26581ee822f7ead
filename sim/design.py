"""An exported accelerator as the simulators see it: its folder, its checked interface, frames as
words on its input.

Axis order: counts (B, T, C, H, W) or (B, T, N) with B frames, T source ticks and N flat (C, H, W)
addresses.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.sim import verilator
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.parameters import Coding

FORMAT = 2  # of interface.json
PACKAGE = Path(__file__).parents[1]  # polyrhythm
# One input word in 64 bits: address, count, number of the profile, and the two flags.
COUNT_SHIFT, PROFILE_SHIFT = np.uint64(32), np.uint64(57)
TICK_BIT, END_BIT = np.uint64(1 << 62), np.uint64(1 << 63)
COUNT_MASK, PROFILE_MASK = np.uint64((1 << 25) - 1), np.uint64(31)
PLAIN_PORTS = (
    "clk",
    "rst",
    "i_valid",
    "i_ready",
    "i_tick",
    "i_end",
    "o_valid",
    "o_ready",
    "o_logits",
    "error",
)


class InterfaceError(ValueError):
    """interface.json does not describe a design that the simulators can drive."""


@dataclass(frozen=True)
class Tap:
    """One observed layer: a hidden layer's events, or the readout's running sums (size =
    classes)."""

    layer: str
    size: int
    ticks: int  # most of a frame on the wire; 1 where there are none
    max_count: int  # most spikes of one neuron in a tick
    address: bool  # the port is there (a layer of one neuron may have none)
    count: bool  # the port is there; otherwise every event counts 1
    negative: bool  # the port is there: events can take a spike back
    repeats: bool  # a neuron may send several events in a tick: event_driven, or unary coding
    source: AddressMap  # how addresses name neurons; of the readout, its classes


@dataclass(frozen=True)
class Design:
    """A folder written by `hw.export`, ready to be simulated."""

    folder: Path
    interface: dict[str, Any]
    hidden: tuple[Tap, ...]
    readout: Tap

    @classmethod
    def load(cls, folder: Path) -> "Design":
        """Read and check `folder`/interface.json; InterfaceError names what is wrong."""
        path = folder / "interface.json"
        try:
            interface = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InterfaceError(
                f"{path}: must be the JSON that `polyrhythm verilog` writes: {error}"
            ) from error
        return cls.of(folder, interface)

    @classmethod
    def of(cls, folder: Path, interface: dict[str, Any]) -> "Design":
        """The same of what interface.json holds, which need not lie in `folder` yet."""
        path = folder / "interface.json"
        try:
            return cls(folder, interface, *_taps(interface))
        except InterfaceError as error:
            raise InterfaceError(f"{path}: {error}") from None
        except (KeyError, TypeError, IndexError) as error:
            raise InterfaceError(
                f"{path}: must have every key of format 2, but reading it failed at {error!r}"
            ) from None

    @property
    def top(self) -> str:
        return str(self.interface["top"])

    @property
    def digest(self) -> str:
        return str(self.interface["digest"])

    @property
    def profiles(self) -> tuple[str | None, ...]:
        """Working points between which frames choose, in the order of their numbers."""
        return tuple(row["name"] for row in self.interface.get("profiles", [{"name": None}]))

    @property
    def ticks(self) -> list[list[int]]:
        """Ticks of a frame that each tap shows, of each profile."""
        own = [{"ticks": [tap.ticks for tap in (*self.hidden, self.readout)]}]
        return [list(row["ticks"]) for row in self.interface.get("profiles", own)]

    @property
    def wire(self) -> AddressMap:
        """How addresses of the input name its neurons."""
        return _map(self.interface["input"], self.interface["input"]["size"])

    @property
    def source(self) -> Path:
        return self.folder / f"{self.top}.v"

    @property
    def ports(self) -> frozenset[str]:
        return frozenset(self.bits)

    @property
    def bits(self) -> dict[str, int]:
        """Width of each port, in their order."""
        return {port["name"]: int(port["bits"]) for port in self.interface["ports"]}

    @property
    def programs(self) -> Path:
        """Where the programs made of this design lie."""
        return verilator.build_root() / self.digest[:16]

    @property
    def quiet_cycles(self) -> int:
        """Cycles without any transfer after which something must be wrong."""
        return quiet_cycles(self.interface)

    @property
    def settle_cycles(self) -> int:
        """Cycles after a result in which every layer has surely restored its initial state."""
        return 32 + 2 * sum(int(layer["groups"]) for layer in self.interface["layers"])


def quiet_cycles(interface: dict[str, Any]) -> int:
    """Cycles without any transfer after which something must be wrong.

    A layer may replay a step's events once for each of its groups before it sends anything, and
    again for each of its ticks; four times that, summed over the layers, is far from any legal
    wait.
    """
    work = sum(
        (layer["n_in"] + 8) * (layer["groups"] + 1) * (layer["T"] + 1)
        for layer in interface["layers"]
    )
    return int(10_000 + 4 * work)


def _taps(interface: dict[str, Any]) -> tuple[tuple[Tap, ...], Tap]:
    if not isinstance(interface, dict) or interface.get("format") != FORMAT:
        found = interface.get("format") if isinstance(interface, dict) else type(interface).__name__
        raise InterfaceError(f"format must be {FORMAT}, not {found!r}; export the network again")
    ports = {port["name"] for port in interface["ports"]}
    wanted = [*PLAIN_PORTS]
    hidden: list[Tap] = []
    for k, row in enumerate(interface["taps"]):
        if row["index"] != k:
            raise InterfaceError(
                f"taps must be numbered 0, 1, ... in the order of the layers, but taps[{k}] has "
                f"index {row['index']}"
            )
        wanted += (
            [f"tap{k}_valid", f"tap{k}_logits"]
            if "classes" in row
            else [f"tap{k}_valid", f"tap{k}_tick", f"tap{k}_end"]
        )
        size = row["classes"] if "classes" in row else row["size"]
        most, repeats = row.get("max_count", 1), row.get("repeats", False)
        has = [f"tap{k}_{field}" in ports for field in ("address", "count", "negative")]
        address, count, negative = has
        source = _map(row, size)
        hidden.append(
            Tap(row["layer"], size, row["ticks"], most, address, count, negative, repeats, source)
        )
    if (
        not hidden
        or "classes" not in interface["taps"][-1]
        or any("classes" in row for row in interface["taps"][:-1])
    ):
        raise InterfaceError("taps must end with the readout's, the only one that has classes")
    missing = sorted(set(wanted) - ports)
    if missing:
        raise InterfaceError(f"ports must include {', '.join(missing)}")
    return tuple(hidden[:-1]), hidden[-1]


def _map(row: dict[str, Any], size: int) -> AddressMap:
    channels, rows, columns = row.get("shape", (size, 1, 1))
    return AddressMap((int(channels), int(rows), int(columns)))


def export(
    network: Any,
    lanes: Sequence[Lanes] | None = None,
    coding: Coding = "count",
    profiles: Sequence[str | None] = (None,),
) -> Design:
    """The accelerator of `network`, written below the build folder where it does not lie there
    already."""
    from polyrhythm.hw import export as hw_export

    key = _generator_key(lanes, coding, profiles)
    folder = verilator.build_root() / network.digest[:16] / f"rtl-{key}"
    chosen = None if lanes is None else list(lanes)

    def write(part: Path) -> None:
        hw_export.export(network, part, chosen, coding, profiles=profiles)

    return Design.load(verilator.once(folder, write))


def generators() -> list[Path]:
    """Our files that the Verilog may hang on: all of the rooms below gateware, in whatever folders
    they lie."""
    found = (path for room in ("hw", "sw") for path in (PACKAGE / room).rglob("*.py"))
    return sorted(path for path in found if "training" not in path.relative_to(PACKAGE).parts)


def _generator_key(
    lanes: Sequence[Lanes] | None, coding: Coding, profiles: Sequence[str | None]
) -> str:
    """Names what turns a network into Verilog: lanes, coding, profiles, our code and Amaranth."""
    code = hashlib.sha256()
    for path in generators():
        code.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return verilator.digest_of(
        {
            "lanes": None if lanes is None else list(lanes),
            "coding": coding,
            "profiles": list(profiles),
            "code": code.hexdigest(),
            "amaranth": metadata.version("amaranth"),
        }
    )


def words(
    counts: np.ndarray, source: AddressMap, profiles: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Counts (B, T, ...) as input words (uint64) for the wire `source`, and the B + 1 offsets of
    the frames; profiles: number of each frame's, (B,).

    Addresses ascend within a tick.
    """
    B, T = counts.shape[:2]
    rows = counts.reshape(B * T, math.prod(counts.shape[2:]))
    row, address = np.nonzero(rows)
    per_row = np.bincount(row, minlength=B * T)
    closing = np.cumsum(per_row) + np.arange(B * T)  # where each row's closing word stands
    stream = np.zeros(len(row) + B * T, np.uint64)
    value = rows[row, address].astype(np.uint64)
    # Neurons that the wire does not have keep their number: the design is to say that it has none.
    places = np.concatenate([source.addresses(), np.arange(source.neurons, rows.shape[1])])
    stream[np.arange(len(row)) + row] = places[address].astype(np.uint64) | value << COUNT_SHIFT
    stream[closing] = TICK_BIT
    stream[closing[T - 1 :: T]] = END_BIT
    offsets = np.concatenate([[0], closing[T - 1 :: T] + 1])
    if profiles is not None:
        stream |= np.repeat(profiles.astype(np.uint64), np.diff(offsets)) << PROFILE_SHIFT
    return stream, offsets


def unpack(stream: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of input words by name."""
    address = (stream & np.uint64(0xFFFFFFFF)).astype(np.int64)
    count = ((stream >> COUNT_SHIFT) & COUNT_MASK).astype(np.int64)
    return {
        "address": address,
        "count": count,
        "profile": ((stream >> PROFILE_SHIFT) & PROFILE_MASK).astype(np.int64),
        "tick": stream & TICK_BIT != 0,
        "end": stream & END_BIT != 0,
    }
