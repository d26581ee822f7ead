"""What is wrong with a recipe's layers: fields, names, and shapes from the input to the readout."""

from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.lib import check
from polyrhythm.sw.network.align import BIAS_MODES
from polyrhythm.sw.network.checks import KINDS, MAX_SIZE, MAX_T
from polyrhythm.sw.training.checks.problems import Problems
from polyrhythm.sw.training.recipe import LayerSpec, Recipe, SkipSpec


def check_layers(found: Problems, recipe: Recipe, row: Dataset) -> None:
    """Fields, names, and shapes from the input to the readout."""
    shape: tuple[int, ...] | None = row.shape
    maps: dict[str, tuple[int, ...] | None] = {}
    for i, spec in enumerate(recipe.layers):
        where = f"layer {i} ({spec.name!s:.40})"
        found.of(check.name, f"layer {i}: name", spec.name)
        name = str(spec.name)
        found.unless(name not in maps, f"{where}: name must differ from that of another layer")
        last = i == len(recipe.layers) - 1
        found.unless(
            (spec.kind == "readout") == last,
            f"{where}: the last layer, and no other, must be the readout, not kind {spec.kind!r}",
        )
        good = _check_fields(found, where, spec, recipe.schedule)
        shape = _shape_behind(found, where, spec, shape) if good else None
        if spec.skip is not None:
            _check_skip(found, where, spec, maps, shape)
        maps[name] = shape if spec.kind == "conv2d" else None
    if recipe.layers[-1].kind == "readout":
        found.of(row.names, recipe.layers[-1].size)


def _check_fields(found: Problems, where: str, spec: LayerSpec, schedule: str) -> bool:
    """Whether all that the shapes depend on is as it must be."""
    good = found.of(check.choice, f"{where}: kind", spec.kind, KINDS)
    for name in ("size", "pool", "stride", "padding", "kernel"):
        low = 0 if name == "padding" else 1
        good &= found.of(check.integer, f"{where}: {name}", getattr(spec, name), low, MAX_SIZE)
    found.of(check.integer, f"{where}: T", spec.T, 1, MAX_T)
    found.of(check.integer, f"{where}: weight_bits", spec.weight_bits, 2, 8)
    found.of(check.choice, f"{where}: reset", spec.reset, ("subtract", "zero"))
    found.of(check.choice, f"{where}: v_init", spec.v_init, ("half_threshold", "zero"))
    found.of(check.choice, f"{where}: bias_mode", spec.bias_mode, BIAS_MODES)
    if spec.leak_shift is not None:
        found.of(check.integer, f"{where}: leak_shift", spec.leak_shift, 0, 62)
    if schedule != "time_stepped":
        text = f"{where}: belongs to time_stepped networks, not to {schedule} ones:"
        found.unless(spec.leak_shift is None, f"{text} leak_shift {spec.leak_shift}")
        found.unless(spec.reset == "subtract", f"{text} reset {spec.reset!r}")
    if spec.kind != "conv2d":
        found.unless(
            (spec.stride, spec.padding) == (1, 0),
            f"{where}: stride and padding belong to conv2d, not to {spec.kind}",
        )
    return good


def _shape_behind(
    found: Problems, where: str, spec: LayerSpec, shape: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    """What a layer makes of its input's shape; None, once reported, where it does not fit."""
    if shape is None:
        return None
    if (spec.pool > 1 or spec.kind == "conv2d") and len(shape) != 3:
        what = "conv2d" if spec.kind == "conv2d" else f"pool {spec.pool}"
        found.append(f"{where}: {what} needs an input map (C, H, W), not {shape}")
        return None
    if spec.pool > 1 and not found.unless(
        spec.pool <= min(shape[1:]),
        f"{where}: pool must fit its input map {shape}, not {spec.pool}",
    ):
        return None
    if spec.kind != "conv2d":
        return (spec.size,)
    pooled = [extent // spec.pool for extent in shape[1:]]
    height, width = (
        (extent + 2 * spec.padding - spec.kernel) // spec.stride + 1 for extent in pooled
    )
    text = (
        f"{where}: the {spec.kernel} x {spec.kernel} kernel must fit its padded input map "
        f"{(shape[0], *pooled)}"
    )
    return (spec.size, height, width) if found.unless(height >= 1 and width >= 1, text) else None


def _check_skip(
    found: Problems,
    where: str,
    spec: LayerSpec,
    maps: dict[str, tuple[int, ...] | None],
    shape: tuple[int, ...] | None,
) -> None:
    skip = spec.skip
    if not isinstance(skip, SkipSpec):
        found.append(f"{where}: skip must be a SkipSpec or None, not {skip!r:.80}")
        return
    earlier = [name for name, there in maps.items() if there is not None]
    if not found.unless(
        skip.source in earlier,
        f"{where}: skip must add an earlier convolution ({', '.join(earlier) or 'none'}), not "
        f"{skip.source!r}",
    ):
        return
    found.of(check.integer, f"{where}: skip weight_bits", skip.weight_bits, 2, 8)
    seen = maps[skip.source]
    if (
        found.of(check.integer, f"{where}: skip stride", skip.stride, 1, MAX_SIZE)
        and seen
        and shape
        and len(shape) == 3
    ):
        got = tuple(-(-extent // skip.stride) for extent in seen[1:])
        found.unless(
            got == shape[1:],
            f"{where}: skip must see a map of {shape[1:]}, but {skip.source} gives {got} at "
            f"stride {skip.stride}",
        )
