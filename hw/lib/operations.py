"""The interfaces between the stages of a layer: operations in, finished groups out.

Nobody refuses an operation once it is issued, so these streams have no `ready`: whoever issues one
that makes a result has taken a credit for it before.
"""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


def operations(op: data.StructLayout) -> stream.Signature:
    """One operation in every cycle; one that asks for nothing is a pause."""
    return stream.Signature(op, always_valid=True, always_ready=True)


class Finished(data.StructLayout):
    """A finished group: the sweep that finished it, its sums or potentials, and who fires."""

    def __init__(self, op: data.StructLayout, values: data.ArrayLayout, fire: int = 0):
        fired = {"fire": fire} if fire else {}
        super().__init__({"op": op, "values": values, **fired})


class FinishedSignature(wiring.Signature):
    """Groups as they are finished.

    words   valid in the cycle in which a group is finished
    coming  the operation that is in `words` in the next cycle: time to read its neuron constants
    """

    def __init__(self, op: data.StructLayout, values: data.ArrayLayout):
        words = stream.Signature(Finished(op, values), always_ready=True)
        super().__init__({"words": Out(words), "coming": Out(operations(op))})


class CreditedSignature(wiring.Signature):
    """Words that nobody refuses, since each has taken a credit; `returned` gives one back."""

    def __init__(self, word: data.Layout):
        words = stream.Signature(word, always_ready=True)
        super().__init__({"words": Out(words), "returned": In(1)})
