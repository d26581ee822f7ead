"""Recipes of users: all that is wrong is told at once, before training, and rows of ours are
well."""

from dataclasses import fields, replace
from typing import Any

import pytest

from polyrhythm.sw import data
from polyrhythm.sw.training.checks.problems import RecipeError
from polyrhythm.sw.training.checks.recipe import check_recipe, problems
from polyrhythm.sw.training.recipe import (
    Anytime,
    Augment,
    Conversion,
    LayerSpec,
    Mixture,
    Recipe,
    SkipSpec,
    ToEvents,
)
from polyrhythm.sw.training.recipes import DIGITS, DIGITS_LIF, DIGITS_MTT, RECIPES

ROW = data.find("digits")
FC, OUT = LayerSpec("fc1", 20, T=3), LayerSpec("out", 10, "readout")


def conv(name: str = "conv1", **fields: Any) -> LayerSpec:
    return LayerSpec(name, **({"size": 4, "kind": "conv2d"} | fields))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_ours_are_well(recipe: Recipe) -> None:
    assert problems(recipe, data.find(recipe.dataset)) == []


def test_everything_is_told_at_once() -> None:
    wrong = replace(
        DIGITS,
        name="a/b",
        preprocess="rate:4",
        batch=0,
        layers=(replace(FC, T=0), replace(OUT, size=9)),
    )
    with pytest.raises(RecipeError) as caught:
        check_recipe(wrong, ROW)
    assert str(caught.value) == (
        "recipe a/b: 5 things are wrong:\n"
        "  name must be 1 to 100 printable characters, no slash or backslash, no dot first, not 'a/b'\n"
        "  preprocess rate:4 gives 4 ticks, but two_phase networks have none; choose levels:N, counts:N or frames:1:N\n"
        "  batch must lie in 1..16777216, not 0\n"
        "  layer 0 (fc1): T must lie in 1..65536, not 0\n"
        "  digits: has 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), but the network has 9 outputs"
    )


ALIKE = "name must be 1 to 100 printable characters, no slash or backslash, no dot first, not "
CHANGES: list[tuple[Recipe, dict[str, Any], str]] = [
    (DIGITS, {"name": "n" * 101}, ALIKE + repr("n" * 100)),
    (DIGITS, {"preprocess": 15}, "preprocess must be a string, such as levels:15, not 15"),
    (DIGITS, {"schedule": "clocked"}, "schedule must be one of two_phase, time_stepped, event_driven, not 'clocked'"),
    (DIGITS, {"lr": 0.0}, "lr must be a finite number above 0, not 0.0"),
    (DIGITS, {"snapped_epochs": 1.5}, "snapped_epochs must be an integer, not 1.5"),
    (DIGITS, {"seed": 1 << 64}, f"seed must lie in {-(1 << 63)}..{(1 << 63) - 1}, not {1 << 64}"),
    (DIGITS, {"label_smoothing": 1.0}, "label_smoothing must be 0 or more and below 1, not 1.0"),
    (DIGITS, {"weight_decay": -1}, "weight_decay must be 0 or more, not -1"),
    (DIGITS, {"layers": ()}, "layers must hold at least the readout, not nothing"),
    (DIGITS, {"layers": ("fc1", 20)}, "layers must be a tuple of LayerSpec, not ('fc1', 20)"),
    (DIGITS, {"layers": (FC,)}, "layer 0 (fc1): the last layer, and no other, must be the readout, not kind 'dense'"),
    (DIGITS, {"layers": (FC, FC, OUT)}, "layer 1 (fc1): name must differ from that of another layer"),
    (DIGITS, {"layers": (replace(FC, kind="pool"), OUT)}, "layer 0 (fc1): kind must be one of dense, conv2d, readout, not 'pool'"),
    (DIGITS, {"layers": (replace(FC, weight_bits=9), OUT)}, "layer 0 (fc1): weight_bits must lie in 2..8, not 9"),
    (DIGITS, {"layers": (replace(FC, leak_shift=3), OUT)}, "layer 0 (fc1): belongs to time_stepped networks, not to two_phase ones: leak_shift 3"),
    (DIGITS, {"layers": (replace(FC, stride=2), OUT)}, "layer 0 (fc1): stride and padding belong to conv2d, not to dense"),
    (DIGITS, {"layers": (replace(FC, pool=9), OUT)}, "layer 0 (fc1): pool must fit its input map (1, 8, 8), not 9"),
    (DIGITS, {"layers": (FC, conv(), OUT)}, "layer 1 (conv1): conv2d needs an input map (C, H, W), not (20,)"),
    (DIGITS, {"layers": (conv(kernel=9), OUT)}, "layer 0 (conv1): the 9 x 9 kernel must fit its padded input map (1, 8, 8)"),
    (DIGITS, {"layers": (conv(), conv("conv2", pool=4), OUT)}, "layer 1 (conv2): the 3 x 3 kernel must fit its padded input map (4, 1, 1)"),
    (DIGITS, {"layers": (conv(), conv("b", padding=1, skip=SkipSpec("a")), OUT)}, "layer 1 (b): skip must add an earlier convolution (conv1), not 'a'"),
    (DIGITS, {"layers": (conv(), conv("b", skip=SkipSpec("conv1")), OUT)}, "layer 1 (b): skip must see a map of (4, 4), but conv1 gives (6, 6) at stride 1"),
    (DIGITS, {"mixture": Mixture((("t1", (1, 1)),))}, "mixture belongs to time_stepped networks, not to two_phase ones"),
    (DIGITS, {"anytime": Anytime()}, "anytime belongs to time_stepped networks, not to two_phase ones"),
    (DIGITS_LIF, {"conversion": Conversion()}, "conversion belongs to two_phase networks, not to time_stepped ones"),
    (DIGITS, {"clockless": ToEvents()}, "clockless belongs to event_driven networks, not to two_phase ones"),
    (DIGITS, {"conversion": Conversion(cost="time")}, "conversion: cost must be one of cycles, mean_T, events, not 'time'"),
    (DIGITS, {"conversion": Conversion(target=-1)}, "conversion: target must be a finite number above 0, not -1"),
    (DIGITS_MTT, {"mixture": Mixture((("t1", (1,)),))}, "mixture: profile 't1' must give T of 2 layers, not 1: (1,)"),
    (DIGITS_MTT, {"mixture": Mixture((("t1", (1, 0)),))}, "mixture: profile 't1': T must lie in 1..65536, not 0"),
    (DIGITS_MTT, {"mixture": Mixture((("a/b", (1, 1)),))}, "mixture: profile " + ALIKE + "'a/b'"),
    (DIGITS_MTT, {"mixture": Mixture((("t", (1, 1)), ("t", (2, 2))))}, "mixture: every profile must have a name of its own, not t, t"),
    (DIGITS_MTT, {"mixture": Mixture(("t2", (2, 2)), max_T=4)},  # type: ignore[arg-type]
     "mixture: profiles must be a tuple of pairs, the name and T of each layer, such as ((\"t2\", (2, 2)),) for one alone, not ('t2', (2, 2))"),
    (DIGITS_MTT, {"mixture": (("t2", (2, 2)),)}, "mixture must be a Mixture or None, not (('t2', (2, 2)),)"),
    (DIGITS, {"name": None}, "name must be a string, not None"),
    (DIGITS, {"float_epochs": 0, "quantized_epochs": 0, "snapped_epochs": 0},
     "float_epochs, quantized_epochs, snapped_epochs must not all be 0: nothing would be learned"),
    (DIGITS, {"layers": (conv(), conv("b", skip="conv1"), OUT)}, "layer 1 (b): skip must be a SkipSpec or None, not 'conv1'"),
    (DIGITS_MTT, {"mixture": Mixture((), min_T=9)}, "mixture: min_T must be at most max_T 8, not 9"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "change", "expected"), CHANGES, ids=range(len(CHANGES)))
def test_one_thing_that_is_wrong(recipe: Recipe, change: dict[str, Any], expected: str) -> None:
    assert problems(replace(recipe, **change), ROW) == [expected]


def test_augmentation_must_fit_the_data() -> None:
    vectors = replace(ROW, name="own", shape=(64,))
    assert problems(DIGITS, vectors) == [
        "augment changes maps (C, H, W), and samples of own are (64,); leave it out"
    ]
    events = replace(ROW, name="own", shape=(2, 8, 8), peak=0)
    frames = replace(DIGITS_LIF, preprocess="frames:10:3")
    assert problems(frames, events) == [
        "augment can shift the event recordings of own, and nothing else"
    ]
    assert problems(replace(frames, augment=Augment(shift=1)), events) == []


def test_an_event_driven_recipe_needs_its_network() -> None:
    assert problems(replace(DIGITS, schedule="event_driven"), ROW) == [
        "event_driven networks are tuned from trained ones: clockless must be given; see polyrhythm tune"
    ]


def test_numbered_classes_may_be_fewer_than_outputs() -> None:
    few = replace(ROW, name="own", labels=("0", "1", "2"), numbered=True)
    assert problems(DIGITS, few) == [] and few.names(5) == ("0", "1", "2", "3", "4")
    named = replace(few, labels=("a", "b", "c"), numbered=False)
    assert problems(DIGITS, named) == [
        "own: has 3 classes (a, b, c), but the network has 10 outputs"
    ]


ODD = (
    None,
    "x",
    b"x",
    1.5,
    float("nan"),
    -1,
    1 << 70,
    True,
    (),
    [],
    {},
    {1: 2},
    object(),
    (("t2", (2, None)),),
    [[1]],
)
HOMES: list[tuple[Recipe, str]] = [(DIGITS, ""), (DIGITS, "layers"), (DIGITS_MTT, "mixture")]


@pytest.mark.parametrize(("recipe", "part"), HOMES, ids=["recipe", "layer", "mixture"])
def test_no_value_of_any_field_is_more_than_told(recipe: Recipe, part: str) -> None:
    """Whatever stands in a field, the check answers in lines."""
    whole: Any = getattr(recipe, part) if part else recipe
    inner = whole[0] if part == "layers" else whole
    refused = 0
    for field in fields(inner):
        for value in ODD:
            changed = replace(inner, **{field.name: value})
            made = (
                replace(recipe, **{part: (changed, *whole[1:]) if part == "layers" else changed})
                if part
                else changed
            )
            found = problems(made, ROW)
            assert all(line and "\n" not in line for line in found)
            refused += bool(found)
    assert refused > len(fields(inner)) * len(ODD) // 2
