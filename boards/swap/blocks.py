"""Block RAM cells of a netlist: where among their initial values the bit of an address stands.

A cell keeps its contents in parameters of some hundred bits each, dealt in an order of the
family's own. `index` gives, for each address and data bit of the port that reads, which bit of all
these parameters it is, counted from the lowest bit of the first one.
"""

from collections.abc import Callable, Iterable
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
class Blocks:
    """The block RAM of one family.

    types       cells that hold it
    parameters  the names of its initial values in their order
    index       (depth, width) of one cell: the bit of all its parameters
    """

    types: tuple[str, ...]
    parameters: tuple[str, ...]
    index: Callable[[Cell], Index]

    def of(self, module: dict[str, Any]) -> dict[str, Cell]:
        """The block RAMs of a module that have initial values, by name."""
        cells: Iterable[tuple[str, Cell]] = module["cells"].items()
        return {
            name: cell
            for name, cell in cells
            if cell["type"] in self.types and self.parameters[0] in cell["parameters"]
        }

    def read(self, cell: Cell) -> Bits:
        """All initial values of a cell, the lowest bit of the first parameter first."""
        text = "".join(cell["parameters"][name][::-1] for name in self.parameters)
        codes = np.frombuffer(text.encode("ascii"), np.uint8)
        return np.where(codes == ord("0"), 0, np.where(codes == ord("1"), 1, UNKNOWN)).astype(
            np.uint8
        )

    def write(self, cell: Cell, bits: Bits) -> None:
        """Put what `read` gives into a cell."""
        each = len(bits) // len(self.parameters)
        for name, part in zip(self.parameters, bits.reshape(-1, each), strict=True):
            cell["parameters"][name] = "".join("01x"[bit] for bit in part[::-1])


def _numbered(stem: str, number: int, digits: int) -> tuple[str, ...]:
    return tuple(f"{stem}{k:0{digits}X}" for k in range(number))


def _number(cell: Cell, parameter: str) -> int:
    return int(str(cell["parameters"].get(parameter, "0")), 2)


def _units(width: int, size: int) -> Index:
    """Bits of a block of `size` bits in the order of addresses."""
    if width % NINTH == 0:
        return np.arange(size, dtype=np.int64)
    order = np.arange(size // NINTH * UNIT, dtype=np.int64)
    return order // UNIT * NINTH + order % UNIT


def _ecp5(cell: Cell) -> Index:
    """Sixteen words of 18 bits in each parameter of 320: two bits of twenty are unused."""
    both = _number(cell, "DATA_WIDTH_B")
    width = both if both == 36 else _number(cell, "DATA_WIDTH_A")
    bit = _units(width, 64 * 16 * 18)
    return (bit // 288 * 320 + bit % 288 // 18 * 20 + bit % 18).reshape(-1, width)


def _ice40(cell: Cell) -> Index:
    """Words of 16 bits, each with its bits in the order of their reversed numbers."""
    bit = np.arange(4096, dtype=np.int64)
    low = bit % 16
    turned = (low & 1) << 3 | (low & 2) << 1 | (low & 4) >> 1 | low >> 3
    return (bit - low + turned).reshape(-1, 16 >> _number(cell, "READ_MODE"))


def _gowin(cell: Cell) -> Index:
    """Parameters of 288 bits where the ninth bits are used, else of 256."""
    width = _number(cell, "BIT_WIDTH") or _number(cell, "BIT_WIDTH_1")
    whole = len(cell["parameters"]["INIT_RAM_00"]) == 288
    return np.arange(64 * (288 if whole else 256), dtype=np.int64).reshape(-1, width)


ECP5 = Blocks(("DP16KD", "PDPW16KD"), _numbered("INITVAL_", 64, 2), _ecp5)
ICE40 = Blocks(
    ("SB_RAM40_4K", "SB_RAM40_4KNR", "SB_RAM40_4KNW", "SB_RAM40_4KNRNW", "ICESTORM_RAM"),
    _numbered("INIT_", 16, 1),
    _ice40,
)
GOWIN = Blocks(
    ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"),
    _numbered("INIT_RAM_", 64, 2),
    _gowin,
)
