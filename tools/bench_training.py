"""Time per training batch against snnTorch and SpikingJelly, on the same network, the same batches,
the same optimizer.

    pip install snntorch spikingjelly
    python tools/bench_training.py

Both rivals are used as their own tutorials use them. All three are timed in turns within one run,
so a machine that slows down slows all of them down; what is told is the median of the rounds. A
fifth of the inputs are 1 (`--density`): more than the 13 % of MNIST's pixels as rates, so that the
rows do not live on empty ticks. Ours takes its kernels from g++ and is slower without.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.recipe import LayerSpec

DECAY = 3  # v loses v / 2^3 in each tick
BATCHES = 10  # a round
DENSITY = 0.2  # share of inputs that are 1


@dataclass(frozen=True)
class Case:
    """A network of LIF layers with a readout that adds up, and what it is fed with."""

    name: str
    sizes: tuple[int, ...]
    T: int
    held: bool  # one image for all ticks (direct coding), or spikes that differ from tick to tick
    batch: int = 128


CASES = (
    Case("64-20-10, spikes", (64, 20, 10), 10, False, 32),
    Case("784-128-64-10, held image", (784, 128, 64, 10), 8, True),
    Case("784-128-64-10, spikes", (784, 128, 64, 10), 8, False),
)


def ours(case: Case) -> nn.Module:
    hidden = [
        LayerSpec(f"fc{i}", size, T=case.T, leak_shift=DECAY, v_init="zero")
        for i, size in enumerate(case.sizes[1:-1])
    ]
    specs = (*hidden, LayerSpec("out", case.sizes[-1], "readout", T=case.T))
    source = Input((case.sizes[0],), 1 if case.held else case.T, 1)
    return TrainableNetwork(specs, "time_stepped", source, torch.Generator().manual_seed(0))


class SnnTorch(nn.Module):
    """Layer by layer within a loop over the ticks."""

    def __init__(self, case: Case) -> None:
        import snntorch
        from snntorch import surrogate

        super().__init__()
        self.T = case.T
        self.linear = nn.ModuleList(
            nn.Linear(a, b) for a, b in zip(case.sizes, case.sizes[1:], strict=False)
        )
        beta, grad = 1 - 2.0**-DECAY, surrogate.triangular()
        self.lif = nn.ModuleList(
            snntorch.Leaky(beta=beta, spike_grad=grad) for _ in case.sizes[1:-1]
        )

    def forward(self, n: Tensor) -> Tensor:
        states = [lif.init_leaky() for lif in self.lif]  # type: ignore[operator]
        total = torch.zeros(())
        for t in range(self.T):
            x = n[t if len(n) > 1 else 0]
            for i, lif in enumerate(self.lif):
                x, states[i] = lif(self.linear[i](x), states[i])
            total = total + self.linear[-1](x)
        return total / self.T


class SpikingJelly(nn.Module):
    """Its multi-step mode: all ticks of a layer, then the next layer."""

    def __init__(self, case: Case) -> None:
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        super().__init__()
        self.T, self.reset = case.T, functional.reset_net
        parts: list[nn.Module] = []
        for a, b in zip(case.sizes, case.sizes[1:-1], strict=False):
            chosen = {"decay_input": False, "v_reset": None, "detach_reset": True, "step_mode": "m"}
            lif = neuron.LIFNode(tau=2.0**DECAY, surrogate_function=surrogate.Sigmoid(), **chosen)
            parts += [layer.Linear(a, b, step_mode="m"), lif]
        self.net = nn.Sequential(*parts, layer.Linear(*case.sizes[-2:], step_mode="m"))

    def forward(self, n: Tensor) -> Tensor:
        self.reset(self.net)
        return self.net(n if len(n) > 1 else n.expand(self.T, *n.shape[1:])).mean(0)


KINDS: dict[str, Callable[[Case], nn.Module]] = {
    "polyrhythm": ours,
    "snntorch": SnnTorch,
    "spikingjelly": SpikingJelly,
}


class Run:
    """A network with its optimizer, that learns the same batch again and again."""

    def __init__(self, net: nn.Module, case: Case, density: float = DENSITY) -> None:
        generator = torch.Generator().manual_seed(1)
        self.net = net
        self.optimizer = torch.optim.AdamW(net.parameters(), 1e-3, fused=True)
        self.n = (
            torch.rand(1 if case.held else case.T, case.batch, case.sizes[0], generator=generator)
            < density
        ).float()
        self.labels = torch.randint(0, case.sizes[-1], (case.batch,), generator=generator)

    def round(self) -> float:
        """Seconds per batch."""
        start = time.perf_counter()
        for _ in range(BATCHES):
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(self.n), self.labels).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return (time.perf_counter() - start) / BATCHES


def measure(case: Case, rounds: int, density: float = DENSITY) -> dict[str, float]:
    """Median milliseconds per batch of each, timed in turns."""
    runs = {name: Run(make(case), case, density) for name, make in KINDS.items()}
    for run in runs.values():
        run.round()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run.round())
    return {name: 1e3 * statistics.median(times) for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="time per training batch against snnTorch and SpikingJelly"
    )
    parser.add_argument("--rounds", type=int, default=15, help="rounds of 10 batches (15)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (1)")
    parser.add_argument(
        "--density", type=float, default=DENSITY, help="share of inputs that are 1 (0.2)"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for case in CASES:
        times = measure(case, args.rounds, args.density)
        faster = min(times["snntorch"], times["spikingjelly"])
        ratio = times["polyrhythm"] / faster
        rows.append(
            {"network": case.name, "T": case.T, "batch": case.batch, **times, "ratio": ratio}
        )
        if not args.json:
            told = ", ".join(f"{name} {ms:.2f} ms" for name, ms in times.items())
            print(
                f"{case.name}, T {case.T}, batch {case.batch}: {told}; ours takes "
                f"{100 * ratio:.0f} % of the faster one"
            )
    if args.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
