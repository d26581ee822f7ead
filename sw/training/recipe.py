"""Recipes: everything that decides how a network comes out of a training run, as data.

The rows are in `recipes`.

A recipe is scored on the test split once, after its last epoch; to tune one, set `validation`,
which keeps training samples back and scores those instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SkipSpec:
    """A residual addition before it has weights; see `sw.network.Skip`."""

    source: str  # name of an earlier convolution
    stride: int = 1
    weight_bits: int = 8


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
    skip: SkipSpec | None = None


@dataclass(frozen=True)
class Augment:
    """Random changes of each training image; with all 0 there are none.

    The affine ones are uniform in these ranges around no change.
    """

    shift: float = 0.0  # pixels, in x and in y
    rotate: float = 0.0  # degrees
    zoom: float = 0.0  # relative
    shear: float = 0.0  # pixels per pixel
    mirror: bool = False  # left and right, every other image
    # as shift, but whole pixels, so that nothing is blurred; beside mirror and cutout alone
    crop: int | None = None
    cutout: int | None = None  # side of a square that is black, its middle anywhere in the image

    def __post_init__(self) -> None:
        if (self.crop or self.cutout) and any((self.shift, self.rotate, self.zoom, self.shear)):
            raise ValueError(
                "augment: crop and cutout keep pixels whole, so shift, rotate, zoom and shear "
                "must be 0 beside them"
            )

    @property
    def active(self) -> bool:
        return any(
            (self.shift, self.rotate, self.zoom, self.shear, self.mirror, self.crop, self.cutout)
        )


@dataclass(frozen=True)
class Conversion:
    """Learned time steps (MT-SNN, `methods.conversion`).

    Each layer's T follows from a learned clip range and a learned count.

    `cost` is what is traded against accuracy: "cycles" (of the cycle model), "mean_T", or "events"
    (spikes of a frame).
    """

    cost: str = "cycles"
    # weight of cost / (cost when the quantizers were set) in the loss: the knob of a family of
    # networks
    trade: float = 0.0
    # of the cost: the weight then falls to 0 where it is reached, and grows while it is not
    target: float | None = None
    max_T: int = 15
    # batch normalization while the network is float, folded into the weights afterwards
    norm: bool = True
    # T stays where it begins: the uniform networks that learned time steps are measured against
    fixed: bool = False
    # normalization stays while weights are quantized, and is folded when they are snapped; needs
    # channels
    live_norm: bool = False
    # each channel's weights have a step of their own, and so its threshold; the readout's share one
    channels: bool = False

    def __post_init__(self) -> None:
        if self.live_norm and not (self.norm and self.channels):
            raise ValueError(
                "conversion: live_norm folds into steps of channels, so norm and channels must be "
                "on beside it"
            )


@dataclass(frozen=True)
class Mixture:
    """Mixed time-step training (MTT, `methods.mtt`).

    Every batch is learned at several vectors of time steps, drawn at random.
    """

    # working points that the file will hold: name, T of each layer
    profiles: tuple[tuple[str, tuple[int, ...]], ...]
    draws: int = 3  # vectors a batch
    min_T: int = 1
    max_T: int = 8
    # batch normalization of currents while the network is float, re-estimated at the network's own
    # T and folded
    norm: bool = True
    # a vector's layers have the same T: the naive mixture that MTT is measured against
    uniform: bool = False


@dataclass(frozen=True)
class Anytime:
    """Answers that are good after every tick (STR, `methods.anytime`).

    These are the terms that the loss has beside each tick's cross-entropy.
    """

    mean_square: float = 1e-3  # share of the squared distance of a tick's logits from 1 (TET)
    regular: float = 0.1  # weight of the regularizer of space and time


@dataclass(frozen=True)
class ToEvents:
    """Fine-tuning of a trained network for `event_driven` hardware of `unsigned` neurons."""

    T: int = 15  # spikes that a neuron may send in a frame
    bins: int = 16  # parts in which a frame's events are looked at


Clockless = ToEvents  # its name in recipes of earlier versions


@dataclass(frozen=True)
class Stage:
    """A part of a run: the network's stage (`layers.layer`), and how it is trained in it."""

    name: str
    epochs: int
    lr: float


@dataclass(frozen=True)
class Recipe:
    """One training run, of a float, a quantized and a snapped stage."""

    name: str
    dataset: str
    preprocess: str  # see sw.data.encode
    schedule: str  # two_phase, time_stepped, or, with clockless, event_driven
    layers: tuple[LayerSpec, ...]
    float_epochs: int  # float weights; ReLU (two_phase) or LIF with float potentials (time_stepped)
    # integer weights with learned steps, float thresholds with learned clip ranges
    quantized_epochs: int
    snapped_epochs: int  # integer thresholds and biases: the forward pass is the integer network's
    # AdamW's rate at the start of the float stage; each stage decays along a half cosine to 0
    lr: float
    quantized_lr: float
    snapped_lr: float
    scale_lr: float = 0.1  # rate of steps and clip ranges relative to that of the weights
    batch: int = 128
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    surrogate_width: float = 1.0  # time_stepped: half the base of the triangle, in thresholds
    augment: Augment = Augment()
    seed: int = 0
    threads: int = 1  # of torch: the order of float sums, and so the result, depends on it
    # products in bfloat16 until the snap, on a CPU that has them too; None: in the float stage on a
    # GPU
    mixed: bool | None = None
    # training samples, evenly spaced, that are kept back and scored instead of the test split
    validation: int = 0
    # time_stepped: the layers' T are those of the network without a profile
    mixture: Mixture | None = None
    anytime: Anytime | None = None  # time_stepped
    # event_driven: layers, weights and thresholds are those of the network it begins with; the
    # field keeps the name that it has in network files and run folders
    clockless: ToEvents | None = None
    # two_phase: the layers' T are where learning starts; None: they stay
    conversion: Conversion | None = None

    @property
    def norm(self) -> bool:
        """Whether the float network has batch normalization."""
        return any(part.norm for part in (self.conversion, self.mixture) if part is not None)

    @property
    def stages(self) -> tuple[Stage, ...]:
        if self.clockless:
            return (Stage("snapped", self.snapped_epochs, self.snapped_lr),)
        return (
            Stage("float", self.float_epochs, self.lr),
            Stage("quantized", self.quantized_epochs, self.quantized_lr),
            Stage("snapped", self.snapped_epochs, self.snapped_lr),
        )


def steered(cost: str, target: float | None, trade: float, max_T: int) -> Conversion:
    """How `convert` learns time steps.

    With a target, the weight of the cost begins at `trade`, or 0.1; else `trade` weighs the cycles.
    """
    if target is None:
        return Conversion(trade=trade, max_T=max_T, channels=True, live_norm=True)
    return Conversion(
        cost=cost, trade=trade or 0.1, target=target, max_T=max_T, channels=True, live_norm=True
    )


def converting(
    name: str,
    dataset: str,
    preprocess: str,
    conversion: Conversion,
    epochs: tuple[int, int],
    lr: float,
    seed: int,
    threads: int,
) -> Recipe:
    """The recipe of `convert`: layers and floats are the model's.

    epochs: quantized and snapped, the second at half the rate.
    """
    return Recipe(
        name, dataset, preprocess, "two_phase", (), 0, *epochs, lr, lr, lr / 2,
        seed=seed, threads=threads, conversion=conversion,
    )  # fmt: skip
