"""The RTL under cocotb: random stalls on every stream, monitors on every port, a scoreboard against
the golden model.

Slower than `sim.bulk` by a factor of a hundred and stricter: what is not valid is noise, and every
tick of every layer is compared as it passes. The side that runs inside the simulator is
`sim.inside`.
"""

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from polyrhythm.sim import design as designs
from polyrhythm.sim import verilator
from polyrhythm.sim.design import Design
from polyrhythm.sim.job import DONE, Mode, Outcome, SimulationError
from polyrhythm.sw import golden
from polyrhythm.sw.lib import fix
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.trace import Trace
from polyrhythm.sw.trace.frames import frames

Progress = Callable[[int, int], None]


def run(
    network: Network,
    inputs: np.ndarray,
    profile: str | None = None,
    *,
    lanes: Sequence[Lanes] | None = None,
    coding: Coding = "count",
    i_stall: float = 0.5,
    o_stall: float = 0.5,
    seed: int = 0,
    spikes: bool = False,
    logits_t: bool = False,
    scoreboard: bool = True,
    waveform: Path | None = None,
) -> Trace:
    """Send every frame of `inputs` through the network's Verilog and return what came out of every
    layer.

    SimulationError names the first thing that is not as the contract or (with the scoreboard) the
    golden model says: frame, layer, tick, neuron, both values, the cycle and the seed. `interval`
    is measured under the stalls that were asked for. `waveform`: a VCD file of the whole run.
    Raises ToolMissing, BuildError, SimulationError.
    """
    mode = Mode(True, i_stall, o_stall, seed, spikes, logits_t)
    chosen = network.profile(profile)
    counts = frames(chosen, inputs)
    timed = chosen.schedule == "time_stepped"
    expected = golden.run(chosen, inputs, spikes=timed) if scoreboard else None
    return simulate(
        designs.export(chosen, lanes, coding), counts, mode, expected, waveform=waveform
    ).trace


def simulate(
    design: Design,
    counts: np.ndarray,
    mode: Mode,
    expected: Trace | None = None,
    *,
    waveform: Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run legal counts (B, T_in, *shape) through an exported design.

    `expected` fills the scoreboard; a time_stepped one has spikes. `progress(done, total)` is told
    of results as they come.
    """
    from cocotb_tools import runner

    library = libpython()
    program = compile(design, waves=waveform is not None)
    with tempfile.TemporaryDirectory(prefix="polyrhythm-") as scratch:
        folder = Path(scratch)
        _write_job(folder, design, counts, mode, expected)
        if (home := str(designs.PACKAGE.parent)) not in sys.path:
            # The runner hands sys.path on to the interpreter in the simulator
            sys.path.append(home)
        stalls = f"i_stall {mode.i_stall}, o_stall {mode.o_stall}"
        print(
            f"bench: {design.top}, {len(counts)} frames, {stalls}, seed {mode.seed}",
            file=sys.stderr,
        )
        # How the runner reports a failed test depends on what calls it; the results say which it
        # was.
        with contextlib.suppress(RuntimeError, SystemExit), _watched(folder, len(counts), progress):
            runner.get_runner("verilator").test(
                test_module="polyrhythm.sim.inside",
                hdl_toplevel=design.top,
                hdl_toplevel_lang="verilog",
                build_dir=program.parent,
                test_dir=design.folder,  # where $readmemh finds its files
                results_xml=str(folder / "results.xml"),
                log_file=folder / "log.txt",
                seed=mode.seed,
                waves=waveform is not None,
                test_args=[] if waveform is None else ["--trace-file", str(waveform.absolute())],
                plusargs=[
                    "+verilator+rand+reset+2",
                    f"+verilator+seed+{mode.seed % 0x7FFFFFFF + 1}",
                ],
                extra_env={"POLYRHYTHM_BENCH": scratch, "LIBPYTHON_LOC": library},
            )
        return _read_results(folder)


def compile(design: Design, *, waves: bool = False) -> Path:
    """The simulator of a design with cocotb in it, built where it does not exist yet."""
    texts = {"ports.vlt": _visible(design)}
    return verilator.program(
        design.programs, _program(waves=waves), design.source, design.top, texts
    )


@contextlib.contextmanager
def _watched(folder: Path, total: int, progress: Progress | None) -> Iterator[None]:
    """Hand on what the simulator writes down about how far it is."""
    over = threading.Event()

    def watch() -> None:
        while progress is not None and not over.wait(0.5):
            with contextlib.suppress(OSError, ValueError):  # not written yet, or just being written
                progress(int((folder / DONE).read_text()), total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _program(*, waves: bool) -> verilator.Program:
    from cocotb_tools import config

    # The program finds the libraries beside itself, whatever that path holds.
    link = (
        f"-Wl,-rpath,'$$ORIGIN/{verilator.LIBRARIES}'",
        f"-L{verilator.LIBRARIES}",
        "-lcocotbvpi_verilator",
    )
    # Registers without an initial value start at random.
    flags = (
        "--vpi",
        "--x-assign",
        "unique",
        "--x-initial",
        "unique",
        *(["--trace-vcd"] if waves else []),
    )
    main = Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    return verilator.Program(
        "cocotb-waves" if waves else "cocotb", main, flags, link, Path(config.libs_dir)
    )


def _visible(design: Design) -> str:
    """A control file that shows cocotb the top's ports and nothing else, so that all the rest is
    optimised."""
    rows = [f'public_flat_rw -module "{design.top}" -var "{port}"' for port in sorted(design.ports)]
    return "\n".join(["`verilator_config", *rows, ""])


def libpython() -> str:
    """Path of the shared library of this Python, which cocotb loads into the simulator."""
    import find_libpython

    found = os.environ.get("LIBPYTHON_LOC") or find_libpython.find_libpython()
    if not found:
        raise verilator.ToolMissing(
            f"cocotb needs the shared library of Python, and {sys.executable} has none; fix it "
            "with: "
            f"{fix.libpython()}"
        )
    return str(found)


def _write_job(
    folder: Path, design: Design, counts: np.ndarray, mode: Mode, expected: Trace | None
) -> None:
    if design.interface["schedule"] != "time_stepped":
        mode = replace(mode, spikes=False, logits_t=False)
    job = {"design": str(design.folder.absolute()), "mode": asdict(mode)}
    (folder / "job.json").write_text(json.dumps(job))
    np.save(folder / "words.npy", designs.words(counts, design.wire)[0])
    if expected is not None:
        expected.save(folder / "golden.npz")


def _read_results(folder: Path) -> Outcome:
    from cocotb_tools.check_results import get_results

    log = (folder / "log.txt").read_text() if (folder / "log.txt").exists() else ""
    if (folder / "failure.txt").exists():
        raise SimulationError((folder / "failure.txt").read_text())
    try:
        tests, failed = get_results(folder / "results.xml")
    except RuntimeError:
        tests, failed = 0, 0
    if tests != 1 or failed:
        tail = "\n".join(log.splitlines()[-40:])
        raise SimulationError(
            f"the test in the simulator must run and pass, but {tests} ran and {failed} failed; "
            f"its log ends:\n{tail}"
        )
    return Outcome(
        Trace.load(folder / "seen.npz"), json.loads((folder / "stalls.json").read_text())
    )
