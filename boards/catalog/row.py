"""What a board is to us: a row of data."""

from dataclasses import dataclass

from polyrhythm.boards.parts.parts import SOLDERED, Part


@dataclass(frozen=True)
class Pad:
    """A pin of a board, as its platform calls it: a resource, its number, and the signal inside it
    where it has several."""

    resource: str
    number: int = 0
    signal: str | None = None


@dataclass(frozen=True)
class Board:
    """One board.

    name      as on the command line
    title     for people
    part_name of `boards.parts.parts.SOLDERED`
    platform  "module:Class" of its pins, as amaranth-boards has them
    clock     the oscillator; clock_mhz: its frequency
    uart      resource with rx and tx, seen from the FPGA
    link      what turns the UART into USB
    baud_max  the most that this passes on
    alive, error, reset   LEDs and button; None where there is none
    loader    the board's name to openFPGALoader; None where it takes a cable's name, or another
              program
    cable     the cable's name to openFPGALoader, for boards without a programmer of their own
    packing   flags of the packer for this board
    note      what its user has to know, in one line
    """

    name: str
    title: str
    part_name: str
    platform: str
    clock: Pad
    clock_mhz: float
    link: str
    baud_max: int
    uart: Pad = Pad("uart")
    alive: Pad | None = Pad("led", 0)
    error: Pad | None = Pad("led", 1)
    reset: Pad | None = None
    loader: str | None = None
    cable: str | None = None
    packing: tuple[str, ...] = ()
    note: str = ""

    @property
    def part(self) -> Part:
        """The row of its FPGA."""
        return SOLDERED[self.part_name]
