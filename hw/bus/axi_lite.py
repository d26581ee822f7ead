"""AXI4-Lite in front of the register bank."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.bus.bank import Port

ADDRESS_BITS, DATA_BITS = 16, 32
OKAY, SLVERR = 0, 2
# Of each channel: the fields beside valid and ready, and whether the master drives them.
CHANNELS = {
    "aw": ({"addr": ADDRESS_BITS, "prot": 3}, True),
    "w": ({"data": DATA_BITS, "strb": DATA_BITS // 8}, True),
    "b": ({"resp": 2}, False),
    "ar": ({"addr": ADDRESS_BITS, "prot": 3}, True),
    "r": ({"data": DATA_BITS, "resp": 2}, False),
}


def lite_ports() -> dict[str, tuple[str, int]]:
    """Signals of the five channels as the slave has them: name -> direction, bits."""
    ports: dict[str, tuple[str, int]] = {}
    for channel, (fields, driven) in CHANNELS.items():
        there, back = ("input", "output") if driven else ("output", "input")
        ports |= {f"{channel}{field}": (there, bits) for field, bits in fields.items()}
        ports |= {f"{channel}valid": (there, 1), f"{channel}ready": (back, 1)}
    return ports


class AxiLite(wiring.Component):
    """A slave with one transfer at a time, reads and writes in turn; no path leads from an input to
    an output within a cycle.

    A write of fewer than 4 bytes, and whatever the bank refuses, ends with SLVERR and changes
    nothing.

    Members
    -------
    awaddr ... rready   of `lite_ports`
    port                Out(Port), to the bank
    """

    def __init__(self) -> None:
        ways = {"input": In, "output": Out}
        members = {name: ways[way](bits) for name, (way, bits) in lite_ports().items()}
        super().__init__(members | {"port": Out(Port())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = {channel: self._hold(m, channel) for channel in ("aw", "w", "ar")}
        aw, w, ar = (held[channel] for channel in ("aw", "w", "ar"))
        busy, writes = Signal(name="busy"), Signal(name="writes")
        # A transfer begins when its answer will find its channel free.
        can_write = aw.full & w.full & ~self.bvalid
        can_read = ar.full & ~self.rvalid
        whole = w["strb"].all()
        begins = ~busy & (can_write | can_read)
        with m.If(begins):
            m.d.sync += [busy.eq(1), writes.eq(can_write & ~(can_read & writes))]
        begun = Signal(name="begun")
        m.d.sync += [begun.eq(begins)]
        partial = writes & ~whole
        m.d.comb += [
            self.port.ask.eq(begun & ~partial),
            self.port.address.eq(Mux(writes, aw["addr"], ar["addr"])),
            self.port.write.eq(writes),
            self.port.data.eq(w["data"]),
        ]
        done = (self.port.done & ~partial) | (begun & partial)
        response = Mux(partial | self.port.refused, SLVERR, OKAY)
        with m.If(done):
            m.d.sync += busy.eq(0)
        self._answer(m, "b", done & writes, {"resp": response})
        self._answer(m, "r", done & ~writes, {"resp": response, "data": self.port.value})
        for hold, leaves in ((aw, done & writes), (w, done & writes), (ar, done & ~writes)):
            with m.If(leaves):
                m.d.sync += hold.full.eq(0)
        return m

    def _hold(self, m: Module, channel: str) -> "Held":
        """A register for what the master sends on a channel; it is ready while that is empty."""
        held = Held(channel)
        ready = getattr(self, f"{channel}ready")
        m.d.comb += ready.eq(~held.full)
        with m.If(getattr(self, f"{channel}valid") & ready):
            m.d.sync += held.full.eq(1)
            for field, register in held.fields.items():
                m.d.sync += register.eq(getattr(self, f"{channel}{field}"))
        return held

    def _answer(self, m: Module, channel: str, now: Value, fields: dict[str, Value]) -> None:
        """Offer an answer until it is taken."""
        valid = getattr(self, f"{channel}valid")
        with m.If(now):
            m.d.sync += valid.eq(1)
            for field, value in fields.items():
                m.d.sync += getattr(self, f"{channel}{field}").eq(value)
        with m.Elif(getattr(self, f"{channel}ready")):
            m.d.sync += valid.eq(0)


class Held:
    """What came on a channel and is not answered yet; full: there is such."""

    def __init__(self, channel: str):
        self.full = Signal(name=f"{channel}_full")
        self.fields = {
            field: Signal(bits, name=f"{channel}_{field}")
            for field, bits in CHANNELS[channel][0].items()
            if field != "prot"
        }

    def __getitem__(self, field: str) -> Signal:
        return self.fields[field]
