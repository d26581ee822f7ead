"""Small circuits on values: widths, delays, trees, tables of constants."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value


def bits_for(largest: int) -> int:
    """Width of an unsigned field that holds 0..largest; never zero, so that every field is a real
    wire."""
    return max(1, largest.bit_length())


def delay(m: Module, value: Value, cycles: int, name: str, *, reset_less: bool = False) -> Value:
    """`value` as it was `cycles` clock edges ago; 0 at the start and after a reset, unless
    `reset_less` for data that nobody reads then: a register without a reset can move into the block
    RAM before it."""
    for i in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{i + 1}", reset_less=reset_less)
        m.d.sync += later.eq(value)
        value = later
    return value


def more_than(bits: Value, number: int) -> Value:
    """Whether more than `number` (1 or 2) of `bits` are set."""
    # A tree of (at least one, at least two, at least three): its depth is the logarithm of the
    # width.
    nodes: list[tuple[Value, Value, Value]] = [(bit, Const(0, 1), Const(0, 1)) for bit in bits]
    while len(nodes) > 1:
        pairs = list(zip(nodes[::2], nodes[1::2], strict=False))
        joined = [
            (a | b, aa | bb | (a & b), aaa | bbb | (aa & b) | (a & bb))
            for (a, aa, aaa), (b, bb, bbb) in pairs
        ]
        nodes = joined + nodes[len(pairs) * 2 :]
    return nodes[0][number]


def below(a: Value, b: Value) -> Value:
    """a < b of two unsigned values of the same width."""
    # A tree of (less, equal), which on small parts is faster than a chain of carries.
    nodes = [(~x & y, ~(x ^ y)) for x, y in zip(a, b, strict=True)]  # lowest bit first
    while len(nodes) > 1:
        pairs = list(zip(nodes[::2], nodes[1::2], strict=False))
        joined = [(high[0] | (high[1] & low[0]), high[1] & low[1]) for low, high in pairs]
        nodes = joined + nodes[2 * len(pairs) :]
    return nodes[0][0]


def spread(value: Value, width: int) -> Value:
    """The lowest `width` bits of `value`, with zeros above where it has fewer."""
    return Cat(value, Const(0, width - len(value))) if len(value) < width else value[:width]


def select(one_hot: Value, fields: Value, width: int) -> Value:
    """The field of `width` bits that the hot bit names."""
    selected: Value = Const(0, width)
    for k in range(len(one_hot)):
        selected = selected | (fields.word_select(k, width) & one_hot[k].replicate(width))
    return selected


def constant_in(which: Value, index: Value, values: Sequence[Sequence[int]], width: int) -> Value:
    """values[which][index] in lookup tables; anything behind the last one of a row."""
    places = 1 << len(index)
    flat = [row[min(k, len(row) - 1)] for row in values for k in range(places)]
    return constant_at(Cat(index, which), flat, width)


def constant_at(index: Value, values: Sequence[int], width: int) -> Value:
    """values[index] in lookup tables, a constant where all are equal; anything behind the last."""
    if len(set(values)) == 1:
        return Const(values[0], width)
    return Array(Const(value, width) for value in values)[index]
