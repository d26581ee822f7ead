"""The words that travel between two layers, as both of their circuits know them."""

from dataclasses import dataclass

from polyrhythm.sw.plan.addresses import AddressMap


@dataclass(frozen=True)
class EventWord:
    """One kind of event.

    source     neurons on the sending side
    max_count  most spikes that one word stands for
    signed     whether a spike can take one back
    each       most words that one neuron sends in a step (of signed neurons there is no such
               number)
    """

    source: AddressMap
    max_count: int
    signed: bool = False
    each: int = 1

    @property
    def in_units(self) -> "EventWord":
        """The same spikes, a word for each."""
        return EventWord(self.source, 1, self.signed, self.max_count * self.each)
