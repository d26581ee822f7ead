"""What travels between layers: one event a word."""

from amaranth.hdl import Cat, Const, Value
from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.events import EventWord


def profile_field(profiles: int) -> dict[str, int]:
    """The field that says which profile a word's frame has, where there are several."""
    return {"profile": bits_for(profiles - 1)} if profiles > 1 else {}


class Event(data.StructLayout):
    """One word on the wire between two layers.

    A word is a spike when neither flag is set. `tick` closes a time step that is not the frame's
    last one; `end` closes the last time step and the frame. A two_phase frame has no ticks:
    spike* end.

    Parameters
    ----------
    source : AddressMap   neurons on the sending side, which `address` names (or a number of them:
                          plain numbers)
    max_count : int       most spikes one word stands for; the field `count` is absent where that is
                          1
    signed : bool         whether a spike can take one back; else the field `negative` is absent
    profiles : int        how many the circuit has; the field `profile`, the number of the frame's,
                          is absent where that is 1
    """

    def __init__(
        self,
        source: AddressMap | int,
        max_count: int,
        signed: bool = False,
        profiles: int = 1,
    ):
        self.source = source if isinstance(source, AddressMap) else AddressMap((source, 1, 1))
        self.max_count, self.signed, self.profiles = max_count, signed, profiles
        address = bits_for(self.source.address_count - 1)
        told = profile_field(profiles)
        super().__init__({"address": address, **self.amount, "tick": 1, "end": 1, **told})

    @classmethod
    def of(cls, word: EventWord) -> "Event":
        """The wires of a planned word."""
        return cls(word.source, word.max_count, word.signed, word.profiles)

    @property
    def neurons(self) -> int:
        """Neurons on the sending side."""
        return self.source.neurons

    @property
    def amount(self) -> dict[str, int]:
        """The fields that say how many spikes a word stands for, with their bits."""
        count = {"count": bits_for(self.max_count)} if self.max_count > 1 else {}
        return count | ({"negative": 1} if self.signed else {})

    @property
    def places(self) -> dict[str, dict[str, int]]:
        """Where each field stands in a word: its lowest bit, and its bits."""
        return {name: {"low": self[name].offset, "bits": self[name].width} for name in self.members}

    def names(self, address: Value) -> Value:
        """Whether `address` names a neuron."""
        channels, rows, columns = self.source.shape
        low, high = self.source.column_bits, self.source.channel_low
        parts = ((address[:low], columns), (address[low:high], rows), (address[high:], channels))
        return Cat(Const(1), *(part < size for part, size in parts if size < 1 << len(part))).all()
