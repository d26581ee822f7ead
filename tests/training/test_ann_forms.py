"""The forms that people write models in: each is read as what it computes, whatever its code looks
like."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, remove_weight_norm, spectral_norm, weight_norm

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.ann.take import Taken, read_model

SOURCE = Input((2, 8, 8), 1, 15)
FLAT = Input((12,), 1, 15)
Forward = Callable[[nn.Module, Tensor], Tensor]


class Written(nn.Module):
    """A model of two dense layers `a`, `b`, or of a convolution `c` and a dense layer `d`, with a
    forward of its own."""

    def __init__(self, forward: Forward, **parts: nn.Module) -> None:
        super().__init__()
        self.does = forward
        self.a, self.b = nn.Linear(128, 9), nn.Linear(9, 4)
        self.c, self.d = nn.Conv2d(2, 3, 3, padding=1), nn.Linear(192, 4)
        for name, part in parts.items():
            setattr(self, name, part)
        self.register_buffer("mean", torch.tensor([0.3, 0.4]).reshape(2, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.5]).reshape(2, 1, 1))
        self.scale = nn.Parameter(torch.tensor([0.5, 2.0, 1.5]).reshape(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self, x)


def dense(change: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """a, b with a way to flatten in front."""
    return lambda: Written(lambda m, x: m.b(F.relu(m.a(change(x)))))


def activated(change: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """a, b with a way to rectify between them."""
    return lambda: Written(lambda m, x: m.b(change(m.a(x.flatten(1)))))


def convolved(
    change: Callable[[nn.Module, Tensor], Tensor], **parts: nn.Module
) -> Callable[[], nn.Module]:
    """c, then a way to the dense layer d."""
    return lambda: Written(lambda m, x: m.d(change(m, F.relu(m.c(x)))), **parts)


FLATTENED = {
    "view": lambda x: x.view(x.size(0), -1), "reshape": lambda x: x.reshape(x.shape[0], -1), "view -1": lambda x: x.view(-1, 128),
    "reshape -1": lambda x: torch.reshape(x, (-1, 2 * 8 * 8)), "flatten": lambda x: x.flatten(1), "torch.flatten": lambda x: torch.flatten(x, start_dim=1),
    "twice": lambda x: x.flatten(2).flatten(1), "unpacked": lambda x: x.view(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]),
    "contiguous": lambda x: x.contiguous().view(len(x), -1), "squeezed": lambda x: x.reshape(-1, 1, 128).squeeze(1), "one more axis": lambda x: x.reshape(-1, 1, 128)[:, 0],
    "channels last": lambda x: x.permute(0, 2, 3, 1).reshape(x.size(0), -1), "transposed": lambda x: x.transpose(2, 3).flatten(1),
    "flipped": lambda x: x.flip(3).flatten(1), "halves swapped": lambda x: x.flatten(1)[:, list(range(64, 128)) + list(range(64))],
    "rolled": lambda x: torch.roll(x, 1, 2).flatten(1), "scaled": lambda x: (x * 2 - 1).flatten(1), "cast": lambda x: x.float().flatten(1).clone().detach(),
    "divided": lambda x: x.flatten(1) / 0.25 + 0.5, "subtracted": lambda x: 1 - x.flatten(1), "negated": lambda x: -x.flatten(1),
    "dropped": lambda x: F.dropout(x.flatten(1), 0.5, training=False), "shape in an if": lambda x: x.flatten(1) if x.shape[1] == 2 else x,
}  # fmt: skip
RECTIFIED = {
    "relu": torch.relu, "F.relu": F.relu, "inplace": lambda x: F.relu(x, inplace=True), "relu_": lambda x: x.relu_(), "method": lambda x: x.relu(),
    "clamp": lambda x: x.clamp(min=0), "clamp 0": lambda x: torch.clamp(x, 0), "clamp_": lambda x: x.clamp_(min=0.0), "clamp_min": lambda x: x.clamp_min(0),
    "clip": lambda x: x.clip(min=0), "maximum": lambda x: torch.maximum(x, torch.zeros(())), "max": lambda x: torch.max(x, torch.zeros(1)),
    "max method": lambda x: x.max(torch.tensor(0.0)), "threshold": lambda x: F.threshold(x, 0, 0), "twice": lambda x: F.relu(F.relu(x)),
    "behind a view": lambda x: F.relu(x.view(-1, 9, 1)).flatten(1), "scaled sums": lambda x: F.relu(x * 3 + 0.25), "scaled counts": lambda x: F.relu(x) * 0.5,
    "counts with a shift": lambda x: F.relu(x) + 0.25, "scaled below 0": lambda x: F.relu(-2 * x) * -1,
    "dropout": lambda x: F.dropout(F.relu(x), 0.5, False), "identity": lambda x: nn.Identity()(F.relu(x)),
}  # fmt: skip
POOLED: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], dict[str, nn.Module]]] = {
    "global module": (lambda m, x: m.p(x).flatten(1), {"p": nn.AdaptiveAvgPool2d(1), "d": nn.Linear(3, 4)}),
    "global pair": (lambda m, x: torch.flatten(m.p(x), 1), {"p": nn.AdaptiveAvgPool2d((1, 1)), "d": nn.Linear(3, 4)}),
    "global function": (lambda m, x: F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0], {"d": nn.Linear(3, 4)}),
    "mean": (lambda m, x: x.mean((2, 3)), {"d": nn.Linear(3, 4)}),
    "mean kept": (lambda m, x: x.mean(dim=[-1, -2], keepdim=True).flatten(1), {"d": nn.Linear(3, 4)}),
    "mean of a mean": (lambda m, x: x.mean(3).mean(2), {"d": nn.Linear(3, 4)}),
    "mean of the flat map": (lambda m, x: x.flatten(2).mean(-1), {"d": nn.Linear(3, 4)}),
    "sum": (lambda m, x: x.sum((2, 3)), {"d": nn.Linear(3, 4)}),
    "adaptive 2": (lambda m, x: F.adaptive_avg_pool2d(x, (2, 2)).flatten(1), {"d": nn.Linear(12, 4)}),
    "average": (lambda m, x: F.avg_pool2d(x, 2).flatten(1), {"d": nn.Linear(48, 4)}),
    "average that drops a border": (lambda m, x: F.avg_pool2d(x, 3).flatten(1), {"d": nn.Linear(12, 4)}),
    "average twice": (lambda m, x: F.avg_pool2d(F.avg_pool2d(x, 2), 2).flatten(1), {"d": nn.Linear(12, 4)}),
    "rows": (lambda m, x: F.avg_pool2d(x, (1, 8)).flatten(1), {"d": nn.Linear(24, 4)}),
    "overlapping": (lambda m, x: F.avg_pool2d(x, 3, 1).flatten(1), {"d": nn.Linear(108, 4)}),
    "a corner": (lambda m, x: x[:, :, :4, 2:6].flatten(1), {"d": nn.Linear(48, 4)}),
    "scaled and pooled": (lambda m, x: F.avg_pool2d(x * m.scale, 2).flatten(1), {"d": nn.Linear(48, 4)}),
    "pooled, then a convolution": (lambda m, x: m.e(F.avg_pool2d(x, 2)).relu().flatten(1), {"e": nn.Conv2d(3, 5, 3), "d": nn.Linear(20, 4)}),
    "padded apart": (lambda m, x: m.e(F.pad(x, (1, 1, 1, 1))).relu().flatten(1), {"e": nn.Conv2d(3, 5, 3), "d": nn.Linear(320, 4)}),
    "padded by a module": (lambda m, x: m.e(x).relu().flatten(1), {"e": nn.Sequential(nn.ZeroPad2d(2), nn.Conv2d(3, 5, 5)), "d": nn.Linear(320, 4)}),
    "normalized counts": (lambda m, x: m.n(x).flatten(1), {"n": nn.BatchNorm2d(3)}),
    "normalized elements": (lambda m, x: m.n(x.flatten(1)), {"n": nn.BatchNorm1d(192)}),
}  # fmt: skip


def functional(m: nn.Module, x: Tensor) -> Tensor:
    x = F.conv2d(x, m.c.weight * 2, m.c.bias, padding=1)
    return F.linear(
        F.relu(F.batch_norm(x, m.n.running_mean, m.n.running_var, m.n.weight, m.n.bias)).flatten(1),
        m.d.weight,
        m.d.bias,
    )


def matrices(m: nn.Module, x: Tensor) -> Tensor:
    x = torch.relu(x.flatten(1) @ m.a.weight.T + m.a.bias)
    return torch.addmm(m.b.bias, x, m.b.weight.t())


def in_place(m: nn.Module, x: Tensor) -> Tensor:
    h = m.a(x.flatten(1))
    h += 0.5
    h *= 2
    h.relu_()
    h *= 0.25
    return m.b(h)


class Masked(nn.Linear):
    """A layer of the user's own, whose weight is made anew in each call."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out)
        self.register_buffer("mask", (torch.rand(n_out, n_in) < 0.5).float())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(128, 9), nn.Linear(9, 9), nn.Linear(9, 9)])
        self.heads = nn.ModuleDict({"digits": nn.Linear(9, 4)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x).relu()
        return {"logits": self.heads["digits"](x)}


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2, self.n, self.fc = (
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Linear(256, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.c1(x))
        return self.fc(torch.flatten(torch.relu(self.n(torch.add(self.c2(a), a, alpha=0.5))), 1))  # type: ignore[no-any-return]


def hooked() -> nn.Module:
    """A weight that a hook makes anew before each call."""
    net = plain()
    net[1].register_forward_pre_hook(
        lambda module, _: [module.weight.data.copy_(torch.ones(9, 128) * 0.01), None][1]
    )
    return net


def shown_to_hooks() -> nn.Module:
    """Hooks that change what comes in and goes out."""
    net = plain()
    net[1].register_forward_pre_hook(lambda _, given: (given[0] * 0.5,))
    net[3].register_forward_hook(lambda _, given, out: out + 1)
    return net


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, 4))


def each(net: nn.Sequential, change: Callable[[nn.Module], object]) -> nn.Module:
    for k in (1, 3):
        change(net[k])
    return net


def pruned() -> nn.Module:
    net = each(plain(), lambda layer: prune.l1_unstructured(layer, "weight", 0.5))
    with torch.no_grad():
        # What a state_dict brings: `weight` is stale until the next call
        net[1].weight_orig.mul_(3)
    return net


MADE: dict[str, Callable[[], nn.Module]] = {
    "functional": lambda: Written(functional, n=nn.BatchNorm2d(3)), "matrices": lambda: Written(matrices), "in place": lambda: Written(in_place),
    "same": lambda: nn.Sequential(nn.Conv2d(2, 3, 5, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(192, 4)),
    "valid": lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding="valid"), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)),
    "pairs": lambda: nn.Sequential(nn.Conv2d(2, 3, (3, 3), (2, 2), (1, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)),
    "normalized dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 9, bias=False), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 4)),
    "softmax": lambda: nn.Sequential(plain(), nn.Softmax(1)), "log softmax": lambda: nn.Sequential(plain(), nn.LogSoftmax(dim=-1)),
    "functional softmax": lambda: Written(lambda m, x: F.log_softmax(m.b(F.relu(m.a(x.flatten(1)))), dim=1)),
    "temperature": lambda: Written(lambda m, x: m.b(F.relu(m.a(x.flatten(1)))) / 0.7), "scaled by a parameter": lambda: Written(lambda m, x: m.d(F.relu(m.c(x) * m.scale).flatten(1))),
    "standardized, no padding": lambda: Written(lambda m, x: m.d(F.relu(m.c((x - m.mean) / m.std)).flatten(1)), c=nn.Conv2d(2, 3, 3), d=nn.Linear(108, 4)),
    "scaled only, padding": lambda: Written(lambda m, x: m.d(F.relu(m.c(x / m.std)).flatten(1))),
    "standardized, dense": lambda: Written(lambda m, x: m.b(F.relu(m.a(((x - m.mean) / m.std).flatten(1))))),
    "normalization first": lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, 4)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(128, 9), nn.ReLU())), nn.Sequential(nn.Linear(9, 4))),
    "module list, a dict as answer": Block, "a layer of one's own": lambda: nn.Sequential(nn.Flatten(), Masked(128, 9), nn.ReLU(), Masked(9, 4)),
    "shared": lambda: Written(lambda m, x: m.b(F.relu(m.h(F.relu(m.h(F.relu(m.a(x.flatten(1)))))))), h=nn.Linear(9, 9)),
    "residual with a factor, normalized": Residual, "pruned": pruned, "hook that makes weights": hooked, "hooks that change values": shown_to_hooks,
    "old weight_norm": lambda: each(plain(), weight_norm), "new weight_norm": lambda: each(plain(), parametrizations.weight_norm),
    "old spectral_norm": lambda: each(plain(), spectral_norm), "new spectral_norm": lambda: each(plain(), parametrizations.spectral_norm),
    "orthogonal": lambda: each(plain(), parametrizations.orthogonal), "DataParallel": lambda: nn.DataParallel(plain()),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(plain()), "compiled": lambda: torch.compile(plain(), backend="eager"),
    "a compiled part": lambda: nn.Sequential(nn.Flatten(), torch.compile(nn.Linear(128, 9), backend="eager"), nn.ReLU(), nn.Linear(9, 4)),
    "double": lambda: plain().double(), "bfloat16": lambda: plain().bfloat16(), "lazy": lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(9), nn.ReLU(), nn.LazyLinear(4)),
    "a tuple of one": lambda: Written(lambda m, x: (m.b(F.relu(m.a(x.flatten(1)))),)), "readout alone": lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 4)),
    "dropout in training": lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(128, 9), nn.ReLU(), nn.Dropout(0.9), nn.Linear(9, 4)).train(),
    "hardtanh without an end": lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 9), nn.Hardtanh(0, float("inf")), nn.Linear(9, 4)),
    "threshold": lambda: nn.Sequential(nn.Flatten(), nn.Linear(128, 9), nn.Threshold(0, 0), nn.Linear(9, 4)),
    **{f"flattened: {name}": dense(change) for name, change in FLATTENED.items()},
    **{f"rectified: {name}": activated(change) for name, change in RECTIFIED.items()},
    **{f"pooled: {name}": convolved(change, **parts) for name, (change, parts) in POOLED.items()},
}  # fmt: skip


def settled(model: nn.Module, shape: tuple[int, ...] = SOURCE.shape) -> nn.Module:
    """Normalizations have seen something; modes are as they were."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


def same(taken: Taken, model: nn.Module) -> bool:
    """Whether the float stage gives the model's logits, or with a softmax behind them its answers,
    on other inputs than those it was read with."""
    counts = torch.randint(
        0, 16, (20, *taken.source.shape), generator=torch.Generator().manual_seed(7)
    ).float()
    dtype = next(model.parameters()).dtype
    with torch.no_grad():
        ours, theirs = (
            taken.network(4, 4, None, False).eval()(counts),
            model.eval()((counts / 15).to(dtype)),
        )
        theirs = (
            next(iter(theirs.values()))
            if isinstance(theirs, dict)
            else theirs[0]
            if isinstance(theirs, tuple)
            else theirs
        )
        if any("left out: the largest logit" in note for note in taken.notes):
            ours, theirs = F.softmax(ours, 1), theirs if theirs.min() >= 0 else theirs.exp()
    return torch.allclose(
        ours, theirs.float(), rtol=1e-4, atol=0.03 if dtype == torch.bfloat16 else 2e-5
    )


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated", "ignore:Lazy modules")
@pytest.mark.parametrize("name", MADE)
def test_what_is_read_computes_what_the_model_does(name: str) -> None:
    torch.manual_seed(3)
    model = settled(MADE[name]())
    taken = read_model(model, SOURCE)
    assert [str(problem) for problem in taken.problems] == []
    assert same(taken, model)


def test_a_model_is_left_in_the_mode_that_it_was_in() -> None:
    model = nn.Sequential(plain(), nn.Dropout()).train()
    model[0].eval()
    read_model(model, SOURCE)
    assert model.training and model[1].training and not model[0].training


def test_vectors_are_taken_as_they_are() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 4))
    assert same(read_model(model, FLAT), model)


def test_weights_of_removed_norms_are_read() -> None:
    torch.manual_seed(3)
    with pytest.warns(FutureWarning):
        model = each(each(plain(), weight_norm), remove_weight_norm)
    assert same(read_model(model, SOURCE), model)
