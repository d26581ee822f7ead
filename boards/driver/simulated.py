"""The simulated board of a network: its top in Verilog, and that compiled with its pins behind a
pseudo-terminal, each kept where it was built once."""

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from polyrhythm.boards.link.endpoint import Endpoint
from polyrhythm.boards.link.layout import layout
from polyrhythm.hw.verilog import verilog
from polyrhythm.sim import verilator
from polyrhythm.sim.board import process
from polyrhythm.sim.design import PACKAGE, generators
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.network import NetworkPlan, plan
from polyrhythm.sw.plan.parameters import Coding

TOP = "board"
# Of a bit: the fewest that the UART takes, since every clock is simulated.
CLOCKS = 4
BAUD = 3_000_000  # what the top is made for, at CLOCKS * BAUD Hz; a simulation has no hurry
Stage = Callable[[str], object]


def design(
    network: Network, lanes: Sequence[Lanes] | None = None, coding: Coding = "count"
) -> Path:
    """The folder with board.v and build.json, written below the build folder where it does not lie
    there already. Raises ValueError for what the gateware cannot build."""
    planned = plan(network, lanes, coding)
    folder = verilator.build_root() / network.digest[:16] / f"simulated-{_key(planned)}"
    return verilator.once(folder, lambda part: _write(planned, part))


def _write(planned: NetworkPlan, folder: Path) -> None:
    clock_hz = CLOCKS * BAUD
    top = Endpoint(planned, clock_hz, BAUD)
    (folder / f"{TOP}.v").write_text(verilog(top, TOP), encoding="ascii")
    told = {
        "board": "sim",
        "clock_hz": clock_hz,
        "baud": BAUD,
        "quiet": quiet_clocks(planned),
        "link": layout(planned),
    }
    (folder / "build.json").write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")


def _key(planned: NetworkPlan) -> str:
    """Names what turns a plan into the Verilog of a board: lanes, coding, our code and Amaranth."""
    code = hashlib.sha256()
    for path in [*generators(), *sorted((PACKAGE / "boards" / "link").glob("*.py"))]:
        code.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return verilator.digest_of(
        {
            "lanes": list(planned.lanes),
            "coding": planned.coding,
            "clocks": CLOCKS,
            "baud": BAUD,
            "code": code.hexdigest(),
            "amaranth": metadata.version("amaranth"),
        }
    )


def quiet_clocks(planned: NetworkPlan) -> int:
    """Clocks without a byte on the link after which no frame can be on its way in the circuit.

    As `Design.quiet_cycles`: four times what every layer may spend on replays, summed.
    """
    work = sum(
        (layer.input.synapses.n_in + 8) * (layer.layout.groups + 1) * (layer.rhythm.T + 1)
        for layer in planned.layers
    )
    return 10_000 + 4 * work * planned.ticks


def compile(folder: Path, *, waves: bool = False) -> Path:
    """The program of a simulated board, built where it does not lie there yet. Raises ToolMissing,
    BuildError."""
    return process.compile(folder / f"{TOP}.v", TOP, folder.parent, waves=waves)


def start(folder: Path, wave: Path | None = None) -> process.BoardProcess:
    """A running simulated board; its `port` waits to be opened."""
    told = json.loads((folder / "build.json").read_text(encoding="ascii"))
    program = compile(folder, waves=wave is not None)
    return process.BoardProcess(program, CLOCKS, told["quiet"], wave)
