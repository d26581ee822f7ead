"""The registers of a build, for whoever reads and writes them: registers.json and a C header."""

from pathlib import Path

from polyrhythm.boards.link.map import link_map
from polyrhythm.hw.bus.printers import c_header, registers_json
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.plan.network import NetworkPlan

# Its names are the same for every network: a host's code is compiled for any build
HEADER, LISTING = "registers.h", "registers.json"


def write_registers(plan: NetworkPlan, clock_hz: float, folder: Path) -> list[Path]:
    """Both files in `folder`; registers.json has the identification that a design of this plan at
    this clock [Hz] gives."""
    rows = link_map(plan, clock_hz)
    texts = {LISTING: registers_json(rows), HEADER: c_header(rows)}
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
    return [folder / name for name in texts]
