"""What a model returns against what its layers give: writes in place, answers behind the logits,
and shapes of outputs."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.ann.take import read_model

SOURCE = Input((1, 4, 4), 1, 15)
STAYS = (
    "what stands in the model afterwards cannot be followed; write a function that gives a new tensor (h = torch.relu(h), "
    "h = h * mask), and put numbers behind the last Linear into its weights and bias"
)
ASSIGNED = f"forward (test_ann_returned.py, line LINE): assigns to elements of a tensor in place (h[...] = ...), and {STAYS}"


def written(word: str) -> str:
    what = f"{word} writes in place to a tensor that goes on under another name (a view, a slice, or .data)"
    return f"forward (test_ann_returned.py, line LINE): {what}, and {STAYS}"


class Net(nn.Module):
    """Two layers; a function between them, and one behind."""

    def __init__(
        self,
        behind: Callable[[Tensor], object] = lambda y: None,
        between: Callable[[Tensor], object] = lambda h: None,
        classes: int = 10,
    ) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.out = nn.Linear(16, 12), nn.Linear(12, classes)
        self.behind, self.between = behind, between

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x.flatten(1))
        changed = self.between(h)
        h = torch.relu(changed if isinstance(changed, Tensor) else h)
        y = self.out(h)
        changed = self.behind(y)
        return changed if isinstance(changed, Tensor) else y


def told(model: nn.Module) -> list[str]:
    return [
        re.sub(r"line \d+", "line LINE", str(problem))
        for problem in read_model(model, SOURCE).problems
    ]


def less(y: Tensor) -> None:
    y[:, 3] -= 50


def fewer(y: Tensor) -> None:
    y[torch.arange(len(y)), 3] -= 50


def hundred(y: Tensor) -> None:
    y[:, 0] = 100.0


def rectified(h: Tensor) -> None:
    h[h < 0] = 0


def cut(h: Tensor) -> None:
    h[:, :5] = 0


WRITES: dict[str, tuple[Callable[[], Net], str]] = {
    "a column of the logits": (lambda: Net(hundred), ASSIGNED),
    "their data": (lambda: Net(lambda y: (y.data.neg_(), None)[1]), written("neg_")),
    "a slice of them, less": (lambda: Net(less), written("sub_")),
    "chosen ones, less": (lambda: Net(fewer), ASSIGNED),
    "a view of them": (lambda: Net(lambda y: (y.select(1, 3).sub_(50), None)[1]), written("sub_")),
    "a mask of hidden sums": (lambda: Net(between=rectified), ASSIGNED),
    "a slice of hidden sums": (lambda: Net(between=cut), ASSIGNED),
    "the data of hidden sums": (lambda: Net(between=lambda h: (h.data.clamp_(min=0), None)[1]), written("clamp_")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_writes_in_place_are_named(name: str) -> None:
    make, text = WRITES[name]
    assert told(make()) == [text]


@pytest.mark.parametrize(
    "change",
    [torch.relu_, lambda h: h.mul_(2.0), lambda h: h.view(-1, 12).add_(1.0)],
    ids=["relu", "mul", "view"],
)
def test_a_write_in_place_that_is_followed_stays_a_step(change: Callable[[Tensor], Tensor]) -> None:
    taken = read_model(Net(between=change), SOURCE)
    assert not taken.problems
    taken.verify(torch.randint(0, 16, (20, 1, 4, 4)))


class Centred(Net):
    def forward(self, x: Tensor) -> Tensor:
        x -= 0.5
        return super().forward(x)


def test_a_model_may_write_to_its_input() -> None:
    assert told(Centred()) == []


def unseen(y: Tensor) -> None:
    with torch._C.DisableTorchFunction():
        y[:, 3] += 50


def test_what_no_step_shows_is_found_in_what_the_model_returns() -> None:
    (text,) = told(Net(unseen))
    assert re.fullmatch(
        r"Net: returns other numbers than its layers give: output 3 is 50 apart, with values up to 5\d\.?\d*; something changes them behind "
        r"the last Linear \(a write in place, a hook\); let forward return what the Linear gives, and put what is added or scaled into "
        r"its weights and bias", text)  # fmt: skip
    (text,) = told(Net(lambda y: (y := y.softmax(1), unseen(y))[0]))
    assert text.startswith("Net: returns other numbers than its layers give: output 3 is 50 apart")


ANSWERS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda y: y.softmax(1), "log_softmax": lambda y: torch.log_softmax(y, dim=-1), "sigmoid": torch.sigmoid,
    "log of softmax": lambda y: (1000 * y).softmax(1).log(), "double": lambda y: y.softmax(1, dtype=torch.float64).float(),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_over_the_classes_are_left_out(name: str) -> None:
    taken = read_model(Net(ANSWERS[name]), SOURCE)
    assert (
        not taken.problems
        and len(taken.notes) == 1
        and "at the end is left out: the largest logit stays the largest" in taken.notes[0]
    )


OTHERS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "batch": (lambda y: y.softmax(0), "works along axis 0 of (B, 10)"),
    "groups": (lambda y: y.view(-1, 2, 5).softmax(2).flatten(1), "works along axis 2 of (B, 2, 5)"),
    "twice": (lambda y: y.softmax(1).softmax(0), "works along axis 0 of (B, 10)"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_softmax_over_something_else_is_refused(name: str) -> None:
    change, text = OTHERS[name]
    rest = "; at the end it must work along the classes, axis 1 of logits (B, C), or be taken out"
    assert told(Net(change)) == [f"softmax (test_ann_returned.py, line LINE): {text}{rest}"]


@pytest.mark.parametrize("squeezed", [True, False])
def test_one_output_is_refused(squeezed: bool) -> None:
    text = f"must return logits (B, C), C at least 2, not {'(B,)' if squeezed else '(B, 1)'}"
    rest = "use a Linear with two outputs, one for each class, for the largest of one is always class 0"
    model = Net((lambda y: torch.sigmoid(y).squeeze(1)) if squeezed else torch.sigmoid, classes=1)
    assert told(model) == [f"the model (test_ann_returned.py, line LINE): {text}; {rest}"]


def test_a_graph_of_torch_export_is_refused() -> None:
    graph = torch.export.export(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), (torch.zeros(2, 1, 4, 4),)
    ).module()
    assert told(graph) == [
        "GraphModule: is a graph of torch.export, which has no evaluation; give the torch.nn.Module that was exported, with its state_dict"
    ]


@pytest.mark.parametrize("size", [1e20, 1e38])
def test_a_model_that_overflows_is_told_with_its_layer(size: float) -> None:
    model = Net()
    model.first.weight.data.mul_(size)
    model.out.weight.data.mul_(size)
    (text,) = told(model)
    assert re.fullmatch(
        r"out \(.*\): overflows in the model itself: gives inf or nan in float32, from numbers up to \S+; give weights of usual size",
        text,
    )


class Autocast(Net):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu"):
            return super().forward(x)


@pytest.mark.parametrize(
    ("model", "place", "kind"),
    [
        (Autocast(), "first", "bfloat16"),
        (Net(between=lambda h: h.half().float()), "half", "float16"),
        (Net(lambda y: y.half()), "half", "float16"),
    ],
    ids=["autocast", "hidden", "logits"],
)
def test_fewer_bits_in_forward_are_named(model: nn.Module, place: str, kind: str) -> None:
    assert told(model) == [
        f"{place} (test_ann_returned.py, line LINE): computes in {kind} (autocast, or a cast such as .half()), whose rounding no layer has; let forward stay in float32"
    ]
