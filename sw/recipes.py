"""Training recipes: everything that decides how a reference network comes out, as data.

`polyrhythm train --recipe NAME` trains one. A recipe is scored on the test split once, after its last epoch; to tune
one, set `validation`, which keeps training samples back and scores those instead.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LayerSpec:
    """One layer before it has weights; the names are those of sw.network.Layer."""

    name: str
    size: int  # neurons (dense, readout) or output channels (conv2d)
    kind: str = "dense"
    T: int = 1  # time steps; in two_phase the number of levels above 0
    weight_bits: int = 4
    leak_shift: int | None = None  # v loses v >> leak_shift in each tick; None: no leak
    reset: str = "subtract"
    v_init: str = "half_threshold"  # two_phase needs it: it makes the count a rounding quantizer
    bias_mode: str = "per_tick"
    pool: int = 1
    stride: int = 1
    padding: int = 0
    kernel: int = 3  # conv2d: K


@dataclass(frozen=True)
class Augment:
    """Random changes of each training image, the affine ones uniform in these ranges around none; all 0 is off."""

    shift: float = 0.0  # pixels, in x and in y
    rotate: float = 0.0  # degrees
    zoom: float = 0.0  # relative
    shear: float = 0.0  # pixels per pixel
    mirror: bool = False  # left and right, every other image

    @property
    def active(self) -> bool:
        return any((self.shift, self.rotate, self.zoom, self.shear, self.mirror))


@dataclass(frozen=True)
class Conversion:
    """Learned time steps (MT-SNN, `sw.conversion`): each layer's T follows from a learned clip range and a learned count.

    `cost` is what is traded against accuracy: "cycles" (of the cycle law), "mean_T", or "events" (spikes of a frame).
    """

    cost: str = "cycles"
    trade: float = 0.0  # weight of cost / (cost when the quantizers were set) in the loss: the knob of a family of networks
    target: float | None = None  # of the cost: the weight then falls to 0 where it is reached, and grows while it is not
    max_T: int = 15
    norm: bool = True  # batch normalization while the network is float, folded into the weights afterwards


@dataclass(frozen=True)
class Mixture:
    """Mixed time-step training (MTT, `sw.mtt`): every batch is learned at several vectors of time steps, drawn at random."""

    profiles: tuple[tuple[str, tuple[int, ...]], ...]  # working points that the file will hold: name, T of each layer
    draws: int = 3  # vectors a batch
    min_T: int = 1
    max_T: int = 8
    norm: bool = True  # batch normalization of currents while the network is float, re-estimated at max_T and folded


@dataclass(frozen=True)
class Anytime:
    """Answers that are good after every tick (STR, `sw.anytime`): what the loss has beside each tick's cross-entropy."""

    mean_square: float = 1e-3  # share of the squared distance of a tick's logits from 1 (TET)
    regular: float = 0.1  # weight of the regularizer of space and time


@dataclass(frozen=True)
class Clockless:
    """Fine-tuning of a trained network for `event_driven` hardware of `unsigned` neurons (`sw.clockless`)."""

    T: int = 15  # spikes that a neuron may send in a frame
    bins: int = 16  # parts in which a frame's events are looked at


@dataclass(frozen=True)
class Stage:
    """A part of a run: what the network is in it (`sw.trainable`), for how long, and the learning rate at its start."""

    name: str
    epochs: int
    lr: float


@dataclass(frozen=True)
class Recipe:
    """One training run: float network, then quantizers with learned scales, then the snapped integer network."""

    name: str
    dataset: str
    preprocess: str  # see sw.data.encode
    schedule: str  # two_phase or time_stepped
    layers: tuple[LayerSpec, ...]
    float_epochs: int  # float weights; ReLU (two_phase) or LIF with float potentials (time_stepped)
    quantized_epochs: int  # integer weights with learned steps, float thresholds with learned clip ranges
    snapped_epochs: int  # integer thresholds and biases: the forward pass is the integer network's
    lr: float  # AdamW's rate at the start of the float stage; each stage decays along a half cosine to 0
    quantized_lr: float
    snapped_lr: float
    scale_lr: float = 0.1  # rate of steps and clip ranges relative to that of the weights
    batch: int = 128
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    surrogate_width: float = 1.0  # time_stepped: half the base of the triangle, in thresholds
    augment: Augment = Augment()
    seed: int = 0
    threads: int = 1  # of torch: the order of float sums, and so the result, hangs on it
    validation: int = 0  # training samples, evenly spaced, that are kept back and scored instead of the test split
    mixture: Mixture | None = None  # time_stepped: the layers' T are those of the network without a profile
    anytime: Anytime | None = None  # time_stepped
    clockless: Clockless | None = None  # event_driven: layers, weights and thresholds are those of the network it begins with
    conversion: Conversion | None = None  # two_phase: the layers' T are where learning starts; None: they stay

    @property
    def stages(self) -> tuple[Stage, ...]:
        if self.clockless:
            return (Stage("snapped", self.snapped_epochs, self.snapped_lr),)
        return (
            Stage("float", self.float_epochs, self.lr),
            Stage("quantized", self.quantized_epochs, self.quantized_lr),
            Stage("snapped", self.snapped_epochs, self.snapped_lr),
        )


DIGITS = Recipe(
    name="digits",
    dataset="digits",
    preprocess="levels:15",
    schedule="two_phase",
    layers=(LayerSpec("fc1", 20, T=3), LayerSpec("out", 10, "readout")),
    float_epochs=60,
    quantized_epochs=60,
    snapped_epochs=40,
    lr=1e-2,
    quantized_lr=5e-3,
    snapped_lr=2e-3,
    batch=32,
    weight_decay=1e-2,
    label_smoothing=0.05,
    augment=Augment(shift=0.3, rotate=4, zoom=0.04),
)

DIGITS_LIF = Recipe(
    name="digits-lif",
    dataset="digits",
    preprocess="rate:10",
    schedule="time_stepped",
    layers=(LayerSpec("fc1", 20, T=10, leak_shift=4), LayerSpec("out", 10, "readout", T=10)),
    float_epochs=40,
    quantized_epochs=40,
    snapped_epochs=30,
    lr=1e-2,
    quantized_lr=5e-3,
    snapped_lr=2e-3,
    batch=32,
    weight_decay=1e-2,
    label_smoothing=0.05,
    surrogate_width=2.0,
    augment=Augment(shift=0.3, rotate=4, zoom=0.04),
)

DIGITS_MTT = replace(
    DIGITS_LIF,
    name="digits-mtt",
    preprocess="levels:15",
    layers=(LayerSpec("fc1", 20, T=4, leak_shift=4), LayerSpec("out", 10, "readout", T=4)),
    mixture=Mixture((("t1", (1, 1)), ("t2", (2, 2)), ("t8", (8, 8)), ("mixed", (8, 3))), max_T=8),
)

MNIST_MLP = Recipe(
    name="mnist-mlp",
    dataset="mnist",
    preprocess="levels:3",
    schedule="two_phase",
    layers=(LayerSpec("fc1", 128, T=7), LayerSpec("out", 10, "readout")),
    float_epochs=24,
    quantized_epochs=16,
    snapped_epochs=12,
    lr=3e-3,
    quantized_lr=1.5e-3,
    snapped_lr=1e-3,
    weight_decay=1e-4,
    label_smoothing=0.05,
    augment=Augment(shift=1.5, rotate=8, zoom=0.08, shear=0.08),
)

MNIST_LIF = replace(
    MNIST_MLP,
    name="mnist-lif",
    schedule="time_stepped",
    layers=(
        LayerSpec("fc1", 128, T=5, leak_shift=3),
        LayerSpec("fc2", 64, T=3, leak_shift=3),
        LayerSpec("out", 10, "readout", T=4),
    ),
)

MNIST_CONV = replace(
    MNIST_MLP,
    name="mnist-conv",
    layers=(
        LayerSpec("conv1", 8, "conv2d", T=3, padding=1),
        LayerSpec("conv2", 16, "conv2d", T=2, pool=2, padding=1),
        LayerSpec("out", 10, "readout", pool=2),
    ),
    float_epochs=8,
    quantized_epochs=6,
    snapped_epochs=6,
    lr=4e-3,
    quantized_lr=2e-3,
)

MNIST_CONV_LIF = replace(
    MNIST_CONV,
    name="mnist-conv-lif",
    schedule="time_stepped",
    layers=(
        LayerSpec("conv1", 8, "conv2d", T=4, leak_shift=3, padding=1),
        LayerSpec("conv2", 16, "conv2d", T=3, leak_shift=3, pool=2, padding=1),
        LayerSpec("out", 10, "readout", T=4, pool=2),
    ),
    float_epochs=5,
    quantized_epochs=4,
    snapped_epochs=4,
)

MNIST_MT = replace(
    MNIST_MLP,
    name="mnist-mt",
    layers=(
        LayerSpec("conv1", 12, "conv2d", T=3, padding=1),
        LayerSpec("conv2", 24, "conv2d", T=3, pool=2, padding=1),
        LayerSpec("conv3", 32, "conv2d", T=3, pool=2, padding=1),
        LayerSpec("out", 10, "readout", pool=2),
    ),
    float_epochs=14,
    quantized_epochs=10,
    snapped_epochs=8,
    lr=4e-3,
    quantized_lr=2e-3,
    conversion=Conversion("mean_T", target=2.0),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (DIGITS, DIGITS_LIF, DIGITS_MTT, MNIST_MLP, MNIST_LIF, MNIST_CONV, MNIST_CONV_LIF, MNIST_MT)
}
