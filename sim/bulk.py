"""Whole test sets through the RTL: a C++ program (Verilator and harness.cpp) for each design, on
all cores.

Axis order: B frames, T ticks of the layer, N neurons, C classes.
"""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from polyrhythm.sim import design as designs
from polyrhythm.sim import verilator
from polyrhythm.sim.design import Design, Tap
from polyrhythm.sim.job import Mode, Outcome, SimulationError
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.trace import Trace, merge
from polyrhythm.sw.trace.frames import frames

HARNESS = Path(__file__).with_name("harness.cpp")
FAST = ("--x-assign", "fast", "--x-initial", "fast", "-CFLAGS", "-I.")
BULK = verilator.Program("bulk", HARNESS, FAST)
WAVES = verilator.Program("waves", HARNESS, (*FAST, "--trace-vcd"))
# Frames one process gets, and frames of the part before that it runs first, so that its first
# interval is that of a full pipeline. Both are constants, so that no figure depends on the number
# of cores.
PART, WARM_UP = 256, 8
STALLS = ("pause", "i", "o")  # in the harness's order
BROKEN = 3  # the harness's exit code for a design that breaks its contract

Progress = Callable[[int, int], None]


def run(
    network: Network,
    inputs: np.ndarray,
    profile: str | Sequence[str | None] | None = None,
    *,
    lanes: Sequence[Lanes] | None = None,
    coding: Coding = "count",
    back_to_back: bool = True,
    spikes: bool = False,
    logits_t: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    i_stall: float = 0.0,
    o_stall: float = 0.0,
    seed: int = 0,
    waveform: Path | None = None,
) -> Trace:
    """Send every frame of `inputs` through the network's Verilog and return what came out of every
    layer.

    profile: a working point, whose circuit is made; or one for each frame, through the one circuit
    of all that the network has. The other options are those of `sim.job.Mode`; the trace has
    `interval` where frames go back to back, else `cycles`. `waveform`: a VCD file of the whole run
    (pass few frames). `progress(done, total)` is told of frames as they finish. Raises ToolMissing,
    BuildError, SimulationError.
    """
    mode = Mode(back_to_back, i_stall, o_stall, seed, spikes, logits_t)
    numbers = None
    if profile is None or isinstance(profile, str):
        design = designs.export(network.profile(profile), lanes, coding)
    else:
        design = designs.export(network, lanes, coding, (None, *network.profiles))
        numbers = numbered(design, profile)
    counts = frames(network, inputs)
    return simulate(
        design,
        counts,
        mode,
        numbers=numbers,
        jobs=jobs,
        progress=progress,
        waveform=waveform,
    ).trace


def numbered(design: Design, profiles: Sequence[str | None]) -> np.ndarray:
    """The number of each frame's profile. ValueError for one that the design does not have."""
    try:
        return np.array([design.profiles.index(name) for name in profiles], np.int64)
    except ValueError:
        strange = next(name for name in profiles if name not in design.profiles)
        raise ValueError(
            f"profile must be one of the circuit's, not {strange!r}; it has {design.profiles}"
        ) from None


def simulate(
    design: Design,
    counts: np.ndarray,
    mode: Mode,
    *,
    numbers: np.ndarray | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    waveform: Path | None = None,
    first: int = 0,
    part: int = PART,
) -> Outcome:
    """Run legal counts (B, T_in, *shape) through an exported design; see `run`.

    `numbers`: of each frame's profile, (B,), where the design has several.
    `first`: the number of the first frame, for messages. `part`: frames that a process gets; back
    to back, PART alone gives the intervals of a full pipeline.
    """
    if design.interface["schedule"] != "time_stepped":
        mode = replace(mode, spikes=False, logits_t=False)
    executable = compile(design, waves=waveform is not None)
    parts = 1 if waveform is not None else max(1, -(-len(counts) // part))
    edges = [len(counts) * i // parts for i in range(parts + 1)]
    outcomes = []
    with (
        tempfile.TemporaryDirectory(prefix="polyrhythm-") as scratch,
        ThreadPoolExecutor(jobs or verilator.cores()) as pool,
    ):
        work = [
            pool.submit(
                _part,
                design,
                executable,
                Path(scratch) / str(i),
                counts,
                edges[i],
                edges[i + 1],
                mode,
                waveform,
                first,
                numbers,
            )
            for i in range(parts)
        ]
        try:
            for i, future in enumerate(work):
                outcomes.append(future.result())
                if progress is not None:
                    progress(edges[i + 1], len(counts))
        finally:
            pool.shutdown(cancel_futures=True)
    stalls = {name: sum(outcome.stalls[name] for outcome in outcomes) for name in STALLS}
    return Outcome(merge([outcome.trace for outcome in outcomes]), stalls)


def compile(design: Design, *, waves: bool = False) -> Path:
    """The harness program of a design, built where it does not exist yet."""
    wanted = WAVES if waves else BULK
    return verilator.program(
        design.programs, wanted, design.source, design.top, {"ports.h": ports_header(design)}
    )


def ports_header(design: Design) -> str:
    """C++ that names the design's ports, for harness.cpp; ports that a design does not need are
    left out of it."""
    output, taps, readout = design.interface["output"], design.hidden, design.readout
    rows = "".join(f"    {{{_row(tap)}}},\n" for tap in [*taps, readout])
    drives = [
        f"d.{name} = w.{name[2:]}();"
        for name in ("i_address", "i_count", "i_tick", "i_end", "i_profile")
        if name in design.ports
    ]
    samples = "".join(
        f"    if (d.tap{k}_valid) bench.event({_event(k, tap)});\n" for k, tap in enumerate(taps)
    )
    ticks = "".join(f"    {{{', '.join(map(str, row))}}},\n" for row in design.ticks)
    answer = "d.o_class" if "o_class" in design.ports else "0"
    return f"""// Written from interface.json of {design.top}.
constexpr unsigned CLASSES = {output["classes"]}, LOGIT_BITS = {output["logit_bits"]};
constexpr unsigned HIDDEN = {len(taps)}, READOUT_TICKS = {readout.ticks};
constexpr Tap TAPS[] = {{
{rows}}};
constexpr unsigned TICKS[][HIDDEN + 1] = {{  // of each profile: of a frame at each tap
{ticks}}};
inline void drive(Vtop& d, Word w) {{ {" ".join(drives)} }}
template <class Bench>
inline void sample_taps(Vtop& d, Bench& bench) {{
{samples}}}
inline bool readout_valid(Vtop& d) {{ return d.tap{len(taps)}_valid; }}
inline const auto& readout_logits(Vtop& d) {{ return d.tap{len(taps)}_logits; }}
inline uint64_t result_class(Vtop& d) {{ return {answer}; }}
"""


def _row(tap: Tap) -> str:
    (_, rows, columns), source = tap.source.shape, tap.source
    repeats = "true" if tap.repeats else "false"
    numbers = (
        tap.size,
        tap.ticks,
        tap.max_count,
        rows,
        columns,
        source.row_bits,
        source.column_bits,
    )
    return f'"{_escaped(tap.layer)}", {repeats}, {", ".join(map(str, numbers))}'


def _escaped(name: str) -> str:
    """A layer's name, which may hold anything printable, within the quotes of a C++ string."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03o}"
        for byte in name.encode()
    )


def _event(k: int, tap: Tap) -> str:
    address = f"d.tap{k}_address" if tap.address else "0"
    count = f"d.tap{k}_count" if tap.count else "1"
    negative = f"d.tap{k}_negative" if tap.negative else "0"
    return f"{k}, {address}, {count}, {negative}, d.tap{k}_tick, d.tap{k}_end"


def _part(
    design: Design,
    executable: Path,
    files: Path,
    counts: np.ndarray,
    low: int,
    high: int,
    mode: Mode,
    waveform: Path | None,
    number: int = 0,
    profiles: np.ndarray | None = None,
) -> Outcome:
    """Run the frames low..high-1 in a process of their own; `number` is what the first of `counts`
    is called."""
    warm = min(low, WARM_UP) if mode.back_to_back else 0
    first = low - warm
    chosen = None if profiles is None else profiles[first:high]
    stream, offsets = designs.words(counts[first:high], design.wire, chosen)
    given, got = files.with_suffix(".in"), files.with_suffix(".out")
    with open(given, "wb") as file:
        np.array([len(offsets) - 1, len(stream)], np.uint64).tofile(file)
        stream.tofile(file)
    options: dict[str, object] = {
        "in": given,
        "out": got,
        "first": number + first,
        "alone": int(not mode.back_to_back),
    }
    options |= {"spikes": int(mode.spikes), "sums": int(mode.logits_t), "seed": mode.seed + low}
    options |= {name: int(getattr(mode, name) * 65536) for name in ("i_stall", "o_stall")}
    options |= {"quiet": mode.quiet_cycles(design), "settle": design.settle_cycles}
    if waveform is not None:
        options["wave"] = waveform.absolute()
    command = [str(executable), *(f"{key}={value}" for key, value in options.items())]
    done = subprocess.run(command, cwd=design.folder, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise SimulationError(
            said
            if done.returncode == BROKEN
            else f"{executable} ended with code {done.returncode}: {said}"
        )
    given.unlink()
    outcome = _read(got, design, high - first, warm, mode, chosen)
    got.unlink()
    return outcome


def _read(
    path: Path, design: Design, B: int, skip: int, mode: Mode, profiles: np.ndarray | None
) -> Outcome:
    """The harness's results (see harness.cpp for their layout) as a trace, without the first `skip`
    frames."""
    data = memoryview(path.read_bytes())

    def take(dtype: str, *shape: int) -> np.ndarray:
        nonlocal data
        array: np.ndarray = np.ndarray(shape, np.dtype(dtype), data).copy()
        data = data[array.nbytes :]
        return array

    def rows(dtype: str, *shape: int) -> np.ndarray:
        return take(dtype, B, *shape)[skip:]

    hidden, readout = design.hidden, design.readout
    answer, logits, cycles = rows("<i4"), rows("<i8", readout.size), rows("<i8")
    stalls = dict(zip(STALLS, take("<i8", len(STALLS)).tolist(), strict=True))
    trace = Trace(
        answer,
        logits,
        {tap.layer: rows("<i4", tap.size) for tap in hidden},
        rows("<i4", len(hidden)),
    )
    if mode.spikes:
        bits = {tap.layer: rows("u1", tap.ticks, (tap.size + 7) // 8) for tap in hidden}
        trace.spikes = {
            tap.layer: np.unpackbits(bits[tap.layer], axis=2, count=tap.size, bitorder="little")
            for tap in hidden
        }
    if mode.logits_t:
        trace.logits_t = rows("<i8", readout.ticks, readout.size)
    if design.interface["schedule"] == "time_stepped":
        ticks = np.array([row[-1] for row in design.ticks], np.int32)
        trace.ticks = ticks[np.zeros(B, int) if profiles is None else profiles][skip:]
    if mode.back_to_back:
        trace.interval = cycles
    else:
        trace.cycles = cycles
    if data.nbytes:
        raise SimulationError(
            f"{path} must end after the last array, but {data.nbytes} bytes follow"
        )
    return Outcome(trace, stalls)
