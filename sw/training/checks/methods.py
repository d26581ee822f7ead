"""What is wrong with the parts of a recipe that belong to a method, and so to one schedule."""

import math
from typing import Any

from polyrhythm.sw.lib import check
from polyrhythm.sw.network.checks import MAX_SIZE, MAX_T
from polyrhythm.sw.training.checks.problems import Problems
from polyrhythm.sw.training.recipe import Recipe


def check_methods(found: Problems, recipe: Recipe) -> None:
    """The parts that belong to one schedule."""
    homes = {
        "mixture": "time_stepped",
        "anytime": "time_stepped",
        "conversion": "two_phase",
        "clockless": "event_driven",
    }
    for name, home in homes.items():
        if getattr(recipe, name) is not None:
            found.unless(
                recipe.schedule == home,
                f"{name} belongs to {home} networks, not to {recipe.schedule} ones",
            )
    if recipe.schedule == "event_driven":
        found.unless(
            recipe.clockless is not None,
            "event_driven networks are tuned from trained ones: clockless must be given; see "
            "polyrhythm tune",
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
        text = f"mixture: min_T must be at most max_T {mixture.max_T}, not {mixture.min_T}"
        found.unless(mixture.min_T <= mixture.max_T, text)
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
        len(set(names)) == len(names),
        f"mixture: every profile must have a name of its own, not {', '.join(map(str, names))}",
    )
    for name, T in pairs:
        found.of(check.name, "mixture: profile name", name)
        found.unless(
            len(T) == depth,
            f"mixture: profile {name!r} must give T of {depth} layers, not {len(T)}: {T}",
        )
        for value in T:
            found.of(check.integer, f"mixture: profile {name!r}: T", value, 1, MAX_T)


def _is_profile(pair: Any) -> bool:
    return (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and isinstance(pair[1], tuple | list)
    )


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
        found.unless(
            not traded,
            "conversion: no accelerator has residual additions, so cost must be mean_T or events, "
            "not cycles",
        )
