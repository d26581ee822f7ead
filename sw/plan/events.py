"""The words that travel between two layers, as both of their circuits know them."""

from dataclasses import dataclass, replace

from polyrhythm.sw.plan.addresses import AddressMap


@dataclass(frozen=True)
class EventWord:
    """One kind of event.

    source     neurons on the sending side
    max_count  most spikes that one word stands for
    signed     whether a spike can take one back
    each       most words that one neuron sends in a step (of signed neurons there is no such
               number)
    profiles   how many there are in the circuit: every word has its frame's number
    """

    source: AddressMap
    max_count: int
    signed: bool = False
    each: int = 1
    profiles: int = 1

    @property
    def in_units(self) -> "EventWord":
        """The same spikes, a word for each."""
        return replace(self, max_count=1, each=self.max_count * self.each)
