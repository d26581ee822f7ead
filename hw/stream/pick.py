"""What leaves a serializer: fired neurons one by one."""

from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.stream.event import profile_field
from polyrhythm.sw.plan.addresses import AddressMap


class Pick(data.StructLayout):
    """One fired neuron, or the end of a tick or frame; like an event, but with the neuron's
    value."""

    def __init__(self, target: AddressMap, value_bits: int, profiles: int = 1):
        address = {"address": bits_for(target.address_count - 1)}
        value = {"value": value_bits} if value_bits else {}
        super().__init__({**address, **value, "tick": 1, "end": 1, **profile_field(profiles)})
