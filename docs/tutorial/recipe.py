"""How the bars are learned: a network of LIF neurons, trained for many time steps at once. Change
it to your liking."""

from polyrhythm.sw.training.recipe import Augment, LayerSpec, Mixture, Recipe

BARS = Recipe(
    name="bars",
    dataset="bars",
    preprocess="frames:8:3",  # eight slices of a recording, counts up to 3
    schedule="time_stepped",
    layers=(
        LayerSpec("conv1", 8, "conv2d", T=8, stride=2, padding=1, leak_shift=3),
        LayerSpec("fc2", 32, T=4, pool=2, leak_shift=3),
        LayerSpec("out", 4, "readout", T=4),
    ),
    float_epochs=30,
    quantized_epochs=25,
    snapped_epochs=15,
    lr=5e-3,
    quantized_lr=2e-3,
    snapped_lr=1e-3,
    batch=50,
    augment=Augment(shift=4),
    mixture=Mixture((("fast", (4, 2, 2)),), max_T=8),  # a second working point in the same file
)
