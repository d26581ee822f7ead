"""Block RAM cells of a netlist: where among their initial values the bit of an address stands.

A cell keeps its contents in parameters of some hundred bits each, dealt in an order of the
family's own. Here they are one row of bits, the lowest bit of the first parameter first, and
`index` says for each address and data bit of the port that reads which of them it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Cell = dict[str, Any]  # a cell as `write_json` of Yosys or nextpnr describes it
Bits = npt.NDArray[np.uint8]  # 0, 1 or UNKNOWN
Index = npt.NDArray[np.int64]
UNKNOWN = 2
UNIT, NINTH = 8, 9  # ports narrower than nine bits leave every ninth bit of the block alone


@dataclass(frozen=True)
class Port:
    """The port of a block RAM that reads: its data bits, and whether ninth bits are among them."""

    width: int
    ninths: bool


@dataclass(frozen=True)
class Blocks:
    """The block RAM of one family.

    types       cells that hold it
    parameters  the names of its initial values in their order
    port        of a cell
    index       (depth, width): which of the initial values
    each        values of one parameter
    """

    types: tuple[str, ...]
    parameters: tuple[str, ...]
    port: Callable[[Cell], Port]
    index: Callable[[Port], Index]
    each: Callable[[Port], int]

    def size(self, port: Port) -> int:
        """How many initial values there are, those of no address included."""
        return len(self.parameters) * self.each(port)

    def of(self, module: dict[str, Any]) -> dict[str, Cell]:
        """The block RAMs of a module that have initial values, by name."""
        return {
            name: cell
            for name, cell in module["cells"].items()
            if cell["type"] in self.types and self.parameters[0] in cell["parameters"]
        }

    def read(self, cell: Cell) -> Bits:
        """All initial values of a cell."""
        text = "".join(cell["parameters"][name][::-1] for name in self.parameters)
        codes = np.frombuffer(text.encode("ascii"), np.uint8)
        known = np.where(codes == ord("1"), 1, UNKNOWN)
        return np.where(codes == ord("0"), 0, known).astype(np.uint8)

    def write(self, cell: Cell, bits: Bits) -> None:
        """Put what `read` gives into a cell."""
        each = len(bits) // len(self.parameters)
        for name, part in zip(self.parameters, bits.reshape(-1, each), strict=True):
            cell["parameters"][name] = "".join("01x"[bit] for bit in part[::-1])


def _numbered(stem: str, number: int, digits: int) -> tuple[str, ...]:
    return tuple(f"{stem}{k:0{digits}X}" for k in range(number))


def _number(cell: Cell, parameter: str) -> int:
    return int(str(cell["parameters"].get(parameter, "0")), 2)


def ecp5_stored(bit: Index) -> Index:
    """Where bits of an ECP5's 2048 words of 9 bits stand: a parameter of 320 bits has sixteen times
    18 of them, and leaves two of twenty alone."""
    return bit // 288 * 320 + bit % 288 // 18 * 20 + bit % 18


def _ecp5_port(cell: Cell) -> Port:
    both = _number(cell, "DATA_WIDTH_B")
    width = both if both == 36 else _number(cell, "DATA_WIDTH_A")
    return Port(width, width % NINTH == 0)


def _ecp5(port: Port) -> Index:
    order = np.arange(2048 * (NINTH if port.ninths else UNIT), dtype=np.int64)
    if not port.ninths:
        order = order // UNIT * NINTH + order % UNIT
    return ecp5_stored(order).reshape(-1, port.width)


def _ice40_port(cell: Cell) -> Port:
    return Port(16 >> _number(cell, "READ_MODE"), False)


def _ice40(port: Port) -> Index:
    """Sixteen bits in the order of their reversed numbers."""
    bit = np.arange(4096, dtype=np.int64)
    low = bit % 16
    turned = (low & 1) << 3 | (low & 2) << 1 | (low & 4) >> 1 | low >> 3
    return (bit - low + turned).reshape(-1, port.width)


def _gowin_port(cell: Cell) -> Port:
    width = _number(cell, "BIT_WIDTH") or _number(cell, "BIT_WIDTH_1")
    return Port(width, len(cell["parameters"]["INIT_RAM_00"]) == 288)


def _gowin(port: Port) -> Index:
    """Parameters of 288 bits where ninth bits are used, else of 256."""
    size = 64 * (288 if port.ninths else 256)
    return np.arange(size, dtype=np.int64).reshape(-1, port.width)


ECP5 = Blocks(
    ("DP16KD", "PDPW16KD"), _numbered("INITVAL_", 64, 2), _ecp5_port, _ecp5, lambda _: 320
)
ICE40 = Blocks(
    ("SB_RAM40_4K", "SB_RAM40_4KNR", "SB_RAM40_4KNW", "SB_RAM40_4KNRNW"),
    _numbered("INIT_", 16, 1),
    _ice40_port,
    _ice40,
    lambda _: 256,
)
GOWIN = Blocks(
    ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"),
    _numbered("INIT_RAM_", 64, 2),
    _gowin_port,
    _gowin,
    lambda port: 288 if port.ninths else 256,
)
