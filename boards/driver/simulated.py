"""The simulated board of a network, or of a build: its top in Verilog, and that compiled with its
pins behind a pseudo-terminal, each kept where it was built once."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from polyrhythm.boards.link.endpoint import Endpoint
from polyrhythm.boards.link.layout import layout
from polyrhythm.boards.link.uart import divisor
from polyrhythm.hw.verilog import verilog
from polyrhythm.sim import verilator
from polyrhythm.sim.board import process
from polyrhythm.sim.design import PACKAGE, generators
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.network import NetworkPlan, plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.plan.shape import Shape

TOP = "board"
BAUD = 3_000_000
# As few clocks for a bit as the UART takes, since every clock is simulated
CLOCK_HZ = 4 * BAUD


@dataclass(frozen=True)
class Hardware:
    """What a board has beside its network: lanes and coding as of `sw.plan.network.plan`, the clock
    of the circuit, the baud of the link, and the shape of the networks that it takes."""

    lanes: Sequence[Lanes] | None = None
    coding: Coding = "count"
    clock_hz: int = CLOCK_HZ
    baud: int = BAUD
    shape: Shape | None = None

    @classmethod
    def of_build(cls, folder: Path, network: Network) -> "Hardware":
        """That of the board for which `folder` was built, and which holds `network`. Raises
        ValueError where it holds another one, or where the folder is of no build."""
        told = _record(folder / "build.json")
        if told["digest"] != network.digest:
            raise ValueError(
                f"{folder} is the build of network {told['network']} ({told['digest'][:16]}), not "
                f"of {network.name} ({network.digest[:16]})"
            )
        lanes = [tuple(lane) if isinstance(lane, list) else lane for lane in told["lanes"]]
        takes = _record(folder / "swap.json")["shape"] if "swappable" in told else None
        shape = None if takes is None else Shape.from_json(takes)
        return cls(lanes, told["coding"], told["clock_hz"], told["baud"], shape)


def _record(path: Path) -> dict[str, Any]:
    """A JSON file of a build."""
    told = json.loads(path.read_text("utf-8")) if path.is_file() else None
    if not isinstance(told, dict) or told.get("format") is None:
        raise ValueError(f"{path} must be what `polyrhythm build` writes")
    return told


STANDARD = Hardware()


def design(network: Network, hardware: Hardware = STANDARD) -> Path:
    """The folder with board.v and build.json, written below the build folder where it does not lie
    there already. Raises ValueError for what the gateware cannot build."""
    planned = plan(network, hardware.lanes, hardware.coding, shape=hardware.shape)
    key = _key(planned, hardware)
    folder = verilator.build_root() / network.digest[:16] / f"simulated-{key}"
    return verilator.once(folder, lambda part: _write(planned, hardware, part))


def _write(planned: NetworkPlan, hardware: Hardware, folder: Path) -> None:
    top = Endpoint(planned, hardware.clock_hz, hardware.baud)
    (folder / f"{TOP}.v").write_text(verilog(top, TOP), encoding="ascii")
    told = {
        "board": "sim",
        "clock_hz": hardware.clock_hz,
        "baud": hardware.baud,
        "clocks": divisor(hardware.clock_hz, hardware.baud),
        "quiet": quiet_clocks(planned),
        "link": layout(planned),
    }
    (folder / "build.json").write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")


def _key(planned: NetworkPlan, hardware: Hardware) -> str:
    """Names what turns a network into the Verilog of a board: the hardware, our code, Amaranth."""
    code = hashlib.sha256()
    for path in [*generators(), *sorted((PACKAGE / "boards" / "link").glob("*.py"))]:
        code.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return verilator.digest_of(
        {
            "lanes": list(planned.lanes),
            "coding": planned.coding,
            "clock": hardware.clock_hz,
            "baud": hardware.baud,
            "shape": hardware.shape and hardware.shape.to_json(),
            "code": code.hexdigest(),
            "amaranth": metadata.version("amaranth"),
        }
    )


def quiet_clocks(planned: NetworkPlan) -> int:
    """Clocks without a byte on the link after which no frame can be on its way in the circuit.

    As `Design.quiet_cycles`: four times what every layer may spend on replays, summed.
    """
    work = sum(
        (layer.input.synapses.n_in + 8) * (layer.layout.groups + 1) * (layer.T + 1)
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
    return process.BoardProcess(program, told["clocks"], told["quiet"], wave)
