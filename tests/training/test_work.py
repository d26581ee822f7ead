"""The cycle model that training uses is the cycle model: on finished networks both say the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles
from polyrhythm.sw.trace import Trace
from polyrhythm.sw.training.cost.work import Work

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.mark.parametrize("coding", ["count", "unary"])
@pytest.mark.parametrize("name", ["digits", "digits-lif", "mnist-conv", "mnist-conv-lif"])
def test_mean_work_is_that_of_the_law(name: str, coding: str, data_root: Path) -> None:
    network = Network.load(MODELS / f"{name}.safetensors")
    row = data.find(name.split("-")[0])
    images, _ = data.load(row.name, "test", data_root)
    counts = data.encode(images[:40], network.provenance["preprocess"], row.peak, row.shape)
    if network.schedule == "two_phase":
        counts = counts.reshape(len(counts), *network.input.shape)
    trace = golden.run(network, counts, spikes=True)
    expected = cycles.work(plan(network, None, coding), trace, counts).mean(axis=0)
    work, received = Work(network, coding=coding), as_trained(network, trace, counts)  # type: ignore[arg-type]
    found = [float(work.busy(i, work.words(i, n))) for i, n in enumerate(received)]
    assert found == pytest.approx(expected.tolist(), rel=1e-6)


def as_trained(network: Network, trace: Trace, counts: np.ndarray) -> list[torch.Tensor]:
    """What each layer receives, with the axes that training uses."""
    if network.schedule == "two_phase":
        return [
            torch.from_numpy(n).float()
            for n in (counts, *(trace.counts[layer.name] for layer in network.hidden))
        ]
    steps = counts.reshape(len(counts), network.input.T, -1)
    ticks = [steps, *(trace.spikes[layer.name] for layer in network.hidden)]  # type: ignore[index]
    return [torch.from_numpy(np.swapaxes(n, 0, 1).astype(np.float32)) for n in ticks]


def test_the_gradient_of_work_is_the_price_of_a_word() -> None:
    network = Network.load(MODELS / "digits.safetensors")
    work = Work(network)
    words = torch.zeros(4, network.n_in(1), requires_grad=True)
    work.busy(1, words).backward()
    assert words.grad is not None and torch.equal(words.grad * 4, work.each[1].expand(4, -1))
