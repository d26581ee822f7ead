"""Driver and monitors for cocotb, one for each kind of interface of an accelerator.

Each is called once in every cycle, after the inputs have settled and before the clock rises. A port
that breaks its contract, or carries something else than the golden model says, raises
ContractError.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polyrhythm.sim.design import Tap, unpack
from polyrhythm.sw.trace import Difference


class ContractError(AssertionError):
    """A port broke its contract, or carried something else than the golden model."""


@dataclass
class Progress:
    """What the whole bench knows: the cycle, the last one with a transfer, and stalls as in
    `sim.job.Outcome`."""

    cycle: int = 0
    moved: int = 0
    stalls: dict[str, int] = field(default_factory=lambda: {"pause": 0, "i": 0, "o": 0})


class StreamMonitor:
    """Watches an interface with valid and ready: counts stalls and holds the sender to its word."""

    def __init__(self, dut: Any, name: str, payload: list[str], progress: Progress):
        self.name, self.progress = name, progress
        self.valid, self.ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self.payload = {port: getattr(dut, port) for port in payload if hasattr(dut, port)}
        self.held: dict[str, int] | None = None

    def sample(self) -> tuple[dict[str, int] | None, bool]:
        """Give the payload where valid is high, and whether it is taken in this cycle."""
        if not int(self.valid.value):
            if self.held is not None:
                raise ContractError(
                    f"{self.name}_valid was withdrawn before {self.name}_ready came"
                )
            return None, False
        now = {port: int(handle.value) for port, handle in self.payload.items()}
        for port, was in (self.held or {}).items():
            if now[port] != was:
                raise ContractError(
                    f"{port} changed from {was} to {now[port]} while it waited for "
                    f"{self.name}_ready"
                )
        taken = bool(int(self.ready.value))
        self.held = None if taken else now
        self.progress.stalls[self.name] += not taken
        if taken:
            self.progress.moved = self.progress.cycle
        return now, taken


class InputDriver:
    """Sends words in order; pauses at random before a word, and shows noise on whatever does not
    matter just then."""

    def __init__(
        self, dut: Any, words: np.ndarray, stall: float, rng: random.Random, progress: Progress
    ):
        self.words = unpack(words)
        self.stall, self.rng, self.progress = stall, rng, progress
        self.valid = dut.i_valid
        self.fields = {
            name: getattr(dut, f"i_{name}") for name in self.words if hasattr(dut, f"i_{name}")
        }
        self.position, self.offered = 0, False

    def drive(self) -> None:
        """Set the ports for this cycle; a word that is offered stays until `taken`."""
        if self.offered:
            return
        more = self.position < len(self.words["end"])
        self.offered = more and self.rng.random() >= self.stall
        self.progress.stalls["pause"] += more and not self.offered
        self.valid.value = int(self.offered)
        for name, handle in self.fields.items():
            handle.value = self._value(name, len(handle))

    def _value(self, name: str, bits: int) -> int:
        matters = self.offered
        if matters and name in ("address", "count"):
            matters = not (self.words["tick"][self.position] or self.words["end"][self.position])
        return int(self.words[name][self.position]) if matters else self.rng.getrandbits(bits)

    def taken(self) -> None:
        """Go on to the next word."""
        self.position += 1
        self.offered = False

    @property
    def sent(self) -> int:
        """Frames whose last word was taken."""
        return int(np.count_nonzero(self.words["end"][: self.position]))


class TapMonitor:
    """Watches one hidden layer: each neuron once a tick, in order where there are no maps; ticks
    and frames closed in time; each row as expected.

    shown: (B, T, N) of what a row is compared with when it closes, and its name; `counts` (B, T, N)
    is what was seen
    """

    def __init__(
        self,
        dut: Any,
        k: int,
        tap: Tap,
        shown: tuple[np.ndarray | None, str],
        frames: int,
        clock: Progress,
    ):
        self.tap, self.progress = tap, clock
        self.expected, self.what = shown
        ports = ("valid", "address", "count", "negative", "tick", "end")
        self.ports = {
            port: getattr(dut, f"tap{k}_{port}") for port in ports if hasattr(dut, f"tap{k}_{port}")
        }
        self.counts = np.zeros((frames, tap.ticks, tap.size), np.int32)
        self.events = np.zeros(frames, np.int32)
        self.frame, self.tick, self.lowest = 0, 0, 0
        self.numbers = {int(address): n for n, address in enumerate(tap.source.addresses())}

    def place(self) -> str:
        """Name where the layer is."""
        return f"frame {self.frame}, layer {self.tap.layer}, tick {self.tick}"

    def sample(self) -> None:
        """Take the event of this cycle."""
        if not int(self.ports["valid"].value):
            return
        self.progress.moved = self.progress.cycle
        if self.frame == len(self.events):
            raise ContractError(
                f"layer {self.tap.layer} sends more than the {self.frame} frames it was sent"
            )
        tick, end = (bool(int(self.ports[port].value)) for port in ("tick", "end"))
        if tick or end:
            self._close(tick, end)
        else:
            self._spike(self._read("address", 0), self._read("count", 1))

    def _read(self, port: str, absent: int) -> int:
        return int(self.ports[port].value) if port in self.ports else absent

    def _spike(self, address: int, count: int) -> None:
        neuron = self.numbers.get(address, self.tap.size)
        if self.tap.repeats and neuron < self.tap.size:
            self._reaction(neuron, count)
            return
        if not self.lowest <= neuron < self.tap.size:
            wanted = f"the address must be {self.lowest} or more and below {self.tap.size}"
            raise ContractError(f"{self.place()}: {wanted}, not {address}")
        if self.counts[self.frame, self.tick, neuron]:
            raise ContractError(
                f"{self.place()}: a neuron must spike once in a tick, but {neuron} spikes again"
            )
        if not 1 <= count <= self.tap.max_count:
            wanted = f"the count of neuron {neuron} must lie in 1..{self.tap.max_count}"
            raise ContractError(f"{self.place()}: {wanted}, not {count}")
        self.lowest = 0 if self.tap.source.channel_low else neuron + 1
        self.events[self.frame] += 1
        self.counts[self.frame, self.tick, neuron] = count

    def _reaction(self, neuron: int, count: int) -> None:
        """An event-driven neuron's net count never leaves 0..max_count."""
        net = int(self.counts[self.frame, self.tick, neuron]) + (
            -count if self._read("negative", 0) else count
        )
        if count < 1 or not 0 <= net <= self.tap.max_count:
            raise ContractError(
                f"{self.place()}: neuron {neuron} must stay in 0..{self.tap.max_count}, not go to "
                f"{net}"
            )
        self.events[self.frame] += count
        self.counts[self.frame, self.tick, neuron] = net

    def _close(self, tick: bool, end: bool) -> None:
        if tick and end:
            raise ContractError(f"{self.place()}: one word must not have tick and end")
        if end != (self.tick + 1 == self.tap.ticks):
            does = "ends" if end else "goes on"
            raise ContractError(
                f"{self.place()}: the frame must have {self.tap.ticks} ticks, but {does} here"
            )
        if self.expected is not None:
            seen, right = self.counts[self.frame, self.tick], self.expected[self.frame, self.tick]
            compare(
                self.frame,
                self.tap.layer,
                self.what,
                self.tick if self.what == "spikes" else None,
                right,
                seen,
            )
        self.lowest = 0
        self.tick = 0 if end else self.tick + 1
        self.frame += end


class SumsMonitor:
    """Watches the readout's running sums, one row a readout tick; `sums` (B, T, C) is what was
    seen."""

    def __init__(
        self,
        dut: Any,
        k: int,
        tap: Tap,
        expected: np.ndarray | None,
        bits: int,
        frames: int,
        clock: Progress,
    ):
        self.valid, self.logits, self.bits = (
            getattr(dut, f"tap{k}_valid"),
            getattr(dut, f"tap{k}_logits"),
            bits,
        )
        self.tap, self.expected, self.progress = tap, expected, clock
        self.sums = np.zeros((frames, tap.ticks, tap.size), np.int64)
        self.seen = 0

    def sample(self) -> None:
        """Take the sums of this cycle."""
        if not int(self.valid.value):
            return
        frame, tick = divmod(self.seen, self.tap.ticks)
        if frame == len(self.sums):
            raise ContractError(
                f"layer {self.tap.layer} sends more than the {frame} frames it was sent"
            )
        self.progress.moved = self.progress.cycle
        self.sums[frame, tick] = fields(int(self.logits.value), self.tap.size, self.bits)
        if self.expected is not None:
            compare(
                frame,
                self.tap.layer,
                "logits_t",
                tick,
                self.expected[frame, tick],
                self.sums[frame, tick],
            )
        self.seen += 1

    def final(self, frame: int) -> np.ndarray:
        """Give the sums after the last tick of a frame, which must have come."""
        ticks = self.seen - frame * self.tap.ticks
        if ticks < self.tap.ticks:
            raise ContractError(
                f"frame {frame}: the result came after {ticks} readout ticks of {self.tap.ticks}"
            )
        row: np.ndarray = self.sums[frame, -1]
        return row


def fields(packed: int, number: int, bits: int) -> list[int]:
    """Unpack signed fields of `bits` bits, the first one lowest."""
    half = 1 << bits - 1
    return [(((packed >> k * bits) & (2 * half - 1)) ^ half) - half for k in range(number)]


def compare(
    frame: int, layer: str, what: str, tick: int | None, expected: np.ndarray, got: np.ndarray
) -> None:
    """Refuse a row that differs, naming its first difference."""
    wrong = np.flatnonzero(expected != got)
    if len(wrong):
        n = int(wrong[0])
        raise ContractError(
            str(Difference(frame, layer, what, tick, n, int(expected[n]), int(got[n])))
        )
