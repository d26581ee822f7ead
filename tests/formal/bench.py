"""What proofs are written with: a circuit whose inputs are free, its registers in reach, and the
contract of a stream."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    Const,
    Cover,
    Elaboratable,
    Fragment,
    MemoryInstance,
    Module,
    Shape,
    ShapeLike,
    Signal,
    Value,
)
from amaranth.lib import data
from amaranth.lib.wiring import Component, In


class Bench:
    """A component with every input free in every cycle, reset included, and room for claims about
    it.

    A claim speaks of ports alone: it is what the proof is for. An invariant may name inner
    registers: induction needs it to leave out states that no run reaches, and proves it as well.

    dut, m : the component, and a module for it and the claims: its own one, or one that it shares
    with other proofs
    """

    def __init__(self, dut: Component, m: Module | None = None):
        self.m, self.dut, self._names = m or Module(), dut, _Names()
        self.m.submodules += (fragment := self._names.elaborate(dut))
        self._fragment = fragment
        for _, member, port in dut.signature.flatten(dut):
            # The `ready` of a stream that is never refused is a constant, and so no input.
            if member.flow == In and not isinstance(port, Const):
                self.m.d.comb += Value.cast(port).eq(AnySeq(Shape.cast(member.shape)))

    def free(self, shape: ShapeLike, name: str) -> Any:
        """Any value in every cycle."""
        return self._any(AnySeq, shape, name)

    def constant(self, shape: ShapeLike, name: str) -> Any:
        """Any value, the same one in all cycles."""
        return self._any(AnyConst, shape, name)

    def _any(self, kind: Any, shape: ShapeLike, name: str) -> Any:
        signal = Signal(shape, name=name)
        self.m.d.comb += Value.cast(signal).eq(kind(Shape.cast(shape).width))
        return signal

    def register(self, shape: ShapeLike, name: str, following: Any, init: Any = 0) -> Any:
        """A register of the proof's own, reset with the circuit; `following` is what it holds after
        the next clock edge."""
        signal = Signal(shape, name=name, init=init)
        self.m.d.sync += signal.eq(following)
        return signal

    def assume(self, condition: Any) -> None:
        self.m.d.comb += Assume(condition, src_loc_at=1)

    def claim(self, condition: Any, where: int = 0) -> None:
        """To be proved, of ports."""
        self.m.d.comb += Assert(condition, src_loc_at=1 + where)

    def invariant(self, condition: Any, where: int = 0) -> None:
        """To be proved, of inner registers, so that induction closes."""
        self.m.d.comb += Assert(condition, src_loc_at=1 + where)

    def reach(self, condition: Any) -> None:
        """In mode "cover", some run must come here: the assumptions leave room for what the claims
        are about."""
        self.m.d.comb += Cover(condition, src_loc_at=1)

    def sends(self, stream: Any, name: str) -> None:
        """Claim the contract at a sender: a word that waits is neither withdrawn nor changed."""
        self.claim(self._keeps(stream, name)[1], where=1)

    def receives(self, stream: Any, name: str) -> Signal:
        """Assume the contract at a receiver; return whether a word waits since the cycle before."""
        waits, keeps = self._keeps(stream, name)
        self.assume(keeps)
        return waits

    def _keeps(self, stream: Any, name: str) -> tuple[Signal, Value]:
        payload = Value.cast(stream.payload)
        waits = self.register(1, f"{name}_waits", stream.valid & ~stream.ready)
        word = self.register(len(payload), f"{name}_word", payload)
        return waits, ~waits | (stream.valid & (payload == word))

    def part(self, path: str) -> Any:
        """A submodule, by its path from the circuit's top."""
        return self._below(path.split(".")).origins[0]

    def inner(self, path: str) -> Any:
        """What a submodule's gateware calls so, `submodule.name`: a variable or attribute of its
        own, or the name of a signal."""
        *parents, name = path.split(".")
        fragment = self._below(parents)
        statements = [statement for domain in fragment.statements.values() for statement in domain]
        names = {
            signal.name: signal for statement in statements for signal in statement._lhs_signals()
        }
        names |= self._names.of(fragment)
        if name not in names:
            signals = sorted(
                name for name, value in names.items() if isinstance(value, Signal | data.View)
            )
            raise KeyError(
                f"{path}: the gateware must name a signal so; it has {', '.join(signals)}"
            )
        return names[name]

    def row(self, path: str, address: Any, name: str) -> Signal:
        """A row of a memory, through a read port of the proof's own."""
        memory = self._below(path.split("."))
        assert isinstance(memory, MemoryInstance), f"{path} must be a memory"
        place, data = (
            Signal(range(memory._data.depth), name=f"{name}_place"),
            Signal(Shape.cast(memory._data.shape), name=name),
        )
        memory.read_port(domain="comb", addr=place, data=data, en=Const(1), transparent_for=())
        self.m.d.comb += place.eq(address)
        return data

    def _below(self, parents: list[str]) -> Fragment:
        fragment = self._fragment
        for parent in parents:
            found = [sub for sub, name, _ in fragment.subfragments if name == parent]
            if not found:
                raise KeyError(f"{'.'.join(parents)}: the gateware must have a submodule {parent}")
            fragment = found[0]
        return fragment


class _Names:
    """What components hold in attributes, and their methods in variables while they elaborate."""

    def __init__(self) -> None:
        self._held: dict[int, dict[str, Any]] = {}

    def elaborate(self, dut: Component) -> Fragment:
        before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            return Fragment.get(dut, None)
        finally:
            sys.setprofile(before)

    def of(self, fragment: Fragment) -> dict[str, Any]:
        return self._held[id(fragment.origins[0])]

    def _see(self, frame: FrameType, event: str, _: object) -> None:
        """Called at the end of each function."""
        if event == "return" and isinstance(owner := frame.f_locals.get("self"), Elaboratable):
            self._held.setdefault(id(owner), {}).update(vars(owner) | frame.f_locals)


def side_by_side(claims: Callable[..., None], *parameters: tuple[Any, ...]) -> Callable[[], Module]:
    """Build a module in which `claims(m, *parameters)` are made for each of these parameters: one
    proof for all is cheaper."""

    def build() -> Module:
        m = Module()
        for values in parameters:
            claims(m, *values)
        return m

    return build


def implies(condition: Any, conclusion: Any) -> Value:
    """Both must be single bits."""
    return ~Value.cast(condition).any() | Value.cast(conclusion).any()


def count(bits: Value) -> Value:
    """How many of them are set."""
    return sum(bits, Const(0, 1))
