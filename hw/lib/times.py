"""weight * count for every lane, by shift and add, a few bits of the count in each stage (DSP
blocks are left to the user)."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed

from polyrhythm.hw.lib.bits import delay
from polyrhythm.sw.plan.parameters import STANDARD, Parameters


def times_count(
    m: Module,
    weights: Sequence[Value],
    count: Value,
    bits: int,
    parameters: Parameters = STANDARD,
) -> list[Value]:
    """Products of signed `weights` and a `count` of `bits` bits. Latency is
    `parameters.multiply_stages`; one set per cycle."""
    width, step = len(weights[0]) + bits, parameters.count_bits_per_stage
    totals: list[Value] = [Const(0, 1)] * len(weights)
    for low in range(0, bits, step):
        part = count[low : low + step]
        # A register behind every few bits: the adders between are two levels deep.
        products = [Signal(signed(width), name=f"product_{k}_{low}") for k in range(len(weights))]
        m.d.sync += [
            product.eq(total + _shift_add(weight, part).shift_left(low))
            for product, total, weight in zip(products, totals, weights, strict=True)
        ]
        totals = list(products)
        if low + step < bits:
            weights = [delay(m, weight, 1, f"weight_{k}_{low}") for k, weight in enumerate(weights)]
            count = delay(m, count, 1, f"count_{low}")
    return totals


def _shift_add(weight: Value, count: Value) -> Value:
    """weight * count for the count bits of one stage."""
    parts: list[Value] = [Mux(count[i], weight.shift_left(i), 0) for i in range(len(count))]
    while len(parts) > 1:
        pairs = range(0, len(parts), 2)
        parts = [parts[i] + parts[i + 1] if i + 1 < len(parts) else parts[i] for i in pairs]
    return parts[0].as_signed() if not parts[0].shape().signed else parts[0]
