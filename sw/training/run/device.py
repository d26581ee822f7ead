"""The devices of a training run: a CPU or a GPU, alone or among torchrun's processes.

Quantized networks are trained in float32, and TF32 is allowed: counts and integer weights have at
most 11 significant bits, so their products are exact in TF32 and are summed in float32. The float
stage is computed in mixed precision (bfloat16) on a GPU. Where a recipe says `mixed`, so it is on a
CPU that has instructions for it (another takes many times as long as in float32), and so is the
quantized stage, whose counts and weights then carry a relative 2^-9 of noise. Behind the snap, and
wherever a network is scored, nothing is computed in bfloat16.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Process:
    """One process of a run, and its device."""

    device: torch.device
    rank: int = 0  # 0 writes and reports
    world: int = 1  # processes; each takes its share of every batch

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch."""
        return rows[self.rank :: self.world]

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Add up tensors over all processes, in place."""
        if self.world > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)

    def mixed(self, stage: str, wanted: bool | None) -> AbstractContextManager[object]:
        """Mixed precision as the recipe wants it, never behind the snap.

        None: where it is quicker and changes no integer.
        """
        if not self._mixes(stage, wanted):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _mixes(self, stage: str, wanted: bool | None) -> bool:
        gpu = self.device.type == "cuda"
        if wanted is None:
            return gpu and stage == "float"
        return wanted and stage != "snapped" and (gpu or has_bfloat16())


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for products in bfloat16."""
    return any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))


def find_process(device: str = "auto") -> Process:
    """The process that torchrun's environment names, which joins its group, on a device.

    device: auto (a GPU if there is one), cpu, cuda or cuda:N. ValueError for another word and for a
    GPU that is not there.
    """
    rank, local = (int(os.environ.get(name, 0)) for name in ("RANK", "LOCAL_RANK"))
    world = int(os.environ.get("WORLD_SIZE", 1))
    chosen = _find_device(device, local)
    if world > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Process(chosen, rank, world)


def _find_device(device: str, local: int) -> torch.device:
    """The named device, and TF32 on a GPU; `local`: the GPU of a process that names none."""
    gpus = torch.cuda.device_count()
    kind, _, number = device.partition(":")
    numbered = kind == "cuda" and number.isdigit()
    if kind not in ("auto", "cpu", "cuda") or (number and not numbered):
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, not {device!r}")
    if kind == "cpu" or (kind == "auto" and not gpus):
        return torch.device("cpu")
    index = int(number) if number else local
    if index >= gpus:
        raise ValueError(
            f"device {device} needs GPU {index}, but torch sees {gpus} of them; "
            "fix it with: --device cpu"
        )
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return torch.device("cuda", index)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute with so many threads for a while.

    Their number decides in which order floats are added.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
