"""The reference networks' training recipes, one row each.

`polyrhythm train --recipe NAME` trains one.
"""

from dataclasses import replace

from polyrhythm.sw.training.recipe import (
    Anytime,
    Augment,
    Conversion,
    LayerSpec,
    Mixture,
    Recipe,
    SkipSpec,
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

FASHION_MT = replace(
    MNIST_MT,
    name="fashion-mt",
    dataset="fashion-mnist",
    preprocess="levels:15",
    layers=(
        LayerSpec("conv1", 16, "conv2d", T=4, padding=1),
        LayerSpec("conv2", 32, "conv2d", T=4, pool=2, padding=1),
        LayerSpec("conv3", 48, "conv2d", T=4, padding=1),
        LayerSpec("out", 10, "readout", pool=2),
    ),
    float_epochs=16,
    quantized_epochs=9,
    snapped_epochs=6,
    augment=Augment(shift=1, mirror=True),
    conversion=Conversion("mean_T", target=2.5),
)

MNIST_MTT = replace(
    MNIST_LIF,
    name="mnist-mtt",
    layers=(LayerSpec("fc1", 128, T=4, leak_shift=3), LayerSpec("out", 10, "readout", T=4)),
    float_epochs=16,
    quantized_epochs=10,
    snapped_epochs=8,
    mixture=Mixture(
        (("t1", (1, 1)), ("t2", (2, 2)), ("t4", (4, 4)), ("t8", (8, 8)), ("mixed", (8, 3))),
        max_T=8,
    ),
)

MNIST_ANYTIME = replace(
    MNIST_LIF,
    name="mnist-anytime",
    layers=(LayerSpec("fc1", 128, T=8, leak_shift=3), LayerSpec("out", 10, "readout", T=8)),
    float_epochs=16,
    quantized_epochs=10,
    snapped_epochs=8,
    anytime=Anytime(),
)

NMNIST_MTT = Recipe(
    name="nmnist-mtt",
    dataset="nmnist",
    preprocess="frames:6:3",
    schedule="time_stepped",
    layers=(
        LayerSpec("conv1", 8, "conv2d", T=6, stride=2, padding=1),
        LayerSpec("conv2", 16, "conv2d", T=6, stride=2, padding=1),
        LayerSpec("conv3", 24, "conv2d", T=6, stride=2, padding=1),
        LayerSpec("out", 10, "readout", T=6, pool=2),
    ),
    float_epochs=80,
    quantized_epochs=40,
    snapped_epochs=30,
    lr=4e-3,
    quantized_lr=2e-3,
    snapped_lr=1e-3,
    batch=50,
    weight_decay=1e-2,
    label_smoothing=0.05,
    augment=Augment(shift=2),
    mixture=Mixture((("t2", (2, 2, 2, 2)), ("mixed", (6, 3, 2, 2))), max_T=6),
)

NMNIST_CONV = replace(
    NMNIST_MTT,
    name="nmnist-conv",
    preprocess="frames:1:15",
    schedule="two_phase",
    layers=tuple(
        replace(spec, T=8) if spec.kind == "conv2d" else replace(spec, T=1)
        for spec in NMNIST_MTT.layers
    ),
    float_epochs=250,
    quantized_epochs=100,
    snapped_epochs=60,
    weight_decay=5e-2,
    label_smoothing=0.1,
    augment=Augment(shift=3),
    mixture=None,
    conversion=Conversion(fixed=True, channels=True),
)

CIFAR_MT = Recipe(
    name="cifar10-mt",
    dataset="cifar10",
    preprocess="levels:15",
    schedule="two_phase",
    layers=(
        LayerSpec("conv1", 28, "conv2d", T=4, padding=1),
        LayerSpec("conv2", 56, "conv2d", T=4, padding=1),
        LayerSpec("conv3", 56, "conv2d", T=4, pool=2, padding=1),
        LayerSpec("conv4", 112, "conv2d", T=4, padding=1),
        LayerSpec("conv5", 112, "conv2d", T=4, pool=2, padding=1),
        LayerSpec("conv6", 112, "conv2d", T=4, padding=1),
        LayerSpec("conv7", 112, "conv2d", T=4, pool=2, padding=1),
        LayerSpec("out", 10, "readout", pool=2),
    ),
    float_epochs=30,
    quantized_epochs=24,
    snapped_epochs=4,
    lr=3e-3,
    quantized_lr=1.5e-3,
    snapped_lr=2e-4,
    weight_decay=5e-2,
    label_smoothing=0.05,
    augment=Augment(crop=4, mirror=True, cutout=8),
    threads=2,
    mixed=True,
    conversion=Conversion("mean_T", target=2.9, channels=True, live_norm=True),
)


def resnet18(width: int, T: int) -> tuple[LayerSpec, ...]:
    """The layers of a ResNet-18 for 32 x 32 images (He et al. 2016), without pooling at first."""
    layers = [LayerSpec("conv1", width, "conv2d", T=T, padding=1)]
    for group in range(4):
        for block in range(2):
            size, stride = width << group, 2 if group and not block else 1
            name, skip = f"conv{group + 2}_{block + 1}", SkipSpec(layers[-1].name, stride)
            layers.append(LayerSpec(f"{name}a", size, "conv2d", T=T, stride=stride, padding=1))
            layers.append(LayerSpec(f"{name}b", size, "conv2d", T=T, padding=1, skip=skip))
    return (*layers, LayerSpec("out", 10, "readout", pool=4))


CIFAR_RESNET = replace(
    CIFAR_MT,
    name="cifar10-resnet18",
    layers=resnet18(16, T=4),
    float_epochs=12,
    quantized_epochs=8,
    snapped_epochs=1,
)

ROWS = (
    DIGITS, DIGITS_LIF, DIGITS_MTT, MNIST_MLP, MNIST_LIF, MNIST_CONV, MNIST_CONV_LIF, MNIST_MT,
    FASHION_MT, MNIST_MTT, MNIST_ANYTIME, NMNIST_MTT, NMNIST_CONV, CIFAR_MT, CIFAR_RESNET,
)  # fmt: skip

RECIPES = {recipe.name: recipe for recipe in ROWS}
