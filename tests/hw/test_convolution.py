"""hw.conv.sequencer and whole convolutions: each operation in its cycle, and every count and spike
the golden model's."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ClockDomain
from convolutions import SHAPES, Shape, Word, located
from gateware import QUIET, Source, bits, fields, run_accelerator, simulate
from networks import random_inputs

from polyrhythm.hw.conv.locate import Located
from polyrhythm.hw.conv.sequencer import ConvSequencer
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.conv import ConvSynapses, parallel_banks
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.steps import Steps
from polyrhythm.sw.timing import cycles

CONFIGS = [
    (shape, lanes, parallel) for shape in SHAPES for lanes, parallel in ((1, False), (2, True))
]


# --- the sequencer ---


def synapses_of(layer: LayerPlan) -> ConvSynapses:
    assert isinstance(layer.input.synapses, ConvSynapses)
    return layer.input.synapses


def steps_of(shape: Shape, layer: LayerPlan, frames: int, rng: random.Random) -> list[list[Word]]:
    """Located events of each step: none, few, many; only places that reach something."""
    synapses = synapses_of(layer)
    rows = [y for y, reach in enumerate(synapses.rows.reaches) if reach.visits]
    columns = [x for x, reach in enumerate(synapses.columns.reaches) if reach.visits]

    def event() -> Word:
        place = rng.randrange(shape.map[0]), rng.choice(rows), rng.choice(columns)
        return located(synapses, *place, shape.max_count, rng.randint(1, shape.max_count))

    return [
        [event() for _ in range(rng.choice((0, 1, 9)))]
        for _ in range(frames * len(layer.rhythm.repeats))
    ]


def visits(synapses: ConvSynapses, event: Word) -> Iterator[Word]:
    """An event's operations: rows, columns, groups of channels; in each dimension a word on, and a
    stride's weights back."""
    y, x, groups = event["y"], event["x"], synapses.channel_groups
    row_step, word_step = synapses.columns.phases * groups, synapses.columns.words * groups
    for j in range(y.get("visits", 1)):
        for i in range(x.get("visits", 1)):
            for c in range(groups):
                row = (
                    event["weight"]
                    + y["weight"]
                    + x["weight"]
                    + c
                    - (j * row_step + i * groups) * synapses.rows.stride
                )
                banks = [(a, b) for a in range(len(y["words"])) for b in range(len(x["words"]))]
                words = [
                    y["words"][a] + x["words"][b] + j * word_step + i * groups + c for a, b in banks
                ]
                on = [y["enabled"] >> a & x["enabled"] >> b & 1 for a, b in banks]
                yield {
                    "row": row,
                    "count": event.get("count", 1),
                    "words": [w if e else None for w, e in zip(words, on, strict=True)],
                }


def sweeps(synapses: ConvSynapses, rhythm: Steps, step: int) -> Iterator[Word]:
    """A step's sweeps: its ticks, in each all words."""
    phases, repeats, rows = rhythm.phases, rhythm.repeats, synapses.channel_groups
    first, last = sum(repeats[:step]), step == len(repeats) - 1
    for held in range(repeats[step]):
        phase, following = phases[first + held], phases[(first + held + 1) % len(phases)]
        for group in range(synapses.groups):
            word, channels = divmod(group, rows)
            row, column = divmod(word, synapses.columns.words)
            yield {
                "held": int(held > 0),
                "closing": int(last and held == repeats[step] - 1),
                "last": int(group == synapses.groups - 1),
                "group": group,
                "channels": channels,
                "table": phase * rows + channels,
                "following": following * rows + channels,
                "bottom": int(row == synapses.rows.words - 1),
                "right": int(column == synapses.columns.words - 1),
                "words": [group] * synapses.banks,
            }


def reference(layer: LayerPlan, steps: Sequence[Sequence[Word]]) -> list[Word]:
    """All operations behind the clearing, in their order."""
    ops: list[Word] = []
    synapses, rhythm = synapses_of(layer), layer.rhythm
    for k, step in enumerate(steps):
        for event in step:
            ops += visits(synapses, event)
        ops += sweeps(synapses, rhythm, k % len(rhythm.repeats))
    return ops


@dataclass
class Seen:
    """Clears and other operations, each with its cycle; cycles in which words moved, `waited` of
    them refused; most places taken."""

    clears: list[tuple[int, Word]] = field(default_factory=list)
    ops: list[tuple[int, Word]] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    places: int = 0
    waited: int = 0


def run(
    shape: Shape,
    layer: LayerPlan,
    steps: Sequence[Sequence[Word]],
    credits: int,
    i_stall: float,
    keep: float,
) -> Seen:
    """Send steps; a place is given back with probability 1 - keep in each cycle."""
    synapses = synapses_of(layer)
    event = Event(synapses.source, shape.max_count)
    layout = Located(event, synapses)
    dut, rng, seen = (
        ConvSequencer(layout, synapses, layer.steps, event, credits),
        random.Random(7),
        Seen(),
    )
    words = [bits(layout, word) for word in closed(layer.rhythm, steps)]
    source, total = Source(words, layout.size, i_stall, rng), len(reference(layer, steps))

    async def bench(ctx: Any, _: ClockDomain) -> None:
        taken = idle = cycle = 0
        while idle < QUIET:
            valid, payload = source.offer()
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload.as_value(), payload)
            returned = taken > 0 and rng.random() >= keep
            ctx.set(dut.returned, returned)
            assert ctx.get(dut.cleared) or not ctx.get(dut.i.ready)
            if source.see(ctx.get(dut.i.ready)):
                seen.moved.append(cycle)
            op = fields(dut.ops.payload.shape(), ctx.get(dut.ops.payload.as_value()))
            taken += op["sweep"] - returned
            seen.places = max(seen.places, taken)
            note(seen, cycle, op)
            idle = 0 if len(seen.ops) < total and cycle < 20_000 else idle + 1
            await ctx.tick()
            cycle += 1

    simulate(dut, bench)
    seen.waited = source.waited
    return seen


def closed(rhythm: Steps, steps: Sequence[Sequence[Word]]) -> Iterator[Word]:
    for k, step in enumerate(steps):
        yield from step
        yield {"closes": 1, "end": int(k % len(rhythm.repeats) == len(rhythm.repeats) - 1)}


def note(seen: Seen, cycle: int, op: Word) -> None:
    """Write down what an operation asks for; what it carries besides means nothing."""
    assert op["integrate"] + op["sweep"] + op["clear"] <= 1
    words = [word if op["enabled"] >> bank & 1 else None for bank, word in enumerate(op["address"])]
    if op["integrate"]:
        seen.ops.append((cycle, {"row": op["row"], "count": op.get("count", 1), "words": words}))
    if op["sweep"]:
        names = ("held", "closing", "last", "group", "channels", "table", "following")
        names += ("bottom", "right")
        seen.ops.append((cycle, {**{name: op[name] for name in names}, "words": words}))
    if op["clear"]:
        seen.clears.append((cycle, {"following": op["following"], "words": words}))


def config(shape: Shape, lanes: int, parallel: bool) -> LayerPlan:
    """Ticks that hold their current, where the shape has a single channel; else none."""
    held = (
        {"schedule": "time_stepped", "T": (5, 1), "t_in": 3, "bias_mode": "spread"}
        if shape.map[0] == 1
        else {}
    )
    return shape.plan(min(lanes, shape.channels), parallel, shape.network(**held))  # type: ignore[arg-type]


@pytest.mark.parametrize(("shape", "lanes", "parallel"), CONFIGS)
def test_operations_equal_the_reference_under_stalls(
    shape: Shape, lanes: int, parallel: bool
) -> None:
    layer, credits = config(shape, lanes, parallel), 3 if lanes == 1 else 1
    synapses, steps = synapses_of(layer), steps_of(shape, layer, 2, random.Random(lanes))
    seen = run(shape, layer, steps, credits, 0.4, 0.5)
    assert [op for _, op in seen.ops] == reference(layer, steps)
    cleared = [
        {"following": n % synapses.channel_groups, "words": [n] * synapses.banks}
        for n in range(synapses.groups)
    ]
    assert [op for _, op in seen.clears] == cleared
    assert seen.places == credits, "all places were taken at some time, and never more"


@pytest.mark.parametrize(("shape", "lanes", "parallel"), CONFIGS)
def test_an_operation_in_every_cycle_as_long_as_words_come(
    shape: Shape, lanes: int, parallel: bool
) -> None:
    layer = config(shape, lanes, parallel)
    steps = steps_of(shape, layer, 2, random.Random(3))
    seen = run(shape, layer, steps, 1000, 0, 0)
    # Every word is cleared first, and an operation leaves two cycles after its issue
    first = layer.layout.groups + 2
    assert [cycle for cycle, _ in seen.ops] == list(range(first, first + len(seen.ops)))
    assert not [
        1
        for event in steps[0]
        if parallel and (event["y"].get("visits", 1) > 1 or event["x"].get("visits", 1) > 1)
    ]


# --- whole accelerators ---


def check(
    network: Network, inputs: np.ndarray, lanes: Sequence[Any], stall: float = 0.0, **options: Any
) -> None:
    """Everything equals the golden model's; where nothing was made to wait, each frame's cycles are
    the law's."""
    trace = golden.run(network, inputs, spikes=network.schedule == "time_stepped")
    seen = run_accelerator(network, inputs, lanes, stall, stall, **options)
    difference = trace.first_difference(seen.trace)
    assert difference is None, str(difference)
    if not stall and not options:
        law = cycles.timing(plan(network, lanes), trace, inputs, back_to_back=True)
        assert (law.cycles.tolist(), law.interval.tolist()) == (seen.cycles, seen.interval)


@pytest.mark.parametrize(("shape", "lanes", "parallel"), CONFIGS[:14:3] + CONFIGS[1:14:3])
def test_every_count_is_the_golden_models_and_every_cycle_the_laws(
    shape: Shape, lanes: int, parallel: bool
) -> None:
    network = shape.network(T=(3, 1))
    check(
        network,
        random_inputs(np.random.default_rng(4), network, 3),
        [lanes_of(network, lanes, parallel), 2],
    )


@pytest.mark.parametrize(("shape", "lanes", "parallel"), CONFIGS[:8:3] + CONFIGS[1:8:3])
@pytest.mark.parametrize(("t_in", "T"), [(1, (3, 2)), (3, (2, 3))])
def test_every_spike_is_the_golden_models(
    shape: Shape, lanes: int, parallel: bool, t_in: int, T: tuple[int, int]
) -> None:
    fields: dict[str, Any] = (
        {"reset": "zero"} if t_in == 1 else {"leak_shift": 2, "bias_mode": "spread"}
    )
    network = shape.network("time_stepped", T, t_in, **fields)
    check(
        network,
        random_inputs(np.random.default_rng(t_in), network, 3),
        [lanes_of(network, lanes, parallel), 3],
        0.4,
    )


def lanes_of(network: Network, lanes: int, parallel: bool) -> tuple[int, int]:
    return min(lanes, len(network.layers[0].weight)), parallel_banks(network, 0) if parallel else 1


@pytest.mark.parametrize(("schedule", "T"), [("two_phase", (3, 1)), ("time_stepped", (2, 2))])
def test_positions_beyond_the_edge_never_fire(schedule: str, T: tuple[int, int]) -> None:
    """Their sums start above the threshold: were they neurons, all of them would fire."""
    shape = Shape((1, 4, 6), 3, 3)
    network = shape.network(schedule, T, bias=np.full(3, 99), threshold=np.full(3, 1))
    synapses = synapses_of(shape.plan(2, True, network))
    assert (
        synapses.rows.edge < synapses.rows.banks and synapses.columns.edge < synapses.columns.banks
    )
    check(network, random_inputs(np.random.default_rng(0), network, 2), [(2, synapses.banks), 3])


def test_a_map_of_which_no_kernel_reaches_anything_has_no_say() -> None:
    """A stride of two over one row with padding meets the padding only."""
    network = Shape((1, 1, 3), 2, 1, stride=2, padding=1).network(T=(3, 1))
    check(network, random_inputs(np.random.default_rng(1), network, 3), [(2, 1), 3])


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("cut", [3, 20, 60])
def test_a_reset_inside_a_frame_clears_every_word(parallel: bool, cut: int) -> None:
    network = SHAPES[0].network(T=(3, 1))
    inputs = random_inputs(np.random.default_rng(4), network, 3)[::-1].copy()
    inputs[0] = 1
    check(network, inputs, [lanes_of(network, 2, parallel), 3], cut=cut)


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_frames_leave_nothing_behind(schedule: str) -> None:
    """The same frame again and again, with loud ones between, gets the same answer."""
    network = SHAPES[3].network(schedule, (3, 2))
    quiet, loud = (
        np.full((1, *network.input.shape), count) for count in (1, network.input.max_count)
    )
    inputs = np.stack([quiet, loud, quiet, 0 * quiet, quiet, loud])
    check(network, inputs, [lanes_of(network, 1, True), 1])
