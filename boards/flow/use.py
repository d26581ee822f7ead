"""What a netlist takes of a part, counted before anything is placed: who has asked for too much
hears it minutes earlier."""

from typing import Any

from polyrhythm.boards.flow.outreg import Netlist
from polyrhythm.boards.parts.parts import TITLES, Part

FULL = 0.9  # share of a resource from which on placing is slow, and may fail
CHAIN_ENDS = 4  # LUTs of an ECP5 before and behind a carry chain, through which carries come and go


def use(module: Netlist, part: Part) -> dict[str, int]:
    """About how many of each resource of the part the module takes, by our words for them; the ring
    around a design included.

    Within 3 % of what nextpnr counts after packing in the networks that were tried.
    """
    found = dict.fromkeys(part.family.sites, 0)
    for cell in module["cells"].values():
        kind = kind_of(cell["type"], part.family.kinds)
        if kind is not None:
            word, number = kind
            found[word] += number
    if "logic_cells" in found:
        found["logic_cells"] += len(alone(module))
    if part.family.output_registers:
        carries = [
            cell["connections"]["CIN"]
            for cell in module["cells"].values()
            if cell["type"] == "CCU2C"
        ]
        found["lut4"] += CHAIN_ENDS * sum(carry in (["0"], ["1"]) for carry in carries)
    return found


def kind_of(cell: str, kinds: dict[str, tuple[str, int]]) -> tuple[str, int] | None:
    """What a cell type of Yosys takes: the longest entry that it begins with."""
    found = [kind for kind in kinds if cell.startswith(kind)]
    return kinds[max(found, key=len)] if found else None


def alone(module: Netlist) -> list[str]:
    """Names of the flip-flops of an iCE40 netlist that take a logic cell of their own: they keep
    nothing that a LUT makes for them alone."""
    readers: dict[Any, int] = {}
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                for bit in bits:
                    readers[bit] = readers.get(bit, 0) + 1
    for port in module["ports"].values():
        for bit in port["bits"]:
            readers[bit] = readers.get(bit, 0) + 1
    luts = {
        cell["connections"]["O"][0]
        for cell in module["cells"].values()
        if cell["type"] == "SB_LUT4"
    }
    kept = {
        name: cell["connections"]["D"][0]
        for name, cell in module["cells"].items()
        if cell["type"].startswith("SB_DFF")
    }
    return [name for name, bit in kept.items() if bit not in luts or readers[bit] > 1]


def told(found: dict[str, int], part: Part) -> str:
    """The use in one line, the fullest resource first, and what to do where one is full."""
    rows = sorted(
        ((found[word] / part.has[word], word) for word in found if found[word]), reverse=True
    )
    line = ", ".join(
        f"{found[word]:,} of {part.has[word]:,} {TITLES[word]} ({share:.0%})"
        for share, word in rows
    )
    if not rows or rows[0][0] < FULL:
        return f"{part.name} before placement: {line}"
    verdict = "too many" if rows[0][0] > 1 else "full"
    return f"{part.name} before placement: {line}: {verdict}; try fewer lanes or a larger part"


def used(report: dict[str, Any], part: Part, packed: bool = False) -> dict[str, int]:
    """What nextpnr's report says is taken, by our words for it.

    packed: of a netlist that is packed and not placed, whose sites nextpnr counts together with
    those that other cells make unusable.
    """
    taken, family = report["utilization"], part.family
    return {
        word: sum(
            number * taken[cell]["used"]
            for cell, number in ((site, 1), *(() if packed else family.beside.get(word, ())))
            if cell in taken
        )
        for word, site in family.sites.items()
    }


def missing(found: dict[str, int], part: Part) -> str:
    """What the part has too little of, in words; nothing where it has enough."""
    return ", ".join(
        f"{found[word]:,} {TITLES[word]} needed, {part.has[word]:,} there"
        for word in found
        if found[word] > part.has[word]
    )
