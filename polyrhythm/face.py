"""The Python face: from a network file to a trace, to Verilog, to a part's figures; from a recipe
or a model to a network.

`import polyrhythm` has all of it. Axes: B frames, T time steps of a layer, N neurons (maps
flattened as C, H, W), C classes. Inputs are integer counts, `(B, *shape)` or, where the input has
several time steps, `(B, T_in, *shape)`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from polyrhythm import face_check as check
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace

if TYPE_CHECKING:
    from torch import nn

    from polyrhythm.sw.plan.lanes import Lanes
    from polyrhythm.sw.plan.parameters import Coding
    from polyrhythm.sw.training.cost.measure import Epoch
    from polyrhythm.sw.training.recipe import Recipe

Ints = npt.NDArray[np.integer]
Executor = Literal["golden", "rtl", "cocotb"]
File = str | os.PathLike[str]


def load(path: File, profile: str | None = None) -> Network:
    """The network in a `.safetensors` file, at one of its working points.

    Raises OSError where it cannot be read, and NetworkError, which names file, place, value and
    bound of what is not legal in it.
    """
    check.path_of("path", path)
    return Network.load(path).profile(profile)


def run(
    network: Network,
    inputs: Ints,
    executor: Executor = "golden",
    *,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    spikes: bool = False,
) -> Trace:
    """Send counts through an executor: answers (B,), logits (B, C), counts (B, N) of each layer.

    executor: "golden" (the integer model), "rtl" (the Verilog, compiled by Verilator), or "cocotb"
    (the Verilog under random stalls, every port checked against the golden model). Frames follow
    each other back to back, so a trace of the last two has `interval`, the cycles from one answer
    to the next, and no `cycles` of a frame alone: see `compare`. What they build is kept in
    $POLYRHYTHM_BUILD, else in `build` in the current folder. lanes: neurons served per cycle in
    each layer (default: chosen); coding: "count" or "unary" events. Neither matters to golden.
    spikes: of time_stepped networks, also (B, T, N) of each layer.

    Raises TypeError or ValueError for inputs that are no legal counts; of the hardware ToolMissing
    where a tool is not installed (with the command that installs it), BuildError, and
    SimulationError where the circuit breaks its contract.
    """
    check.network_of(network)
    check.lanes_of(lanes, len(network.layers))
    if executor == "golden":
        from polyrhythm.sw import golden

        return golden.run(network, inputs, spikes=spikes)
    if executor == "rtl":
        from polyrhythm.sim import bulk

        return bulk.run(network, inputs, lanes=lanes, coding=coding, spikes=spikes)
    if executor == "cocotb":
        from polyrhythm.sim import bench

        return bench.run(network, inputs, lanes=lanes, coding=coding, spikes=spikes)
    raise ValueError(f"executor must be golden, rtl or cocotb, not {executor!r}")


@dataclass(frozen=True)
class Compared:
    """Golden model, Verilog and (where torch is installed) torch over the same frames. Prints as
    the table of `compare`.

    differences        predictions, logits and counts that are not golden's; not 0: a defect
    first_difference   executor, frame, layer, tick, neuron, both values; None where all is equal
    accuracy           by executor, of 1; empty without labels
    latency, interval  cycles of a frame alone, and from answer to answer: mean, p95, max
    report             all of it, as the command line's --json
    """

    differences: int
    first_difference: str | None
    accuracy: dict[str, float]
    latency: dict[str, float]
    interval: dict[str, float]
    report: dict[str, Any]
    text: str

    def __str__(self) -> str:
        return self.text


def compare(
    network: Network,
    inputs: Ints,
    labels: Ints | None = None,
    *,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    alone: int | None = None,
) -> Compared:
    """Send counts through golden model, torch and Verilog, and look for every place where they
    differ.

    labels: (B,) the right classes. alone: frames that also go through one at a time, for their
    latency (default: all). What is built is kept where `run` keeps it. Raises what `run` raises,
    TypeError or ValueError for labels that are no classes.
    """
    check.lanes_of(lanes, len(check.network_of(network).layers))
    counts = check.counts_of(network, inputs)
    truth = check.labels_of(labels, len(counts))
    if alone is not None:
        check.whole("alone", alone, 1)
    from polyrhythm.cli import compare as verb
    from polyrhythm.cli.comparison import Comparison, silent

    task = Comparison(
        network, counts, truth, False, {"lanes": lanes, "coding": coding}, alone, told=silent()
    )
    answer = verb.answer(task, "own frames")
    report = answer.data
    return Compared(
        differences=sum(
            number for found in report["differences"].values() for number in found.values()
        ),
        first_difference=report["first_difference"],
        accuracy={name: share for name, share in report["accuracy"].items() if share is not None},
        latency=report["cycles"],
        interval=report["interval"],
        report=report,
        text=answer.text,
    )


def write_verilog(
    network: Network,
    folder: File,
    *,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    name: str | None = None,
    testbench: int = 0,
    bus: Literal["none", "axi"] = "none",
) -> Path:
    """Write the accelerator: NAME.v, the hex files that it reads, interface.json, manifest.json.
    Returns the folder.

    name: of the top module, an identifier with which every module and file begins (default: made of
    the network's name). testbench: frames that a self-checking testbench beside it sends (0: there
    is none); `make` in the folder runs it. bus: "axi" puts AXI4-Stream and AXI4-Lite in front.
    Raises ValueError for what the gateware cannot build, for a name that cannot be, or a folder
    with anything but an export in it.
    """
    from polyrhythm.hw.export import export

    check.lanes_of(lanes, len(check.network_of(network).layers))
    check.path_of("folder", folder)
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a text, not {name!r}")
    check.whole("testbench", testbench, 0)
    beside = None
    if testbench:
        from polyrhythm.sim import testbench as benches

        beside = benches.beside(benches.vectors(network, testbench))
    return export(network, Path(folder), lanes, coding, name, beside, bus)


def synthesize(
    network: Network,
    part: str,
    *,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    seeds: Sequence[int] = (1,),
    progress: Callable[[object], None] | None = None,
) -> dict[str, Any]:
    """Synthesize, place and route for a part: "ecp5-25k", "ecp5-85k" or "up5k". Minutes.

    The figures of the placement with the median of `fmax_mhz`: `lut4`, `ff`, block RAMs, with what
    the part has under `available`. Raises ValueError for another part, ToolMissing, and ToolFailed
    where the design does not fit.
    """
    from polyrhythm.boards.bare.synth import synth

    check.lanes_of(lanes, len(check.network_of(network).layers))
    if isinstance(seeds, str) or not isinstance(seeds, Sequence):
        raise TypeError(f"seeds must be a list of numbers, one for each placement, not {seeds!r}")
    for seed in seeds:
        check.whole("seeds", seed, 0)
    return synth(network, part, lanes, seeds, coding=coding, progress=progress)


def build(
    network: Network,
    board: str,
    *,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    freq: float | None = None,
    baud: int | None = None,
    seeds: Sequence[int] = (1,),
    swappable: bool = False,
    out: File | None = None,
    progress: Callable[[object], None] | None = None,
) -> dict[str, Any]:
    """Build the bitstream for a board that the open tools build for (`polyrhythm boards` lists
    them). Minutes.

    The answer is build.json with the `folder` that it lies in. freq: the clock [MHz] (default:
    searched for); baud: of the link; seeds: one for each placement, the best is kept; swappable:
    for all networks of this one's shape, see `swap`; out: by default build/NETWORK-BOARD. Raises
    ValueError for what cannot be or does not fit, ClockMissed, ToolMissing, ToolFailed.
    """
    from polyrhythm.boards.bitstream.build import build as build_bitstream
    from polyrhythm.boards.catalog.rows import board_named
    from polyrhythm.sw.plan.shape import Shape

    check.lanes_of(lanes, len(check.network_of(network).layers))
    if out is not None:
        check.path_of("out", out)
    if board_named(board).part.family.flow is None:
        raise ValueError(
            f"board must be one that the open tools build for, not {board}; its project is written "
            f"by: polyrhythm build NETWORK --board {board}"
        )
    shape = Shape.of(network) if swappable else None
    folder = None if out is None else Path(out)
    return build_bitstream(
        network, board, lanes, coding, freq, baud, seeds, None, folder, progress, shape
    )


def swap(
    build: File, network: Network, out: File, *, progress: Callable[[object], None] | None = None
) -> dict[str, Any]:
    """Put a network into the finished design in the folder of a swappable build; `out` becomes a
    folder like it. Seconds.

    The answer is the new build.json. Raises ValueError for a folder that is no swappable build, or
    a network of another shape, with every reason; SwapFailed where a memory does not hold what it
    must.
    """
    from polyrhythm.boards.swap.design import swap as swap_contents

    check.network_of(network)
    check.path_of("build", build)
    check.path_of("out", out)
    return swap_contents(Path(build), network, Path(out), progress)


def train(
    recipe: "str | Recipe",
    data: Any = None,
    *,
    peak: float | None = None,
    out: File | None = None,
    run: File | None = None,
    device: str = "auto",
    progress: "Callable[[Epoch], None] | None" = None,
) -> Network:
    """Train a recipe, quantize it, and return the integer network; its `provenance` has the
    accuracies.

    recipe: a name of sw/training/recipes.py, or a `polyrhythm.sw.training.recipe.Recipe`. data:
    {"train": (x, y), "test": (x, y)} in place of the recipe's data set: arrays of images, vectors
    or counts, or lists of recordings. peak: the value of a white pixel (255 or 1 if none is given;
    a warning says where that looks wrong). out: network file to write. run: folder for a
    checkpoint, log and curves; a run that lies there goes on. Raises DataError for data that cannot
    be used, ValueError with everything that is wrong with the recipe, DivergedError.
    """
    from polyrhythm.sw.training.recipe import Recipe
    from polyrhythm.sw.training.recipes import RECIPES
    from polyrhythm.sw.training.train import train as train_recipe

    if not isinstance(recipe, Recipe) and not (isinstance(recipe, str) and recipe in RECIPES):
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, or a Recipe, not {recipe!r}")
    chosen = recipe if isinstance(recipe, Recipe) else RECIPES[recipe]
    dataset = None if data is None else check.data_of(data, chosen.preprocess, peak)
    return train_recipe(chosen, **_options(dataset, out, run, device, progress))[0]


def convert(
    model: "nn.Module",
    data: Any,
    *,
    preprocess: str,
    peak: float | None = None,
    name: str = "converted",
    T: int = 4,
    max_T: int = 15,
    weight_bits: int = 4,
    target: tuple[Literal["cycles", "mean_T", "events"], float] | None = None,
    epochs: tuple[int, int] = (8, 4),
    lr: float = 1e-3,
    seed: int = 0,
    out: File | None = None,
    run: File | None = None,
    device: str = "auto",
    progress: "Callable[[Epoch], None] | None" = None,
) -> Network:
    """Turn a trained torch model into a spiking network whose time steps are learned; its
    `provenance` has the accuracies.

    data: the name of a data set of ours, or {"train": (x, y), "test": (x, y)}; preprocess: how
    samples become counts, such as "levels:15" for images whose pixels the model takes as 0..1. T:
    time steps of each layer at the start; max_T: the most that a layer may learn; target: busy
    cycles, mean T or events of a frame to come down to. epochs: quantized and snapped. peak: see
    `train`. Raises UnsupportedError with every place of the model that cannot spike, and what
    `train` raises.
    """
    from torch import nn

    from polyrhythm.sw.training.recipe import converting, steered
    from polyrhythm.sw.training.train import convert as convert_model

    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {model!r}")
    check.whole("T", T, 1)
    check.whole("seed", seed, 0)
    stages = check.pair_of_epochs(epochs)
    cost, aim = check.target_of(target)
    dataset = check.data_of(data, preprocess, peak)
    recipe = converting(
        name, dataset.name, preprocess, steered(cost, aim, 0.0, max_T), stages, lr, seed, threads=1
    )
    return convert_model(
        model, recipe, T=T, weight_bits=weight_bits, **_options(dataset, out, run, device, progress)
    )[0]


def _options(dataset: Any, out: Any, run: Any, device: str, progress: Any) -> Any:
    """Of a training run: only what was given, checked before anything is trained; epochs are told
    to nobody who did not ask."""
    for name, value in (("out", out), ("run", run)):
        if value is not None:
            check.path_of(name, value)
    if not isinstance(device, str):
        raise TypeError(f"device must be auto, cpu, cuda or cuda:N, not {device!r}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function of an epoch, not {progress!r}")
    found = {
        "out": out,
        "folder": run,
        "device": device,
        "progress": progress or (lambda epoch: None),
    }
    return found | ({} if dataset is None else {"dataset": dataset})
