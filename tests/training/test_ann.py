"""Models of torch as networks that learn to spike: the same numbers, and refusals that name the
part."""

import inspect
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.ann.names import name_parts, network_name
from polyrhythm.sw.training.ann.parts import Part, UnsupportedError
from polyrhythm.sw.training.ann.take import import_ann, read_model
from polyrhythm.sw.training.recipe import Conversion

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
    """A block that adds its input as it is, and one that adds it through a 1 x 1 convolution at
    stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.one = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.BatchNorm2d(4),
        )
        self.two = nn.Sequential(
            nn.Conv2d(4, 6, 3, 2, 1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.BatchNorm2d(6),
        )
        self.way = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6))
        self.out = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(self.one(x) + x)
        y = self.two(x)
        y += self.way(x)
        return self.out(torch.flatten(F.avg_pool2d(torch.relu(y), 2), 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "make", [conv, Functions, Residual], ids=["modules", "functions", "residual"]
)
def test_the_float_stage_computes_what_the_model_does(make: Callable[[], nn.Module]) -> None:
    model = settle(make(), SOURCE.shape)
    net = import_ann(model, SOURCE).eval()
    counts = torch.randint(0, 16, (10, *SOURCE.shape)).float()
    with torch.no_grad():
        assert torch.allclose(net(counts), model(counts / 15), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make", [conv, Functions, Residual], ids=["modules", "functions", "residual"]
)
def test_normalization_begins_anew_without_changing_anything(make: Callable[[], nn.Module]) -> None:
    model = settle(make(), SOURCE.shape).double()
    counts = torch.randint(
        0, 16, (200, *SOURCE.shape), generator=torch.Generator().manual_seed(2)
    ).double()
    net = (
        import_ann(model, SOURCE, conversion=Conversion(channels=True, live_norm=True))
        .double()
        .eval()
    )
    net.begin_norms(counts)
    norms = [layer.norm for layer in net.stack()[:-1] if layer.norm is not None]
    assert len(norms) == len(net.stack()) - 1 and all(norm.weight.std() > 0 for norm in norms)
    with torch.no_grad():
        # Folded weights are float32
        assert torch.allclose(net(counts), model(counts / 15), rtol=1e-5, atol=1e-6)
    before = [norm.weight.clone() for norm in norms]
    net.train()(counts)
    net.eval().begin_norms(counts[:50])  # they have seen something by now, and stay
    assert all(torch.equal(norm.weight, was) for norm, was in zip(norms, before, strict=True))


def test_layers_whose_path_is_digits_are_named_by_kind_and_number() -> None:
    net = import_ann(settle(conv(), SOURCE.shape), SOURCE, T=5, weight_bits=6)
    found = [
        (layer.spec.name, layer.spec.kind, layer.spec.T, layer.spec.pool, layer.spec.stride)
        for layer in net.stack()
    ]
    assert found == [
        ("conv1", "conv2d", 5, 1, 1),
        ("conv2", "conv2d", 5, 2, 2),
        ("fc1", "dense", 5, 1, 1),
        ("out", "readout", 1, 1, 1),
    ]
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
    """Two layers read the first one, and what comes of both is added."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.other, self.second = nn.Linear(144, 9), nn.Linear(9, 9), nn.Linear(9, 3)

    def forward(self, x: Tensor) -> Tensor:
        n = torch.relu(self.first(torch.flatten(x, 1)))
        m = torch.relu(self.other(n))
        return self.second(n) + self.second(m)  # type: ignore[no-any-return]


class Many(nn.Module):
    """Several things that cannot spike, of a model that does not even run through."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2, self.pool = (
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3, groups=2),
            nn.MaxPool2d(2),
        )
        self.act, self.out = nn.ReLU6(), nn.Linear(9, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.c1((x - 0.5) / 0.5))
        if x.mean() > 0:
            x = F.gelu(self.c2(x))
        return self.out(self.pool(x).flatten(1))  # type: ignore[no-any-return]


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.digit, self.aux = nn.Linear(144, 9), nn.Linear(9, 3), nn.Linear(9, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.relu(self.body(x.flatten(1)))
        return self.digit(h), self.aux(h)


class OneHead(TwoHeads):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


class Counts(nn.Module):
    """Divides by how often it has been called."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(144, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.out(x.flatten(1) / self.calls)  # type: ignore[no-any-return]


class Called(nn.Module):
    """A model whose forward is a function."""

    def __init__(self, does: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.does = does

    def forward(self, x: Tensor) -> object:
        return self.does(x)


class Wide(Residual):
    def __init__(self) -> None:
        super().__init__()
        self.way = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6))


BAD = {
    "1: MaxPool2d has no spiking counterpart; use AvgPool2d: a maximum of spike counts is no sum":
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)),
    "1: GELU has no spiking counterpart; use ReLU: a spiking neuron has no other curve; its clip range is learned":
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(168, 3)),
    "2: ReLU6 clips at 0 and 6; use ReLU: the clip range of a spiking neuron is learned": lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 9), nn.ReLU6(), nn.Linear(9, 3)),
    "2: two layers of weights follow each other; put a ReLU behind 1": lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 9), nn.Linear(9, 3)),
    "add (test_ann.py, line LINE): what is added must be the map of an earlier layer, without pooling": Branch,
    "add (test_ann.py, line LINE): a Conv2d can take one residual addition, second cannot take this one": Fork,
    "way.0 (test_ann.py, line LINE): what is added may pass one 1 x 1 Conv2d without padding, and nothing else": Wide,
    "the model: must end in a Linear layer without ReLU, the readout of the classes": lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 9), nn.ReLU()),
    "0: kernel_size must be 1, 3 or 5, not 7": lambda: nn.Sequential(nn.Conv2d(2, 4, 7), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)),
    "0: groups and dilation must be 1 and padding_mode zeros": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(168, 3)),
    "0: padding_mode must be zeros, not circular": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)),
    "0: stride must be the same number in both directions, not (1, 2)": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, stride=(1, 2)), nn.ReLU(), nn.Flatten(), nn.Linear(84, 3)),
    "3: pooling must tile the map: stride equal to kernel_size, no padding, ceil_mode or divisor":
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AvgPool2d(3, 2), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)),
    "1: pools sums; put the ReLU of 0 before it": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)),
    "1: pads with zeros behind a shift, such as (x - mean) / std or a normalization behind the ReLU, so the borders differ; let the data set do that (--preprocess gives 0..1), or set padding=0":
        lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)),
    "1: takes 145 values, but 144 come, with inputs of shape (B, 2, 9, 8)": lambda: nn.Sequential(nn.Flatten(), nn.Linear(145, 3)),
    "0: takes 1 channels, but 2 come, with inputs of shape (B, 2, 9, 8)": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)),
    "exp (test_ann.py, line LINE): exp has no spiking counterpart; use ReLU: a spiking neuron has no other curve; its clip range is learned": Doubled,
    "TwoHeads: returns 2 tensors (digit, aux), and one is needed: the logits; let forward return them alone, or give a module whose forward calls this one and returns one of them": TwoHeads,
    "div (test_ann.py, line LINE): uses numbers that change from one run to the next (a counter, random numbers, or a function of the data that torch does not show); bake them into weights that stay": Counts,
    "Called: must return the logits, a tensor, not NoneType": lambda: Called(lambda x: None),
    "Called: returns 2 tensors ('a', 'b'), and one is needed: the logits; let forward return them alone, or give a module whose forward calls this one and returns one of them": lambda: Called(lambda x: {"a": x, "b": x + 1}),
    "forward: has no forward; give the module inside that maps an image to the logits": nn.Module,
    "dropout (test_ann.py, line LINE): drops values in evaluation too; call it with training=self.training, or use nn.Dropout": lambda: Called(lambda x: F.dropout(x)),
    "view (test_ann.py, line LINE): must keep the samples of a batch apart; flatten with start_dim=1, as in x.flatten(1)": lambda: Called(lambda x: x.view(-1, 3)),
    "forward (test_ann.py, line LINE): takes a number out of the data, and what a spiking network does cannot hang on one; take it out\n  exp (test_ann.py, line LINE): exp has no spiking counterpart; use ReLU: a spiking neuron has no other curve; its clip range is learned": lambda: Called(lambda x: x.exp() * x.max().item()),
    "1: its weights must be finite, not nan or inf": lambda: nn.Sequential(nn.Flatten(), broken(nn.Linear(144, 3))),
    "0.weight: lies on the device meta, so it has no numbers; load its state_dict with assign=True first\n  0.bias: lies on the device meta, so it has no numbers; load its state_dict with assign=True first": lambda: nn.Sequential(nn.Linear(144, 3, device="meta")),
}  # fmt: skip


def broken(layer: nn.Linear) -> nn.Linear:
    nn.init.constant_(layer.weight, float("inf"))
    return layer


def told(model: nn.Module) -> str:
    """The error, with LINE for every line of this file."""
    with pytest.raises(UnsupportedError) as caught:
        import_ann(model, SOURCE)
    return re.sub(
        r"test_ann\.py, line \d+", "test_ann.py, line LINE", str(caught.value)
    ).removeprefix("the model cannot be converted, for 2 reasons:\n  ")


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_spike_is_named(text: str) -> None:
    assert told(settle_norms(BAD[text]())) == text


def settle_norms(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            nn.init.constant_(module.running_mean, 0.25)
    return model


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    lines, first = inspect.getsourcelines(Many)
    at = {
        word: f"test_ann.py, line {first + next(i for i, line in enumerate(lines) if word in line)}"
        for word in ("self.act(self.c1", "x.mean", "F.gelu", "return")
    }
    taken = read_model(Many(), SOURCE)
    assert [str(problem) for problem in taken.problems] == [
        f"forward ({at['x.mean']}): decides by the data (if, bool), and what a spiking network does cannot hang on one; take it out",
        f"c1 ({at['self.act(self.c1']}): pads with zeros behind a shift, such as (x - mean) / std or a normalization behind the ReLU, so the borders differ; let the data set do that (--preprocess gives 0..1), or set padding=0",
        f"act ({at['self.act(self.c1']}): ReLU6 clips at 0 and 6; use ReLU: the clip range of a spiking neuron is learned",
        f"c2 ({at['F.gelu']}): groups and dilation must be 1 and padding_mode zeros",
        f"gelu ({at['F.gelu']}): GELU has no spiking counterpart; use ReLU: a spiking neuron has no other curve; its clip range is learned",
        f"pool ({at['return']}): MaxPool2d has no spiking counterpart; use AvgPool2d: a maximum of spike counts is no sum",
        f"out ({at['return']}): takes 9 values, but 36 come, with inputs of shape (B, 2, 9, 8)",
    ]


def test_the_output_is_followed_and_an_unused_head_is_said() -> None:
    torch.manual_seed(3)
    model = OneHead()
    taken = read_model(model, SOURCE)
    assert [part.path for part in taken.parts] == ["body", "digit"]
    assert (
        len(taken.notes) == 1
        and taken.notes[0].startswith("aux (test_ann.py, line ")
        and taken.notes[0].endswith("is computed and not returned; it is left out")
    )
    counts = torch.ones(2, *SOURCE.shape)
    with torch.no_grad():
        assert torch.allclose(
            taken.network(4, 4, None, False)(counts), model(counts / 15), atol=1e-6
        )


def test_compiled_models_of_torch_jit_are_refused() -> None:
    with pytest.warns(DeprecationWarning):
        model = torch.jit.trace(
            nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), torch.zeros(1, *SOURCE.shape)
        )
    assert (
        told(model)
        == "TopLevelTracedModule: is compiled by torch.jit, so its functions cannot be seen; make the model from its Python class, with its state_dict"
    )


def test_layers_that_were_read_wrongly_are_found_and_named() -> None:
    """A planted fault in what was read: the comparison with the model names the first layer that
    differs."""
    torch.manual_seed(3)
    taken = read_model(settle(conv(), SOURCE.shape), SOURCE)
    counts = torch.randint(0, 16, (4, *SOURCE.shape))
    taken.verify(counts)
    taken.parts[1].bias[2] += 0.01
    with pytest.raises(
        UnsupportedError,
        match=r"^5: the layer that was read off gives other numbers than the model: 0\.01 apart, with values up to .*; bake what the model does there into plain weights",
    ):
        taken.verify(counts)


PATHS = {
    ("0", "3", "6"): ["conv1", "conv2", "out"], ("features.0", "features.3", "classifier"): ["features_0", "features_3", "classifier"],
    ("fc.0", "fc_0", "Fc 0"): ["fc_0", "fc_0_2", "Fc_0_3"], ("h", "h", "out"): ["h", "h_2", "out"],
    ("module._orig_mod.net.a", "größe", "1x"): ["net_a", "gr_e", "layer_1x"], ("a" * 50, ".".join(["part"] * 30), "b"): ["a" * 32, "part_part_part_part_part_part", "b"],
    ("", "", ""): ["conv1", "conv2", "out"],
}  # fmt: skip


@pytest.mark.parametrize("paths", PATHS, ids=lambda paths: paths[0][:20])
def test_names_are_short_and_each_comes_once(paths: tuple[str, ...]) -> None:
    weights = [torch.zeros(2, 2, 3, 3), torch.zeros(2, 2, 3, 3), torch.zeros(2, 2)]
    parts = [
        Part(path, weight, torch.zeros(2), 1) for path, weight in zip(paths, weights, strict=True)
    ]
    name_parts(parts)
    assert [part.name for part in parts] == PATHS[paths]


@pytest.mark.parametrize(
    ("file", "function", "name"),
    [
        ("net", "lenet", "lenet"),
        ("lenet5", "model", "lenet5"),
        ("my-net", "make_model", "my_net"),
        ("m", "get_resnet", "resnet"),
        ("m", "LeNet5", "LeNet5"),
        ("model", "model", "model"),
        ("m", "x" * 99, "x" * 32),
    ],
)
def test_a_network_is_named_by_its_function_or_its_file(
    file: str, function: str, name: str
) -> None:
    assert network_name(file, function) == name


def test_the_digest_belongs_to_weights_and_to_what_is_computed() -> None:
    def digest(model: nn.Module) -> str:
        return read_model(model, SOURCE).digest

    torch.manual_seed(3)
    state = nn.Linear(144, 9), nn.Linear(9, 3)
    model = nn.Sequential(nn.Flatten(), state[0], nn.ReLU(), state[1])
    first = digest(model)
    assert digest(nn.Sequential(nn.Flatten(), nn.Dropout(), state[0], nn.ReLU(), state[1])) != ""
    assert (
        digest(model)
        == first
        != digest(nn.Sequential(nn.Flatten(), state[0], nn.ReLU(), nn.Linear(9, 3)))
    )

    class Halved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return model(x / 2)  # type: ignore[no-any-return]

    assert digest(Halved()) != first
