"""Placed designs as the placers write them: the block RAMs in their text, read and replaced.

An ECP5's text has `.bram_init N` with 2,048 words of 9 bits, an iCE40's `.ram_data X Y` with 16
rows of 256 bits, Gowin's is the netlist itself with parameters in its cells. Nothing else of the
text is touched.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from polyrhythm.boards.swap import blocks
from polyrhythm.boards.swap.blocks import Bits, Blocks, ecp5_stored


class Placed(ABC):
    """How a family's placer writes a design."""

    blocks: Blocks
    unpacker: tuple[str, ...]  # the command that makes such a text of a bitstream again; or none

    @abstractmethod
    def read(self, text: str) -> dict[str, Bits]:
        """The initial values of each block RAM, by a name that it has in this text."""

    @abstractmethod
    def replaced(self, text: str, values: Mapping[str, Bits]) -> str:
        """The text with these values in these block RAMs. Raises KeyError for one that it has
        not."""


class Ecp5Text(Placed):
    """`.config` of nextpnr-ecp5, as ecppack reads it and ecpunpack writes it."""

    blocks = blocks.ECP5
    unpacker = ("yowasp-ecpunpack", "{bitstream}", "{routed}")
    _section = re.compile(r"^\.bram_init (\d+)\n((?:[0-9a-f]{3}[ \n])+)", re.MULTILINE)
    _words = ecp5_stored(np.arange(2048 * 9, dtype=np.int64)).reshape(2048, 9)

    def read(self, text: str) -> dict[str, Bits]:
        """See `Placed`."""
        found = {}
        for key, body in self._section.findall(text):
            words = np.array([int(word, 16) for word in body.split()], np.int64)
            values = np.zeros(64 * 320, np.uint8)
            values[self._words] = words[:, None] >> np.arange(9) & 1
            found[key] = values
        return found

    def replaced(self, text: str, values: Mapping[str, Bits]) -> str:
        """See `Placed`."""
        bodies = {key: self._body(bits) for key, bits in values.items()}
        return _exchanged(text, self._section, bodies, lambda key: f".bram_init {key}\n")

    def _body(self, bits: Bits) -> str:
        words = bits[self._words].astype(np.int64) @ (1 << np.arange(9))
        rows = words.reshape(-1, 8).tolist()
        return "".join(" ".join(f"{word:03x}" for word in row) + "\n" for row in rows)


class Ice40Text(Placed):
    """`.asc` of nextpnr-ice40, as icepack reads it and iceunpack writes it."""

    blocks = blocks.ICE40
    unpacker = ("yowasp-iceunpack", "{bitstream}", "{routed}")
    _section = re.compile(r"^\.ram_data (\d+ \d+)\n((?:[0-9a-f]{64}\n){16})", re.MULTILINE)

    def read(self, text: str) -> dict[str, Bits]:
        """See `Placed`."""
        found = {}
        for key, body in self._section.findall(text):
            rows = [int(row, 16).to_bytes(32, "little") for row in body.split()]
            whole = np.frombuffer(b"".join(rows), np.uint8)
            found[key] = np.unpackbits(whole, bitorder="little")
        return found

    def replaced(self, text: str, values: Mapping[str, Bits]) -> str:
        """See `Placed`."""
        bodies = {key: self._body(bits) for key, bits in values.items()}
        return _exchanged(text, self._section, bodies, lambda key: f".ram_data {key}\n")

    @staticmethod
    def _body(bits: Bits) -> str:
        rows = np.packbits(bits.reshape(16, 256), axis=1, bitorder="little")
        return "".join(f"{int.from_bytes(row.tobytes(), 'little'):064x}\n" for row in rows)


class GowinText(Placed):
    """The routed netlist of nextpnr-himbaechel, as gowin_pack reads it; nothing makes one of a
    bitstream."""

    blocks = blocks.GOWIN
    unpacker = ()

    def read(self, text: str) -> dict[str, Bits]:
        """See `Placed`."""
        cells = self.blocks.of(_only_module(json.loads(text)))
        values = {key: self.blocks.read(cell) for key, cell in cells.items()}
        return {key: np.where(bits == 1, 1, 0).astype(np.uint8) for key, bits in values.items()}

    def replaced(self, text: str, values: Mapping[str, Bits]) -> str:
        """See `Placed`."""
        design = json.loads(text)
        cells = self.blocks.of(_only_module(design))
        for key, bits in values.items():
            self.blocks.write(cells[key], bits)
        return json.dumps(design)


PLACED: dict[str, Placed] = {"ecp5": Ecp5Text(), "ice40": Ice40Text(), "gowin": GowinText()}


def _only_module(design: dict[str, Any]) -> dict[str, Any]:
    (module,) = (m for m in design["modules"].values() if "top" in m["attributes"])
    return dict(module)


def _exchanged(text: str, section: re.Pattern[str], bodies: Mapping[str, str], head: Any) -> str:
    """`text` with other bodies of the sections that `bodies` names."""
    left = dict(bodies)

    def body(found: re.Match[str]) -> str:
        new = left.pop(found[1], None)
        return found[0] if new is None else head(found[1]) + new

    text = section.sub(body, text)
    if left:
        raise KeyError(f"no block RAM {sorted(left)[0]} in the placed design")
    return text
