"""The seam of the methods: without any training is ordinary, and several work as one."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.cost.work import Work
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.methods.anytime import AnytimeLoss
from polyrhythm.sw.training.methods.chosen import Methods, choose
from polyrhythm.sw.training.methods.method import Batch
from polyrhythm.sw.training.recipe import Anytime, Conversion, Mixture, Recipe
from polyrhythm.sw.training.recipes import DIGITS, DIGITS_MTT

BOTH = dataclasses.replace(DIGITS_MTT, anytime=Anytime(regular=0.3))


def chosen(recipe: Recipe) -> tuple[TrainableNetwork, Methods]:
    source = Input((64,), 1, 15)
    generator = torch.Generator().manual_seed(3)
    conversion = recipe.conversion
    net = TrainableNetwork(recipe.layers, recipe.schedule, source, generator, conversion=conversion)
    return net, choose(recipe, net, generator, Work(net.shapes()), 10)


def batch(net: TrainableNetwork, seen: Seen | None, stage: str = "quantized") -> Batch:
    n = torch.randint(0, 16, (20, 64), generator=torch.Generator().manual_seed(4)).float()
    logits = net(n if net.schedule == "two_phase" else n[None], seen)
    return Batch(logits, torch.arange(20) % 10, seen, stage, 0.1)


def test_without_a_method_training_is_ordinary() -> None:
    net, methods = chosen(DIGITS)
    assert list(methods.passes()) == [1] and not methods.looks_inside and methods.state() is None
    assert methods.group("layers.0.log_range") is None and methods.profiles() == {}
    shown = batch(net, None)
    expected = F.cross_entropy(shown.logits, shown.labels, label_smoothing=0.1)
    assert torch.equal(methods.loss(shown), expected)


def test_a_mixture_and_an_anytime_loss_work_as_one() -> None:
    net, methods = chosen(BOTH)
    found = [(passes, net.steps()) for passes in methods.passes()]
    assert [passes for passes, _ in found] == [3, 3, 3]
    assert len({steps for _, steps in found}) > 1 and net.steps() == (4, 4)
    assert methods.looks_inside and set(methods.profiles()) == {"t1", "t2", "t8", "mixed"}
    seen = Seen()
    shown = batch(net, seen)
    expected = AnytimeLoss(Anytime(regular=0.3), net)(seen, shown.labels, 0.1)
    assert torch.equal(methods.loss(shown), expected)


@pytest.mark.parametrize(("fixed", "group"), [(False, "steps"), (True, None)])
def test_a_conversion_is_priced_in_one_stage_and_goes_on(fixed: bool, group: str | None) -> None:
    recipe = dataclasses.replace(DIGITS, conversion=Conversion("mean_T", trade=0.5, fixed=fixed))
    net, methods = chosen(recipe)
    assert methods.group("layers.0.log_count") == group and methods.group("layers.0.bias") is None
    floats = batch(net, Seen(), "float")
    ordinary = F.cross_entropy(floats.logits, floats.labels, label_smoothing=0.1)
    assert torch.equal(methods.loss(floats), ordinary) and methods.state() == (0, 0.5, None)
    priced = dataclasses.replace(floats, stage="quantized")
    assert methods.loss(priced).item() == pytest.approx(ordinary.item() + 0.5)
    _, again = chosen(recipe)
    again.resume(methods.state())
    assert again.state() == methods.state() == (1, 0.5, 3.0)


def test_a_mixture_must_fit_the_schedule() -> None:
    with pytest.raises(ValueError, match="^mixture: time steps are mixed in time_stepped networks"):
        chosen(dataclasses.replace(DIGITS, mixture=Mixture(())))
