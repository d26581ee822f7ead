"""Models of torch as networks that learn to spike: the same numbers, and refusals that name the part."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sw.network import Input
from sw.training.ann import UnsupportedError, import_ann
from sw.training.recipe import Conversion

SOURCE = Input((2, 9, 8), 1, 15)


def settle(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """A model whose normalizations have seen something, in evaluation."""
    torch.manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    for _ in range(3):
        model(torch.rand(20, *shape))
    return model.eval()


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Dropout(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6, affine=False), nn.ReLU(),
        nn.Flatten(), nn.Linear(24, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3),
    )  # fmt: skip


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Conv2d(2, 4, 5), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.flatten(F.avg_pool2d(torch.relu(self.first(x)), 2), 1))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """A block that adds its input as it is, and one that adds it through a 1 x 1 convolution at stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.one = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.two = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.way = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6))
        self.out = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(self.one(x) + x)
        y = self.two(x)
        y += self.way(x)
        return self.out(torch.flatten(F.avg_pool2d(torch.relu(y), 2), 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", [conv, Functions, Residual], ids=["modules", "functions", "residual"])
def test_the_float_stage_computes_what_the_model_does(make: Callable[[], nn.Module]) -> None:
    model = settle(make(), SOURCE.shape)
    net = import_ann(model, SOURCE).eval()
    counts = torch.randint(0, 16, (10, *SOURCE.shape)).float()
    with torch.no_grad():
        assert torch.allclose(net(counts), model(counts / 15), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [conv, Functions, Residual], ids=["modules", "functions", "residual"])
def test_normalization_begins_anew_without_changing_anything(make: Callable[[], nn.Module]) -> None:
    model = settle(make(), SOURCE.shape).double()
    counts = torch.randint(0, 16, (200, *SOURCE.shape), generator=torch.Generator().manual_seed(2)).double()
    net = import_ann(model, SOURCE, conversion=Conversion(channels=True, live_norm=True)).double().eval()
    net.begin_norms(counts)
    norms = [layer.norm for layer in net.stack()[:-1] if layer.norm is not None]
    assert len(norms) == len(net.stack()) - 1 and all(norm.weight.std() > 0 for norm in norms)
    with torch.no_grad():
        assert torch.allclose(net(counts), model(counts / 15), rtol=1e-5, atol=1e-6)  # folded weights are float32
    before = [norm.weight.clone() for norm in norms]
    net.train()(counts)
    net.eval().begin_norms(counts[:50])  # they have seen something by now, and stay
    assert all(torch.equal(norm.weight, was) for norm, was in zip(norms, before, strict=True))


def test_the_layers_are_named_by_their_path() -> None:
    net = import_ann(settle(conv(), SOURCE.shape), SOURCE, T=5, weight_bits=6)
    found = [(layer.spec.name, layer.spec.kind, layer.spec.T, layer.spec.pool, layer.spec.stride) for layer in net.stack()]
    assert found == [("0", "conv2d", 5, 1, 1), ("5", "conv2d", 5, 2, 2), ("9", "dense", 5, 1, 1), ("12", "readout", 1, 1, 1)]
    assert {layer.spec.weight_bits for layer in net.stack()} == {6}


class Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(144, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out((self.inner(x) + x).flatten(1))  # type: ignore[no-any-return]


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(144, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.flatten(torch.exp(x), 1))  # type: ignore[no-any-return]


class Fork(nn.Module):
    """Two layers read the first one, and nothing is added."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other, self.second = nn.Linear(144, 9), nn.Linear(9, 9), nn.Linear(9, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = torch.relu(self.first(torch.flatten(x, 1)))
        torch.relu(self.other(n))
        return self.second(n)  # type: ignore[no-any-return]


class Wide(Residual):
    def __init__(self) -> None:
        super().__init__()
        self.way = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6))


BAD = {
    "1: MaxPool2d has no spiking counterpart; use AvgPool2d: a maximum of spike counts is no sum":
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)),
    "1: GELU has no spiking counterpart; use ReLU": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(168, 3)),
    "2: two layers of weights follow each other; put a ReLU behind 1": lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 9), nn.Linear(9, 3)),
    "add: what is added must be the map of an earlier layer, without pooling": Branch,
    "second: takes first, and not the layer before it; the model must be one chain but for residual additions": Fork,
    "way.0: what is added may pass one 1 x 1 Conv2d without padding, and nothing else": Wide,
    "Sequential: must end in a Linear layer without ReLU, the readout of the classes": lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 9), nn.ReLU()),
    "0: kernel_size must be 1, 3 or 5, not 7": lambda: nn.Sequential(nn.Conv2d(2, 4, 7), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)),
    "0: groups and dilation must be 1 and padding_mode zeros": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(168, 3)),
    "0: stride must be the same number in both directions, not (1, 2)": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, stride=(1, 2)), nn.ReLU(), nn.Flatten(), nn.Linear(84, 3)),
    "2: pooling must tile the map: stride equal to kernel_size, no padding, ceil_mode or divisor":
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AvgPool2d(3, 2), nn.Flatten(), nn.Linear(24, 3)),
    "1: pools sums; put the ReLU of 0 before it": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)),
    "0: normalization must stand between weights and their ReLU": lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(144, 3)),
    "2: a ReLU must follow weights or their normalization; take it out": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ReLU(), nn.Flatten(), nn.Linear(168, 3)),
    "1: takes weights of shape (3, 145), but its place needs (3, 144); inputs must have shape (B, 2, 9, 8)": lambda: nn.Sequential(nn.Flatten(), nn.Linear(145, 3)),
    "exp: exp has no spiking counterpart; understood are Conv2d, Linear, BatchNorm1d, BatchNorm2d, ReLU, AvgPool2d, Flatten, Identity, Dropout, Dropout2d": Doubled,
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_spike_is_named(text: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        import_ann(BAD[text]().eval(), SOURCE)
    assert str(caught.value) == text
