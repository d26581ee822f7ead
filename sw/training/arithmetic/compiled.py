"""The operations of kernels.cpp for torch's tensors.

g++ builds them when they are first wanted, and the user's cache keeps them.

They compute float32 on a CPU in one thread of their own. Where there is no g++, on a GPU, in other
precisions and with more torch threads than were measured, `usable` says no and the callers compute
the same with torch's operations: slower, and equal within the rounding of float32, since sums are
added in another order.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from ctypes import c_float, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyrhythm.sw.data import cache_root

SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = (
    "-O3",
    "-std=c++17",
    "-shared",
    "-fPIC",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
)
THREADS = 2  # of torch: up to here one thread of ours was measured to be quicker than torch's
TILE = 64  # inputs whose marks share a word
SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "sampled": (c_int64, [c_void_p, *[c_int64] * 3]),
    "mark": (c_int64, [c_void_p, c_void_p, c_int64, c_int64]),
    "pick": (None, [c_void_p, c_void_p, c_void_p, c_int64, c_int64]),
    "project": (None, [*[c_void_p] * 4, *[c_int64] * 3]),
    "project_back": (None, [*[c_void_p] * 4, *[c_int64] * 3]),
    "lif": (None, [*[c_void_p] * 5, *[c_int64] * 4, *[c_int] * 3]),
    "lif_back": (None, [*[c_void_p] * 6, *[c_int64] * 3, c_int, c_int, c_float]),
}


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels can take these, and are there."""
    plain = all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
    return plain and torch.get_num_threads() <= THREADS and library() is not None


@cache
def library() -> ctypes.CDLL | None:
    """The kernels; None without g++. A g++ that refuses them gives a warning, once."""
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    wide = ("-mavx2",) if torch.backends.cpu.get_cpu_capability().startswith("AVX") else ()
    try:
        loaded = _loaded(compiler, (*FLAGS, *wide))
    except (OSError, subprocess.CalledProcessError) as error:
        output = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        text = (
            f"training is slower: {compiler} must build {SOURCE.name}, but says: "
            f"{output[0] if output else error}"
        )
        warnings.warn(text, stacklevel=2)
        return None
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _loaded(compiler: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    """The library of this source, these flags and this compiler, from the cache or built anew."""
    version = subprocess.run(
        [compiler, "-dumpfullversion", "-dumpmachine"], capture_output=True, text=True, check=True
    ).stdout
    built_from = "\n".join((SOURCE.read_text(), *flags, version))
    key = hashlib.sha256(built_from.encode()).hexdigest()[:16]
    kernels = cache_root() / "kernels"
    built = kernels / f"{key}.so"
    if built.exists():
        return ctypes.CDLL(str(built))
    try:
        kernels.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=kernels)
    except OSError:  # a cache that cannot be written: for this process alone
        folder = tempfile.TemporaryDirectory()
    with folder as made:
        new = Path(made) / "kernels.so"
        subprocess.run(
            [compiler, *flags, "-o", new, SOURCE], capture_output=True, text=True, check=True
        )
        loaded = ctypes.CDLL(str(new))
        with suppress(OSError):
            os.replace(new, built)  # it takes its name when it is whole
    return loaded


def _call(name: str, *arguments: Any) -> Any:
    """A kernel with addresses for tensors and null for None."""
    return getattr(library(), name)(
        *(x.data_ptr() if isinstance(x, Tensor) else x for x in arguments)
    )


def density(counts: Tensor, rows: int = 32) -> float:
    """The share of counts (R, I) that are not 0, of about so many rows all over them."""
    step = max(1, len(counts) // rows)
    looked_at = -(-len(counts) // step) * counts.shape[1]
    return _call("sampled", counts, *counts.shape, step) / max(1, looked_at)


def mark(counts: Tensor) -> tuple[Tensor, Tensor | None]:
    """Where counts (R, I) are not 0, a bit each, and their values there.

    The values are None where all of them are 1.
    """
    marks = torch.empty(-(-counts.shape[1] // TILE), len(counts), dtype=torch.int64)
    found = _call("mark", counts, marks, *counts.shape)
    if found < 0:
        return marks, None
    values = counts.new_empty(found)
    _call("pick", counts, marks, values, *counts.shape)
    return marks, values


def project(marks: Tensor, values: Tensor | None, weight: Tensor) -> Tensor:
    """Marked counts (R, I) @ weight.T (I, O)."""
    rows, (outputs, inputs) = marks.shape[1], weight.shape
    out = weight.new_empty(rows, outputs)
    _call("project", values, marks, weight, out, rows, inputs, outputs)
    return out


def project_back(marks: Tensor, values: Tensor | None, grad: Tensor, inputs: int) -> Tensor:
    """grad.T (O, R) @ marked counts (R, I), the gradient of the weights."""
    rows, outputs = grad.shape
    of_weight = grad.new_empty(outputs, inputs)
    _call("project_back", values, marks, grad, of_weight, rows, inputs, outputs)
    return of_weight


def lif(
    drive: Tensor, start: Tensor, threshold: Tensor, leak: int | None, subtract: bool, whole: bool
) -> tuple[Tensor, Tensor]:
    """Spikes and potentials (T, ..) of drive (T, ..).

    Start and threshold repeat themselves over the neurons. All contiguous.
    """
    spikes, potential = torch.empty_like(drive), torch.empty_like(drive)
    sizes = len(drive), drive.numel() // len(drive), start.numel(), threshold.numel()
    _call(
        "lif",
        drive,
        start,
        threshold,
        spikes,
        potential,
        *sizes,
        -1 if leak is None else leak,
        subtract,
        whole,
    )
    return spikes, potential


def lif_back(
    of_spikes: Tensor | None,
    of_potential: Tensor | None,
    potential: Tensor,
    threshold: Tensor,
    leak: int | None,
    subtract: bool,
    width: float,
    learned: bool,
) -> tuple[Tensor, Tensor | None]:
    """Gradients of the drive (T, ..) and, if learned, of the thresholds (..), all contiguous."""
    of_drive, of_threshold = (
        torch.empty_like(potential),
        torch.empty_like(potential[0]) if learned else None,
    )
    chosen = -1 if leak is None else leak, subtract, width
    sizes = len(potential), potential.numel() // len(potential), threshold.numel()
    _call(
        "lif_back",
        of_spikes,
        of_potential,
        potential,
        threshold,
        of_drive,
        of_threshold,
        *sizes,
        *chosen,
    )
    return of_drive, of_threshold
