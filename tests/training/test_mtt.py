"""Mixed time-step training: vectors are drawn, gradients add up, one file holds several working
points that are exact."""

import dataclasses
from pathlib import Path

import pytest
import torch

from polyrhythm.sw import golden
from polyrhythm.sw.data import find
from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training import train
from polyrhythm.sw.training.data import samples
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.methods.mtt import Mixing
from polyrhythm.sw.training.recipe import LayerSpec, Mixture, Recipe
from polyrhythm.sw.training.recipes import DIGITS_LIF

LAYERS = (LayerSpec("fc1", 24, T=4, leak_shift=4), LayerSpec("out", 10, "readout", T=4))
PROFILES = (("fast", (1, 1)), ("mixed", (2, 3)), ("slow", (8, 8)))
SHORT: Recipe = dataclasses.replace(
    DIGITS_LIF, name="short", preprocess="levels:15", layers=LAYERS, float_epochs=8, quantized_epochs=6, snapped_epochs=4,
    mixture=Mixture(PROFILES, max_T=6),
)  # fmt: skip


def network(mixture: Mixture, norm: bool = False) -> TrainableNetwork:
    return TrainableNetwork(
        LAYERS, "time_stepped", Input((64,), 1, 15), torch.Generator().manual_seed(1), norm=norm
    )


def test_vectors_are_drawn_uniformly_and_by_seed() -> None:
    mixture = Mixture((), draws=3, min_T=2, max_T=5)
    mixing, again = (
        Mixing(mixture, network(mixture), torch.Generator().manual_seed(7)) for _ in range(2)
    )
    drawn = [vector for _ in range(200) for vector in mixing.draw()]
    assert len(drawn) == 600 and drawn[:3] == again.draw()
    for layer in range(2):
        found = [vector[layer] for vector in drawn]
        assert set(found) == {2, 3, 4, 5}
        assert all(110 < found.count(T) < 190 for T in range(2, 6))


def test_gradients_of_a_batch_are_those_of_its_vectors_added_up() -> None:
    mixture = Mixture((), draws=3)
    net = network(mixture)
    n, labels = torch.randint(0, 16, (1, 20, 64)).float(), torch.randint(0, 10, (20,))
    vectors = Mixing(mixture, net, torch.Generator().manual_seed(3)).draw()

    def gradient(steps: list[tuple[int, ...]]) -> torch.Tensor:
        net.zero_grad()
        for vector in steps:
            net.set_steps(vector)
            torch.nn.functional.cross_entropy(net(n), labels).backward()
        weight = net.stack()[0].weight
        assert weight.grad is not None
        return weight.grad.clone()

    total = sum(gradient([vector]) for vector in vectors)
    assert torch.allclose(gradient(vectors), total, atol=1e-6)  # type: ignore[arg-type]
    assert len(set(vectors)) > 1


def test_statistics_are_estimated_anew_at_the_steps_that_are_asked() -> None:
    mixture = Mixture((), max_T=6)
    net = network(mixture, norm=True)
    batches = [torch.randint(0, 16, (1, 30, 64)).float() for _ in range(3)]
    net.train()(50 + batches[0])  # what must be forgotten
    Mixing(mixture, net, torch.Generator()).reestimate(batches, (6, 2))
    layer = net.stack()[0]
    assert layer.norm is not None and layer.norm.running_mean is not None
    with torch.no_grad():
        expected = (torch.cat(batches, 1)[0] / 15) @ layer.weight.T
    assert torch.allclose(layer.norm.running_mean, expected.mean(0), atol=1e-4)
    assert net.steps() == (6, 2) and layer.norm.momentum == 0.1


def test_one_file_holds_every_working_point(tmp_path: Path) -> None:
    made, report = train.train(SHORT, out=tmp_path / "n.safetensors", progress=lambda _: None)
    loaded = Network.load(tmp_path / "n.safetensors")
    assert {name: profile.T for name, profile in loaded.profiles.items()} == dict(PROFILES)
    _, test = samples.splits(find("digits"), SHORT, None)
    counts, labels = samples.integer_counts(test), test.labels.numpy()
    for name in loaded.profiles:
        accuracy = (golden.run(loaded, counts, name).answer == labels).mean()
        assert accuracy == report["profiles"][name] == made.provenance["profiles"][name]
    assert (
        report["accuracy"] > 0.9
        and report["profiles"]["slow"] > 0.9
        and report["profiles"]["fast"] > 0.8
    )


BAD = {
    "mixture: profile 'fast' must give T of 2 layers, not 1: (1,)": Mixture((("fast", (1,)),)),
    r"mixture: must draw at least one vector of 1 <= min_T <= max_T, not Mixture\(.*": Mixture(
        (), min_T=3, max_T=2
    ),
}


@pytest.mark.parametrize("text", BAD)
def test_mixtures_that_make_no_sense(text: str) -> None:
    with pytest.raises(
        ValueError,
        match=f"^{text if 'must draw' in text else text.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}$",
    ):
        Mixing(BAD[text], network(BAD[text]), torch.Generator())


def test_two_phase_networks_have_conversion() -> None:
    net = TrainableNetwork(
        (LayerSpec("out", 10, "readout"),), "two_phase", Input((64,), 1, 15), torch.Generator()
    )
    with pytest.raises(
        ValueError,
        match="^mixture: time steps are mixed in time_stepped networks, not in two_phase ones; see conversion$",
    ):
        Mixing(Mixture(()), net, torch.Generator())
