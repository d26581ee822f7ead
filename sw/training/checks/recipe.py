"""Everything that is wrong with a recipe, at once, before anything is trained."""

import math

from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.data.preprocess import Preprocess, parse_preprocess
from polyrhythm.sw.lib import check
from polyrhythm.sw.network.checks import MAX_SIZE, SCHEDULES
from polyrhythm.sw.training.checks.layers import check_layers
from polyrhythm.sw.training.checks.methods import check_methods
from polyrhythm.sw.training.checks.problems import Problems, RecipeError
from polyrhythm.sw.training.recipe import (
    Anytime,
    Augment,
    Conversion,
    LayerSpec,
    Mixture,
    Recipe,
    ToEvents,
)

MOST_EPOCHS = 1_000_000
MAX_SEED = (1 << 63) - 1


def check_recipe(recipe: Recipe, row: Dataset) -> None:
    """Raise RecipeError, with everything that is wrong, unless the recipe can be trained on `row`.

    A recipe without layers is one of a conversion or a tuning, which have them from their models.
    """
    found = problems(recipe, row)
    if len(found) == 1:
        raise RecipeError(f"recipe {_title(recipe)}: {found[0]}")
    if found:
        raise RecipeError(
            f"recipe {_title(recipe)}: {len(found)} things are wrong:"
            + "".join(f"\n  {line}" for line in found)
        )


def _title(recipe: Recipe) -> str:
    return f"{recipe.name!s:.40}"


def problems(recipe: Recipe, row: Dataset) -> list[str]:
    """One line for each thing that is wrong."""
    found = Problems()
    found.of(check.name, "name", recipe.name)
    prepared = _check_source(found, recipe)
    scheduled = found.of(check.choice, "schedule", recipe.schedule, SCHEDULES)
    if prepared and scheduled:
        text = (
            f"preprocess {recipe.preprocess} gives {prepared.T} ticks, but {recipe.schedule} "
            "networks have none"
        )
        found.unless(
            prepared.T == 1 or recipe.schedule == "time_stepped",
            f"{text}; choose levels:N, counts:N or frames:1:N",
        )
    if not _check_parts(found, recipe):
        return found
    if prepared:
        _check_augment(found, recipe, prepared, row)
    _check_numbers(found, recipe)
    if not isinstance(recipe.layers, tuple | list) or not all(
        isinstance(spec, LayerSpec) for spec in recipe.layers
    ):
        found.append(f"layers must be a tuple of LayerSpec, not {recipe.layers!r:.80}")
        return found
    if recipe.layers:
        check_layers(found, recipe, row)
    elif not (recipe.clockless or recipe.conversion):
        found.append("layers must hold at least the readout, not nothing")
    check_methods(found, recipe)
    return found


def _check_parts(found: Problems, recipe: Recipe) -> bool:
    """Whether the parts that are objects of their own are of their kind and can be looked into."""
    good = found.unless(
        isinstance(recipe.augment, Augment),
        f"augment must be an Augment, not {recipe.augment!r:.80}",
    )
    for name, kind in (
        ("mixture", Mixture),
        ("anytime", Anytime),
        ("clockless", ToEvents),
        ("conversion", Conversion),
    ):
        part = getattr(recipe, name)
        right = part is None or isinstance(part, kind)
        good &= found.unless(right, f"{name} must be a {kind.__name__} or None, not {part!r:.80}")
    return good


def _check_source(found: Problems, recipe: Recipe) -> Preprocess | None:
    try:
        return parse_preprocess(recipe.preprocess)
    except TypeError:
        found.append(
            f"preprocess must be a string, such as levels:15, not {recipe.preprocess!r:.80}"
        )
    except ValueError as error:
        found.append(str(error))
    return None


def _check_augment(found: Problems, recipe: Recipe, prepared: Preprocess, row: Dataset) -> None:
    """Images can be changed in every way, maps of counts be shifted, and vectors stay."""
    change = recipe.augment
    if not change.active:
        return
    if len(row.shape) != 3:
        found.append(
            f"augment changes maps (C, H, W), and samples of {row.name} are {row.shape}; leave it "
            "out"
        )
    elif prepared.takes != "images" and change != Augment(shift=change.shift):
        kind = "event recordings" if prepared.takes == "recordings" else "counts"
        found.append(f"augment can shift the {kind} of {row.name}, and nothing else")


def _check_numbers(found: Problems, recipe: Recipe) -> None:
    epochs = ("float_epochs", "quantized_epochs", "snapped_epochs")
    for name, low, high in (
        *((name, 0, MOST_EPOCHS) for name in epochs), ("batch", 1, MAX_SIZE), ("threads", 1, 4096),
        ("validation", 0, MAX_SIZE), ("seed", -MAX_SEED - 1, MAX_SEED),
    ):  # fmt: skip
        found.of(check.integer, name, getattr(recipe, name), low, high)
    none = (
        recipe.layers
        and not recipe.conversion
        and all(getattr(recipe, name) == 0 for name in epochs)
    )
    found.unless(not none, f"{', '.join(epochs)} must not all be 0: nothing would be learned")
    used = [("scale_lr", True), ("surrogate_width", True)]
    used += [
        (name, bool(getattr(recipe, of)))
        for name, of in zip(("lr", "quantized_lr", "snapped_lr"), epochs, strict=True)
    ]
    for name, is_used in used:
        if is_used:
            found.of(check.real, name, getattr(recipe, name), math.inf)
    for name in ("weight_decay", "label_smoothing"):
        value = getattr(recipe, name)
        good = isinstance(value, int | float) and 0 <= value < (
            1 if name == "label_smoothing" else math.inf
        )
        found.unless(
            good,
            f"{name} must be 0 or more{' and below 1' if name == 'label_smoothing' else ''}, not "
            f"{value!r}",
        )
