"""Everything that is wrong with a recipe, at once, before anything is trained."""

import math
from collections.abc import Callable
from typing import Any

from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.data.preprocess import Preprocess, parse_preprocess
from polyrhythm.sw.lib import check
from polyrhythm.sw.network.align import BIAS_MODES
from polyrhythm.sw.network.checks import KINDS, MAX_SIZE, MAX_T, SCHEDULES
from polyrhythm.sw.training.recipe import Anytime, Augment, Clockless, Conversion, LayerSpec, Mixture, Recipe, SkipSpec

MOST_EPOCHS = 1_000_000
MAX_SEED = (1 << 63) - 1


class RecipeError(ValueError):
    """A recipe that cannot be trained; the text says all that is wrong with it, one line each."""


def check_recipe(recipe: Recipe, row: Dataset) -> None:
    """Raise RecipeError, with everything that is wrong, unless the recipe can be trained on this data set.

    A recipe without layers is one of a conversion or a tuning, which have them from their models.
    """
    found = problems(recipe, row)
    if len(found) == 1:
        raise RecipeError(f"recipe {_title(recipe)}: {found[0]}")
    if found:
        raise RecipeError(f"recipe {_title(recipe)}: {len(found)} things are wrong:" + "".join(f"\n  {line}" for line in found))


def _title(recipe: Recipe) -> str:
    return f"{recipe.name!s:.40}"


class Problems(list[str]):
    """What is wrong, collected from checks that raise."""

    def of(self, check_one: Callable[..., Any], *arguments: Any) -> bool:
        """Run one check; whether it passed."""
        try:
            check_one(*arguments)
        except (TypeError, ValueError) as error:
            self.append(str(error))
            return False
        return True

    def unless(self, good: bool, text: str) -> bool:
        if not good:
            self.append(text)
        return good


def problems(recipe: Recipe, row: Dataset) -> list[str]:
    """One line for each thing that is wrong."""
    found = Problems()
    found.of(check.name, "name", recipe.name)
    prepared = _check_source(found, recipe)
    scheduled = found.of(check.choice, "schedule", recipe.schedule, SCHEDULES)
    if prepared and scheduled:
        told = f"preprocess {recipe.preprocess} gives {prepared.T} ticks, but {recipe.schedule} networks have none"
        found.unless(prepared.T == 1 or recipe.schedule == "time_stepped", f"{told}; choose levels:N, counts:N or frames:1:N")
    if not _check_parts(found, recipe):
        return found
    if prepared:
        _check_augment(found, recipe, prepared, row)
    _check_numbers(found, recipe)
    if not isinstance(recipe.layers, tuple | list) or not all(isinstance(spec, LayerSpec) for spec in recipe.layers):
        found.append(f"layers must be a tuple of LayerSpec, not {recipe.layers!r:.80}")
        return found
    if recipe.layers:
        _check_layers(found, recipe, row)
    elif not (recipe.clockless or recipe.conversion):
        found.append("layers must hold at least the readout, not nothing")
    _check_methods(found, recipe)
    return found


def _check_parts(found: Problems, recipe: Recipe) -> bool:
    """Whether the parts that are objects of their own are of their kind, so that they can be looked into."""
    good = found.unless(isinstance(recipe.augment, Augment), f"augment must be an Augment, not {recipe.augment!r:.80}")
    for name, kind in (("mixture", Mixture), ("anytime", Anytime), ("clockless", Clockless), ("conversion", Conversion)):
        part = getattr(recipe, name)
        right = part is None or isinstance(part, kind)
        good &= found.unless(right, f"{name} must be a {kind.__name__} or None, not {part!r:.80}")
    return good


def _check_source(found: Problems, recipe: Recipe) -> Preprocess | None:
    try:
        return parse_preprocess(recipe.preprocess)
    except TypeError:
        found.append(f"preprocess must be a string, such as levels:15, not {recipe.preprocess!r:.80}")
    except ValueError as error:
        found.append(str(error))
    return None


def _check_augment(found: Problems, recipe: Recipe, prepared: Preprocess, row: Dataset) -> None:
    """Images can be changed in every way, maps of counts be shifted, and vectors stay."""
    change = recipe.augment
    if not change.active:
        return
    if len(row.shape) != 3:
        found.append(f"augment changes maps (C, H, W), and samples of {row.name} are {row.shape}; leave it out")
    elif prepared.takes != "images" and change != Augment(shift=change.shift):
        kind = "event recordings" if prepared.takes == "recordings" else "counts"
        found.append(f"augment can shift the {kind} of {row.name}, and nothing else")


def _check_numbers(found: Problems, recipe: Recipe) -> None:
    epochs = ("float_epochs", "quantized_epochs", "snapped_epochs")
    for name, low, high in (
        *((name, 0, MOST_EPOCHS) for name in epochs), ("batch", 1, MAX_SIZE), ("threads", 1, 4096), ("validation", 0, MAX_SIZE),
        ("seed", -MAX_SEED - 1, MAX_SEED),
    ):  # fmt: skip
        found.of(check.integer, name, getattr(recipe, name), low, high)
    none = recipe.layers and not recipe.conversion and all(getattr(recipe, name) == 0 for name in epochs)
    found.unless(not none, f"{', '.join(epochs)} must not all be 0: nothing would be learned")
    used = [("scale_lr", True), ("surrogate_width", True)]
    used += [(name, bool(getattr(recipe, of))) for name, of in zip(("lr", "quantized_lr", "snapped_lr"), epochs, strict=True)]
    for name, is_used in used:
        if is_used:
            found.of(check.real, name, getattr(recipe, name), math.inf)
    for name in ("weight_decay", "label_smoothing"):
        value = getattr(recipe, name)
        good = isinstance(value, int | float) and 0 <= value < (1 if name == "label_smoothing" else math.inf)
        found.unless(good, f"{name} must be 0 or more{' and below 1' if name == 'label_smoothing' else ''}, not {value!r}")


def _check_layers(found: Problems, recipe: Recipe, row: Dataset) -> None:
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
            (spec.kind == "readout") == last, f"{where}: the last layer, and no other, must be the readout, not kind {spec.kind!r}"
        )
        good = _check_fields(found, where, spec, recipe.schedule)
        shape = _shape_behind(found, where, spec, shape) if good else None
        if spec.skip is not None:
            _check_skip(found, where, spec, maps, shape)
        maps[name] = shape if spec.kind == "conv2d" else None
    if recipe.layers[-1].kind == "readout":
        found.of(row.names, recipe.layers[-1].size)


def _check_fields(found: Problems, where: str, spec: LayerSpec, schedule: str) -> bool:
    """Whether all that the shapes hang on is well."""
    good = found.of(check.choice, f"{where}: kind", spec.kind, KINDS)
    for name, low, high in (("size", 1, MAX_SIZE), ("pool", 1, MAX_SIZE), ("stride", 1, MAX_SIZE), ("padding", 0, MAX_SIZE),
                            ("kernel", 1, MAX_SIZE)):  # fmt: skip
        good &= found.of(check.integer, f"{where}: {name}", getattr(spec, name), low, high)
    found.of(check.integer, f"{where}: T", spec.T, 1, MAX_T)
    found.of(check.integer, f"{where}: weight_bits", spec.weight_bits, 2, 8)
    found.of(check.choice, f"{where}: reset", spec.reset, ("subtract", "zero"))
    found.of(check.choice, f"{where}: v_init", spec.v_init, ("half_threshold", "zero"))
    found.of(check.choice, f"{where}: bias_mode", spec.bias_mode, BIAS_MODES)
    if spec.leak_shift is not None:
        found.of(check.integer, f"{where}: leak_shift", spec.leak_shift, 0, 62)
    if schedule != "time_stepped":
        told = f"{where}: belongs to time_stepped networks, not to {schedule} ones:"
        found.unless(spec.leak_shift is None, f"{told} leak_shift {spec.leak_shift}")
        found.unless(spec.reset == "subtract", f"{told} reset {spec.reset!r}")
    if spec.kind != "conv2d":
        found.unless((spec.stride, spec.padding) == (1, 0), f"{where}: stride and padding belong to conv2d, not to {spec.kind}")
    return good


def _shape_behind(found: Problems, where: str, spec: LayerSpec, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """What a layer makes of its input's shape; None, once told, where it does not fit."""
    if shape is None:
        return None
    if (spec.pool > 1 or spec.kind == "conv2d") and len(shape) != 3:
        what = "conv2d" if spec.kind == "conv2d" else f"pool {spec.pool}"
        found.append(f"{where}: {what} needs an input map (C, H, W), not {shape}")
        return None
    if spec.pool > 1 and not found.unless(
        spec.pool <= min(shape[1:]), f"{where}: pool must fit its input map {shape}, not {spec.pool}"
    ):
        return None
    if spec.kind != "conv2d":
        return (spec.size,)
    pooled = [extent // spec.pool for extent in shape[1:]]
    height, width = ((extent + 2 * spec.padding - spec.kernel) // spec.stride + 1 for extent in pooled)
    told = f"{where}: the {spec.kernel} x {spec.kernel} kernel must fit its padded input map {(shape[0], *pooled)}"
    return (spec.size, height, width) if found.unless(height >= 1 and width >= 1, told) else None


def _check_skip(
    found: Problems, where: str, spec: LayerSpec, maps: dict[str, tuple[int, ...] | None], shape: tuple[int, ...] | None
) -> None:
    skip = spec.skip
    if not isinstance(skip, SkipSpec):
        found.append(f"{where}: skip must be a SkipSpec or None, not {skip!r:.80}")
        return
    earlier = [name for name, there in maps.items() if there is not None]
    if not found.unless(
        skip.source in earlier,
        f"{where}: skip must add an earlier convolution ({', '.join(earlier) or 'none'}), not {skip.source!r}",
    ):
        return
    found.of(check.integer, f"{where}: skip weight_bits", skip.weight_bits, 2, 8)
    seen = maps[skip.source]
    if found.of(check.integer, f"{where}: skip stride", skip.stride, 1, MAX_SIZE) and seen and shape and len(shape) == 3:
        got = tuple(-(-extent // skip.stride) for extent in seen[1:])
        found.unless(
            got == shape[1:], f"{where}: skip must see a map of {shape[1:]}, but {skip.source} gives {got} at stride {skip.stride}"
        )


def _check_methods(found: Problems, recipe: Recipe) -> None:
    """The parts that belong to one schedule."""
    homes = {"mixture": "time_stepped", "anytime": "time_stepped", "conversion": "two_phase", "clockless": "event_driven"}
    for name, home in homes.items():
        if getattr(recipe, name) is not None:
            found.unless(recipe.schedule == home, f"{name} belongs to {home} networks, not to {recipe.schedule} ones")
    if recipe.schedule == "event_driven":
        found.unless(
            recipe.clockless is not None,
            "event_driven networks are tuned from trained ones: clockless must be given; see polyrhythm tune",
        )
    if recipe.mixture is not None:
        _check_mixture(found, recipe)
    if recipe.conversion is not None:
        _check_conversion(found, recipe)
    if recipe.clockless is not None:
        found.of(check.integer, "clockless: T", recipe.clockless.T, 1, MAX_T)
        found.of(check.integer, "clockless: bins", recipe.clockless.bins, 1, MAX_SIZE)


def _check_mixture(found: Problems, recipe: Recipe) -> None:
    mixture, depth = recipe.mixture, len(recipe.layers)
    assert mixture is not None
    for name, low in (("draws", 1), ("min_T", 1), ("max_T", 1)):
        found.of(check.integer, f"mixture: {name}", getattr(mixture, name), low, MAX_T)
    if isinstance(mixture.min_T, int) and isinstance(mixture.max_T, int):
        told = f"mixture: min_T must be at most max_T {mixture.max_T}, not {mixture.min_T}"
        found.unless(mixture.min_T <= mixture.max_T, told)
    pairs = mixture.profiles
    if not isinstance(pairs, tuple | list) or not all(_is_profile(pair) for pair in pairs):
        steps = (2,) * depth
        found.append(
            "mixture: profiles must be a tuple of pairs, the name and T of each layer, such as "
            f'(("t2", {steps}),) for one alone, not {pairs!r:.80}'
        )
        return
    names = [name for name, _ in pairs]
    found.unless(
        len(set(names)) == len(names), f"mixture: every profile must have a name of its own, not {', '.join(map(str, names))}"
    )
    for name, T in pairs:
        found.of(check.name, "mixture: profile name", name)
        found.unless(len(T) == depth, f"mixture: profile {name!r} must give T of {depth} layers, not {len(T)}: {T}")
        for value in T:
            found.of(check.integer, f"mixture: profile {name!r}: T", value, 1, MAX_T)


def _is_profile(pair: Any) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], tuple | list)


def _check_conversion(found: Problems, recipe: Recipe) -> None:
    conversion = recipe.conversion
    assert conversion is not None
    found.of(check.choice, "conversion: cost", conversion.cost, ("cycles", "mean_T", "events"))
    found.of(check.integer, "conversion: max_T", conversion.max_T, 1, MAX_T)
    good = isinstance(conversion.trade, int | float) and 0 <= conversion.trade < math.inf
    found.unless(good, f"conversion: trade must be 0 or more, not {conversion.trade!r}")
    if conversion.target is not None:
        found.of(check.real, "conversion: target", conversion.target, math.inf)
    if conversion.cost == "cycles" and any(spec.skip for spec in recipe.layers):
        traded = bool(conversion.trade or conversion.target)
        found.unless(not traded, "conversion: no accelerator has residual additions, so cost must be mean_T or events, not cycles")
